// Two pens with the same strokes, for the screen and for a saved picture.

import { present, svg } from "../core/dom.js";
import { stamp } from "./stamp.js";

/**
 * @import { Attributes, Child } from "../core/dom.js"
 * @typedef {"start" | "middle" | "end"} Anchor
 * @typedef {{size: number, colour: string, weight?: number, anchor?: Anchor, turn?: number}} TextStyle
 * @typedef {CanvasPen | SvgPen} Pen
 */

const CIRCLES = 1500;
const LEVELS = 24;

/** Draws on a canvas of some CSS size with `scale` device pixels to each CSS pixel. */
export class CanvasPen {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {number} width
   * @param {number} height
   * @param {number} scale
   * @param {string} family
   */
  constructor(canvas, width, height, scale, family) {
    const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== across) canvas.width = across;
    if (canvas.height !== down) canvas.height = down;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    this.context = present(canvas.getContext("2d"));
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.clearRect(0, 0, across, down);
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    this.scale = scale;
    this.family = family;
  }

  /** @type {(x: number, y: number, width: number, height: number, colour: string, alpha?: number) => void} */
  rect(x, y, width, height, colour, alpha = 1) {
    this.context.globalAlpha = alpha;
    this.context.fillStyle = colour;
    this.context.fillRect(x, y, width, height);
    this.context.globalAlpha = 1;
  }

  /**
   * A filled shape given by its corners.
   * @type {(corners: [number, number][], colour: string) => void}
   */
  shape(corners, colour) {
    this.context.fillStyle = colour;
    this.context.beginPath();
    for (const [x, y] of corners) this.context.lineTo(x, y);
    this.context.fill();
  }

  /** @type {(x: number, y: number, width: number, height: number, colour: string, stroke?: number) => void} */
  frame(x, y, width, height, colour, stroke = 1) {
    this.context.strokeStyle = colour;
    this.context.lineWidth = stroke;
    this.context.strokeRect(x, y, width, height);
  }

  /**
   * Dots given flat as x, y, radius. Small ones are written as pixels: 100,000 take no time.
   * @type {(dots: ArrayLike<number>, colour: string) => void}
   */
  dots(dots, colour) {
    let largest = 0;
    for (let i = 2; i < dots.length; i += 3) largest = Math.max(largest, dots[i]);
    if (largest * this.scale < 4) {
      stamp(this.context, dots, colour, this.scale);
      return;
    }
    this.context.fillStyle = colour;
    this.context.beginPath();
    for (let i = 0; i < dots.length; i += 3) {
      const [x, y, radius] = [dots[i], dots[i + 1], dots[i + 2]];
      if (radius < 0.2) continue;
      this.context.moveTo(x + radius, y);
      this.context.arc(x, y, radius, 0, 2 * Math.PI);
    }
    this.context.fill();
  }

  /**
   * Text in the middle of a line of height 0 at y; `turn` in degrees.
   * @type {(x: number, y: number, text: string, style: TextStyle) => void}
   */
  text(x, y, text, { size, colour, weight = 400, anchor = "start", turn = 0 }) {
    const { context } = this;
    context.save();
    context.translate(x, y);
    context.rotate((turn * Math.PI) / 180);
    context.font = `${weight} ${size}px ${this.family}`;
    context.fillStyle = colour;
    context.textAlign = anchor === "middle" ? "center" : anchor;
    context.textBaseline = "alphabetic";
    context.fillText(text, 0, size * 0.35);
    context.restore();
  }
}

/** Draws into an SVG element; colours are written out, so the picture stands alone. */
export class SvgPen {
  /**
   * @param {SVGElement} parent
   * @param {string} family
   */
  constructor(parent, family) {
    this.parent = parent;
    this.family = family;
  }

  /** @type {<Tag extends keyof SVGElementTagNameMap>(tag: Tag, attributes: Attributes, ...children: Child[]) => SVGElementTagNameMap[Tag]} */
  add(tag, attributes, ...children) {
    return this.parent.appendChild(svg(tag, attributes, ...children));
  }

  /** @type {(x: number, y: number, width: number, height: number, colour: string, alpha?: number) => void} */
  rect(x, y, width, height, colour, alpha = 1) {
    const opacity = alpha < 1 ? round(alpha) : null;
    this.add("rect", {
      x: round(x),
      y: round(y),
      width: round(width),
      height: round(height),
      fill: colour,
      "fill-opacity": opacity,
    });
  }

  /** @type {(x: number, y: number, width: number, height: number, colour: string, stroke?: number, dashes?: string | null) => void} */
  frame(x, y, width, height, colour, stroke = 1, dashes = null) {
    this.add("rect", {
      x: round(x),
      y: round(y),
      width: round(width),
      height: round(height),
      fill: "none",
      stroke: colour,
      "stroke-width": stroke,
      "stroke-dasharray": dashes,
    });
  }

  /** @type {(corners: [number, number][], colour: string) => void} */
  shape(corners, colour) {
    this.add("path", {
      d: `M${corners.map(([x, y]) => `${round(x)} ${round(y)}`).join("L")}z`,
      fill: colour,
    });
  }

  /** @type {(path: string, colour: string, width: number, alpha?: number) => void} */
  line(path, colour, width, alpha = 1) {
    this.add("path", {
      d: path,
      fill: "none",
      stroke: colour,
      "stroke-width": round(width),
      "stroke-opacity": alpha < 1 ? round(alpha) : null,
    });
  }

  /** @type {(dots: ArrayLike<number>, colour: string) => void} */
  dots(dots, colour) {
    if (dots.length / 3 <= CIRCLES) {
      for (let i = 0; i < dots.length; i += 3) {
        if (dots[i + 2] < 0.2) continue;
        this.add("circle", {
          cx: round(dots[i]),
          cy: round(dots[i + 1]),
          r: round(dots[i + 2]),
          fill: colour,
        });
      }
      return;
    }
    // Many dots: one path for each size, every dot a line of no length with round ends.
    let largest = 0;
    for (let i = 2; i < dots.length; i += 3) largest = Math.max(largest, dots[i]);
    /** @type {string[][]} */
    const paths = Array.from({ length: LEVELS + 1 }, () => []);
    for (let i = 0; i < dots.length; i += 3) {
      const level = Math.round((LEVELS * dots[i + 2]) / largest);
      if (dots[i + 2] >= 0.2) paths[level].push(`M${round(dots[i])} ${round(dots[i + 1])}h0`);
    }
    paths.forEach((path, level) => {
      if (!path.length) return;
      this.add("path", {
        d: path.join(""),
        fill: "none",
        stroke: colour,
        "stroke-linecap": "round",
        "stroke-width": round((2 * largest * level) / LEVELS),
      });
    });
  }

  /** @type {(x: number, y: number, text: string, style: TextStyle) => SVGTextElement} */
  text(x, y, text, { size, colour, weight = 400, anchor = "start", turn = 0 }) {
    return this.add(
      "text",
      {
        x: round(x),
        y: round(y),
        dy: "0.35em",
        fill: colour,
        "font-size": size,
        "font-family": this.family,
        "font-weight": weight === 400 ? null : weight,
        "text-anchor": anchor === "start" ? null : anchor,
        transform: turn ? `rotate(${turn} ${round(x)} ${round(y)})` : null,
      },
      text,
    );
  }
}

/**
 * A coordinate without needless digits.
 * @type {(value: number) => number}
 */
export function round(value) {
  return Math.round(value * 100) / 100;
}
