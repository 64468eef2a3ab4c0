// Colours of the page as numbers: canvases and saved pictures know no CSS variables.

import { el } from "../core/dom.js";

const NAMES = ["paper", "surface", "ink", "muted", "rule", "accent"];
const HEADS = 6;

/** {paper, ink, ..., heads: [six colours], dark, family} as they are now; `root` carries the class attn. */
export function coloursOf(root) {
  const probe = root.appendChild(el("span", { "aria-hidden": "true" }));
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const read = (name) => {
    probe.style.color = `var(--attn-${name})`;
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = getComputedStyle(probe).color;
    context.fillRect(0, 0, 1, 1);
    return hex(context.getImageData(0, 0, 1, 1).data);
  };
  const colours = Object.fromEntries(NAMES.map((name) => [name, read(name)]));
  colours.heads = Array.from({ length: HEADS }, (_, slot) => read(`c${slot + 1}`));
  colours.dark = lightness(colours.paper) < 0.5;
  colours.family = getComputedStyle(root).fontFamily;
  probe.remove();
  return colours;
}

/** Which colour a head has: it keeps it as long as it is shown. */
export class Slots {
  constructor() {
    this.taken = new Map();
  }

  colourOf(head, shown, { heads }) {
    for (const other of this.taken.keys()) if (!shown.includes(other)) this.taken.delete(other);
    if (!this.taken.has(head)) {
      const used = new Set(this.taken.values());
      let slot = 0;
      while (used.has(slot)) slot += 1;
      this.taken.set(head, slot);
    }
    return heads[this.taken.get(head) % heads.length];
  }
}

/** How strong the shade of a share is: small ones still show, and on the largest of any colour words keep a contrast of 4.5. */
export function shadeOf(share, colours) {
  return (colours.dark ? 0.42 : 0.62) * share ** 0.7;
}

/** A colour that is partly transparent. */
export function faded(colour, alpha) {
  return `rgba(${parts(colour).join(", ")}, ${alpha.toFixed(3)})`;
}

/** Red, green and blue of a colour, 0 to 255. */
export function parts(colour) {
  return [1, 3, 5].map((place) => Number.parseInt(colour.slice(place, place + 2), 16));
}

function hex([red, green, blue]) {
  return `#${[red, green, blue].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

function lightness(colour) {
  const [red, green, blue] = parts(colour);
  return (0.3 * red + 0.59 * green + 0.11 * blue) / 255;
}
