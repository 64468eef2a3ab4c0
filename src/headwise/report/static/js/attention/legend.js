// What the strokes of a picture mean: the same entries on the page and in a saved picture.

import { el, svg } from "../core/dom.js";
import { widthOf } from "./labels.js";
import { SvgPen } from "./pens.js";

/**
 * @import { Colours } from "./colours.js"
 * @typedef {{icon: "dot" | "line" | "shade", part: number, colour: string, text: string}} Measured
 * @typedef {{icon: "bar" | "tint" | "ring" | "dashed", colour: string, text: string}} Plain
 * @typedef {Measured | Plain | {icon?: undefined, text: string}} Entry What a stroke means; `part` is how large it is drawn.
 */

const SIZE = 12;
const HEIGHT = 22;
const ICON = { dot: 22, line: 30, shade: 22, bar: 22, tint: 22, ring: 18, dashed: 24 };

/**
 * Entries {icon, part, colour, text} of a picture as elements.
 * @type {(entries: Entry[], family: string) => HTMLElement[]}
 */
export function legendOf(entries, family) {
  return entries.map((entry) => el("span", { class: "attn-entry" }, iconOf(entry, family), entry.text));
}

/**
 * Draws the entries into an SVG group, in lines of some width; returns the height.
 * @type {(group: SVGElement, entries: Entry[], width: number, colours: Colours) => number}
 */
export function saveLegend(group, entries, width, colours) {
  const pen = new SvgPen(group, colours.family);
  let [x, y] = [0, HEIGHT / 2];
  for (const entry of entries) {
    const icon = entry.icon ? ICON[entry.icon] : 0;
    const length = icon + 5 + widthOf(entry.text, SIZE, colours.family) + 14;
    if (x > 0 && x + length > width) [x, y] = [0, y + HEIGHT];
    if (icon)
      draw(
        new SvgPen(group.appendChild(svg("g", { transform: `translate(${x} ${y - 11})` })), colours.family),
        entry,
        icon,
      );
    pen.text(x + (icon ? icon + 5 : 0), y, entry.text, { size: SIZE, colour: colours.muted });
    x += length;
  }
  return y + HEIGHT / 2;
}

/** @type {(entry: Entry, family: string) => SVGElement | null} */
function iconOf(entry, family) {
  if (!entry.icon) return null;
  const width = ICON[entry.icon];
  const picture = svg("svg", { width, height: HEIGHT, "aria-hidden": "true" });
  draw(new SvgPen(picture, family), entry, width);
  return picture;
}

/** @type {(pen: SvgPen, entry: Entry, width: number) => void} */
function draw(pen, entry, width) {
  const middle = HEIGHT / 2;
  switch (entry.icon) {
    case "dot":
      return pen.dots([width / 2, middle, 9 * Math.sqrt(entry.part)], entry.colour);
    case "line": {
      const [stroke, alpha] = [0.7 + 4.3 * entry.part, 0.12 + 0.83 * entry.part];
      return pen.line(`M0 ${middle}H${width}`, entry.colour, stroke, alpha);
    }
    case "shade":
      return pen.rect(0, middle - 7, width, 14, entry.colour, entry.part);
    case "bar":
      return pen.rect(0, middle - 2, width, 4, entry.colour);
    case "tint":
      return pen.rect(2, middle - 7, width - 4, 14, entry.colour);
    case "ring":
      return pen.frame(2, middle - 6, 12, 12, entry.colour, 1.5);
    case "dashed":
      return pen.frame(1, middle - 7, width - 2, 14, entry.colour, 1.25, "4 2.5");
  }
}
