// Colours of the page as numbers: canvases and saved pictures know no CSS variables.

import { el, present } from "../core/dom.js";

/**
 * @typedef {object} Colours As they are now, `#rrggbb`.
 * @property {string} paper
 * @property {string} surface
 * @property {string} ink
 * @property {string} muted
 * @property {string} rule
 * @property {string[]} heads Six, for heads beside each other.
 * @property {boolean} dark
 * @property {string} family The font.
 */

const HEADS = 6;

/**
 * {paper, ink, ..., heads: [six colours], dark, family} as they are now; `root` carries the class attn.
 * @type {(root: HTMLElement) => Colours}
 */
export function coloursOf(root) {
  const probe = root.appendChild(el("span", { "aria-hidden": "true" }));
  const context = present(new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }));
  /** @type {(name: string) => string} */
  const read = (name) => {
    probe.style.color = `var(--attn-${name})`;
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = getComputedStyle(probe).color;
    context.fillRect(0, 0, 1, 1);
    return hex(context.getImageData(0, 0, 1, 1).data);
  };
  const paper = read("paper");
  const colours = {
    paper,
    surface: read("surface"),
    ink: read("ink"),
    muted: read("muted"),
    rule: read("rule"),
    heads: Array.from({ length: HEADS }, (_, slot) => read(`c${slot + 1}`)),
    dark: lightness(paper) < 0.5,
    family: getComputedStyle(root).fontFamily,
  };
  probe.remove();
  return colours;
}

/** Which colour a head has: it keeps it as long as it is shown. */
export class Slots {
  constructor() {
    /** @type {Map<number, number>} */
    this.taken = new Map();
  }

  /** @type {(head: number, shown: number[], colours: Colours) => string} */
  colourOf(head, shown, { heads }) {
    for (const other of this.taken.keys()) if (!shown.includes(other)) this.taken.delete(other);
    const slot = this.taken.get(head) ?? this.free();
    this.taken.set(head, slot);
    return heads[slot % heads.length];
  }

  /** @type {() => number} */
  free() {
    const used = new Set(this.taken.values());
    let slot = 0;
    while (used.has(slot)) slot += 1;
    return slot;
  }
}

/**
 * How strong the shade of a share is: small ones still show, and on the largest of any colour words keep a contrast of 4.5.
 * @type {(share: number, colours: Colours) => number}
 */
export function shadeOf(share, colours) {
  return (colours.dark ? 0.42 : 0.62) * share ** 0.7;
}

/**
 * A colour that is partly transparent.
 * @type {(colour: string, alpha: number) => string}
 */
export function faded(colour, alpha) {
  return `rgba(${parts(colour).join(", ")}, ${alpha.toFixed(3)})`;
}

/**
 * Red, green and blue of a colour, 0 to 255.
 * @type {(colour: string) => [number, number, number]}
 */
export function parts(colour) {
  const part = (/** @type {number} */ place) => Number.parseInt(colour.slice(place, place + 2), 16);
  return [part(1), part(3), part(5)];
}

/** @type {(bytes: Uint8ClampedArray) => string} */
function hex(bytes) {
  return `#${[...bytes.slice(0, 3)].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** @type {(colour: string) => number} */
function lightness(colour) {
  const [red, green, blue] = parts(colour);
  return (0.3 * red + 0.59 * green + 0.11 * blue) / 255;
}
