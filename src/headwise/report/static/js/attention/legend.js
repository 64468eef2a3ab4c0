// What the strokes of a picture mean: the same entries on the page and in a saved picture.

import { el, svg } from "../core/dom.js";
import { widthOf } from "./labels.js";
import { SvgPen } from "./pens.js";

const SIZE = 12;
const HEIGHT = 22;
const ICON = { dot: 22, line: 30, shade: 22, bar: 22, tint: 22, ring: 18, dashed: 24 };

/** Entries {icon, part, colour, text} of a picture as elements. */
export function legendOf(entries, family) {
  return entries.map((entry) => el("span", { class: "attn-entry" }, iconOf(entry, family), entry.text));
}

/** Draws the entries into an SVG group, in lines of some width; returns the height. */
export function saveLegend(group, entries, width, colours) {
  const pen = new SvgPen(group, colours.family);
  let [x, y] = [0, HEIGHT / 2];
  for (const entry of entries) {
    const icon = ICON[entry.icon] ?? 0;
    const length = icon + 5 + widthOf(entry.text, SIZE, colours.family) + 14;
    if (x > 0 && x + length > width) [x, y] = [0, y + HEIGHT];
    if (icon)
      draw(
        new SvgPen(group.appendChild(svg("g", { transform: `translate(${x} ${y - 11})` }))),
        entry,
        icon,
      );
    pen.text(x + (icon ? icon + 5 : 0), y, entry.text, { size: SIZE, colour: colours.muted });
    x += length;
  }
  return y + HEIGHT / 2;
}

function iconOf(entry, family) {
  const width = ICON[entry.icon];
  if (!width) return null;
  const picture = svg("svg", { width, height: HEIGHT, "aria-hidden": "true" });
  draw(new SvgPen(picture, family), entry, width);
  return picture;
}

function draw(pen, { icon, part, colour }, width) {
  const middle = HEIGHT / 2;
  if (icon === "dot") pen.dots([width / 2, middle, 9 * Math.sqrt(part)], colour);
  if (icon === "line") pen.line(`M0 ${middle}H${width}`, colour, 0.7 + 4.3 * part, 0.12 + 0.83 * part);
  if (icon === "shade") pen.rect(0, middle - 7, width, 14, colour, part);
  if (icon === "bar") pen.rect(0, middle - 2, width, 4, colour);
  if (icon === "tint") pen.rect(2, middle - 7, width - 4, 14, colour);
  if (icon === "ring") pen.frame(2, middle - 6, 12, 12, colour, 1.5);
  if (icon === "dashed") pen.frame(1, middle - 7, width - 2, 14, colour, 1.25, "4 2.5");
}
