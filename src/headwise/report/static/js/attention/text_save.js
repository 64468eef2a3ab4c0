// Running text as an SVG, every word where it stands on the screen.

import { SvgPen } from "./pens.js";
import { shadeOf } from "./colours.js";

/**
 * @import { Active } from "./scene.js"
 * @import { TextPicture } from "./text.js"
 * @typedef {{x: number, y: number}} Point
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 */

/** Height of the bar of a head under a word, with the gap below it. */
export const BAR = 4;

/** Shares below this one are not drawn. */
export const FAINT = 0.02;

/**
 * Draws a TextPicture into an SVG group and returns its size.
 * @type {(picture: TextPicture, group: SVGElement) => {width: number, height: number}}
 */
export function saveText(picture, group) {
  const pen = new SvgPen(group, picture.colours.family);
  const { host } = picture;
  const { left, top } = host.getBoundingClientRect();
  const origin = { x: left - host.scrollLeft, y: top - host.scrollTop };
  for (const words of new Set([picture.queries, picture.keys])) {
    for (const span of words.spans) saveWord(pen, picture, span, origin);
  }
  return { width: host.clientWidth, height: host.scrollHeight };
}

/** @type {(pen: SvgPen, picture: TextPicture, span: HTMLElement, origin: Point) => void} */
function saveWord(pen, picture, span, origin) {
  const { scene, colours } = picture;
  const box = boxOf(span, origin);
  const { x, y, width, height } = box;
  if (picture.active) saveShade(pen, picture, picture.active, span, box);
  if (span.matches(".attn-active")) pen.frame(x, y, width, height, colours.ink, 2);
  if (span.matches(".attn-linked")) pen.frame(x, y, width, height, colours.ink, 1.5, "4 2.5");
  const isQuiet = span.matches(".attn-masked, .attn-sink");
  const bars = scene.heads.length > 1 ? scene.heads.length * BAR + 2 : 0;
  for (const part of span.children) {
    const inner = boxOf(part, origin);
    const size = Number.parseFloat(getComputedStyle(part).fontSize);
    const colour = isQuiet || part.matches("small") ? colours.muted : colours.ink;
    const middle = y + (height - bars) / 2;
    pen.text(inner.x + inner.width / 2, middle, part.textContent, { size, colour, anchor: "middle" });
  }
}

/** @type {(pen: SvgPen, picture: TextPicture, active: Active, span: HTMLElement, box: Box) => void} */
function saveShade(pen, { scene, colours }, active, span, { x, y, width, height }) {
  const out = active.query !== null;
  const isOther = !scene.isCross || (span.dataset.side === "key") === out;
  const index = Number(span.dataset.item);
  const place = out ? scene.keyAt.get(index) : index;
  if (!isOther || place === undefined) return;
  scene.heads.forEach((head, strip) => {
    const share = scene.share(head, out ? active.query : place, out ? place : active.key);
    const bar = y + height - (scene.heads.length - strip) * BAR;
    if (share < FAINT) return;
    if (scene.heads.length > 1) pen.rect(x, bar, width * share, BAR - 1, head.colour);
    else pen.rect(x, y, width, height, head.colour, shadeOf(share, colours));
  });
}

/** @type {(element: Element, origin: Point) => Box} */
function boxOf(element, origin) {
  const { left, top, width, height } = element.getBoundingClientRect();
  return { x: left - origin.x, y: top - origin.y, width, height };
}
