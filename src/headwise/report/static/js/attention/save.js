// A picture that leaves the page: heading, sentence, strokes and legend in one SVG.

import { svg } from "../core/dom.js";
import { sentence, widthOf } from "./labels.js";
import { saveLegend } from "./legend.js";

/**
 * @import { Attributes } from "../core/dom.js"
 * @import { Saved } from "../core/download.js"
 * @import { Colours } from "./colours.js"
 * @import { Picture } from "./pictures.js"
 */

const MARGIN = 20;
const ABOVE = 58;
const NARROWEST = 360;

/**
 * {svg, width, height} of a picture as it is now.
 * @type {(picture: Picture, colours: Colours, title: string, words: string[]) => Saved}
 */
export function saved(picture, colours, title, words) {
  const { family } = colours;
  const strokes = svg("g");
  const size = picture.save(strokes);
  const inner = Math.max(size.width, widthOf(title, 15, family, 600), NARROWEST);
  const legend = svg("g");
  const below = saveLegend(legend, picture.legend(), inner, colours);
  const width = Math.ceil(inner + 2 * MARGIN);
  const height = Math.ceil(ABOVE + size.height + 12 + below + 2 * MARGIN);
  strokes.setAttribute("transform", `translate(${MARGIN} ${MARGIN + ABOVE})`);
  legend.setAttribute("transform", `translate(${MARGIN} ${MARGIN + ABOVE + size.height + 12})`);
  /** @type {(y: number, text: string, attributes: Attributes) => SVGElement} */
  const line = (y, text, attributes) =>
    svg("text", { x: MARGIN, y, "font-family": family, ...attributes }, text);
  const heading = { fill: colours.ink, "font-size": 15, "font-weight": 600 };
  const shown = sentence(words, Math.max(30, Math.floor(inner / 7.5)));
  const whole = svg(
    "svg",
    { width, height, viewBox: `0 0 ${width} ${height}` },
    svg("rect", { width, height, fill: colours.paper }),
    line(MARGIN + 14, title, heading),
    line(MARGIN + 36, shown, { fill: colours.muted, "font-size": 13 }),
    strokes,
    legend,
  );
  return { svg: new XMLSerializer().serializeToString(whole), width, height };
}
