// Many small dots at once, written as pixels.

import { present } from "../core/dom.js";
import { parts } from "./colours.js";

/**
 * Puts dots (flat: x, y, radius in CSS pixels) on a canvas of `scale` device pixels to a CSS pixel.
 * @type {(context: CanvasRenderingContext2D, dots: ArrayLike<number>, colour: string, scale: number) => void}
 */
export function stamp(context, dots, colour, scale) {
  const { width, height } = context.canvas;
  const cover = new Uint8Array(width * height);
  for (let i = 0; i < dots.length; i += 3) {
    const [x, y, radius] = [dots[i] * scale, dots[i + 1] * scale, dots[i + 2] * scale];
    if (radius < 0.5) {
      const place = Math.floor(y) * width + Math.floor(x);
      cover[place] = Math.max(cover[place], 255 * Math.PI * radius * radius);
      continue;
    }
    const reach = radius + 0.5;
    for (let py = Math.ceil(y - 0.5 - reach); py <= y - 0.5 + reach; py++) {
      for (let px = Math.ceil(x - 0.5 - reach); px <= x - 0.5 + reach; px++) {
        if (px < 0 || py < 0 || px >= width || py >= height) continue;
        const inside = 255 * Math.min(1, reach - Math.hypot(px + 0.5 - x, py + 0.5 - y));
        const place = py * width + px;
        if (inside > cover[place]) cover[place] = inside;
      }
    }
  }
  const image = context.createImageData(width, height);
  const [red, green, blue] = parts(colour);
  // Bytes of a pixel as one number, in the order of a little-endian machine: alpha, blue, green, red.
  const pixels = new Uint32Array(image.data.buffer);
  const base = (blue << 16) | (green << 8) | red;
  for (let place = 0; place < cover.length; place++) {
    if (cover[place]) pixels[place] = ((cover[place] << 24) | base) >>> 0;
  }
  // Pixels would overwrite what lies below; drawn from a second canvas they lie on it.
  const layer = new OffscreenCanvas(width, height);
  present(layer.getContext("2d")).putImageData(image, 0, 0);
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(layer, 0, 0);
  context.restore();
}
