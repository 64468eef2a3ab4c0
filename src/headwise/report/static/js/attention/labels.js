// Words as they fit into a picture: cleaned, cut and measured, however long they are.

import { present } from "../core/dom.js";

const CUT = "\u2026";
const HIDDEN = /[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdfd\ufe70-\ufefc]/;
const LETTER = /\p{L}/u;
const canvas = document.createElement("canvas");
/** @type {Map<string, string>} */
const fitted = new Map();

/**
 * A word as one line of at most `limit` characters; control characters become visible ones.
 * @type {(text: string, limit?: number) => string}
 */
export function cut(text, limit = 28) {
  // Only a prefix is looked at: a word can have 10,000 characters.
  const characters = [...text.slice(0, 4 * limit)];
  const shown = [];
  for (const character of characters) {
    if (shown.length > limit) break;
    const visible = seen(character);
    if (visible) shown.push(visible);
  }
  if (!shown.length) return "\u2423";
  const whole = shown.length <= limit && text.length <= 4 * limit;
  return whole ? shown.join("") : shown.slice(0, limit - 1).join("") + CUT;
}

/** @type {(character: string) => string} */
function seen(character) {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  if (code < 0xa0 && code > 0x7f) return "\ufffd";
  if (code >= 0xd800 && code <= 0xdfff) return "\ufffd";
  return HIDDEN.test(character) ? "" : character;
}

/**
 * The sentence of a list of words, cut.
 * @type {(words: string[], limit?: number) => string}
 */
export function sentence(words, limit = 70) {
  let text = "";
  for (const word of words) {
    const next = cut(word, limit);
    text += text && !leans(next) ? ` ${next}` : next;
    if (text.length > limit) break;
  }
  return cut(text || " ", limit);
}

/**
 * Whether a word stands right behind the one before it, as a comma does.
 * @type {(word: string) => boolean}
 */
export function leans(word) {
  return (
    /^[.,;:!?%)\]}\u2026\u2019]+$/.test(word) || /^(n['\u2019]t|['\u2019](s|re|ve|ll|d|m))$/i.test(word)
  );
}

/**
 * Whether a text is written from right to left: most of its words begin so.
 * @type {(words: string[]) => boolean}
 */
export function isRightToLeft(words) {
  const begun = words.map((word) => word.slice(0, 40)).filter((word) => LETTER.test(word));
  const turned = begun.filter((word) => RIGHT_TO_LEFT.test(word));
  return 2 * turned.length > begun.length;
}

/**
 * Keeps the direction of a word from turning the words around it.
 * @type {(text: string) => string}
 */
export function isolated(text) {
  return `\u2068${text}\u2069`;
}

/**
 * Width of a short text in pixels.
 * @type {(text: string, size: number, family: string, weight?: number) => number}
 */
export function widthOf(text, size, family, weight = 400) {
  const context = present(canvas.getContext("2d"));
  context.font = `${weight} ${size}px ${family}`;
  return context.measureText(text).width;
}

/**
 * The label cut to a width.
 * @type {(label: string, width: number, size: number, family: string) => string}
 */
export function fit(label, width, size, family) {
  const key = `${size} ${Math.round(width)} ${family} ${label}`;
  const known = fitted.get(key);
  if (known !== undefined) return known;
  if (fitted.size > 5000) fitted.clear();
  const anew = fitAnew(label, width, size, family);
  fitted.set(key, anew);
  return anew;
}

/** @type {(label: string, width: number, size: number, family: string) => string} */
function fitAnew(label, width, size, family) {
  if (widthOf(label, size, family) <= width) return label;
  const characters = [...label];
  while (characters.length > 1) {
    characters.pop();
    const text = characters.join("") + CUT;
    if (widthOf(text, size, family) <= width) return text;
  }
  return CUT;
}
