// How numbers are written, as on the paper: real minus signs, an en dash for what is missing.

/**
 * @import { PageColumn } from "../page.d.ts"
 * @typedef {PageColumn["kind"]} Unit
 */

export const MISSING = "\u2013";
const MINUS = "\u2212";

/**
 * A value of a kind (results/tables.py): rates and differences are shares of 1, shown as percent and points.
 * @type {(value: number | string | null | undefined, kind: Unit) => string}
 */
export function write(value, kind) {
  if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
  if (typeof value === "string") return value;
  switch (kind) {
    case "integer":
      return signs(Math.round(value).toLocaleString("en-US"));
    case "rate":
      return signs(`${(100 * value).toFixed(1)}%`);
    case "difference":
      return signs(plus(100 * value, (100 * value).toFixed(1)));
    case "offset":
      return signs(plus(value, String(value)));
    case "number":
      return signs(short(value));
    default:
      return signs(String(value));
  }
}

/**
 * A value as small as fits into a cell of a picture.
 * @type {(value: number | null, kind: Unit) => string}
 */
export function brief(value, kind) {
  if (value === null || Number.isNaN(value)) return MISSING;
  if (kind === "rate" || kind === "difference") return signs((100 * value).toFixed(0));
  const size = Math.abs(value);
  return signs(size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2));
}

/**
 * Four figures.
 * @type {(value: number) => string}
 */
function short(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(1).replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

/** @type {(value: number, text: string) => string} */
function plus(value, text) {
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** @type {(text: string) => string} */
function signs(text) {
  if (text.startsWith("-") && !/[1-9]/.test(text)) return text.slice(1);
  return text.replaceAll("-", MINUS);
}
