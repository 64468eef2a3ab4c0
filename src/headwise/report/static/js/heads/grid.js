// A grid of cells as a picture: shades by value, outlines, a mark that follows the pointer or the keyboard.

import { el, svg } from "../core/dom.js";
import { brief } from "../core/format.js";

/**
 * @import { Numbers } from "../core/packed.js"
 * @import { Child } from "../core/dom.js"
 * @import { Unit } from "../core/format.js"
 *
 * @typedef {object} Frame
 * @property {string[]} rows Names.
 * @property {string[]} columns Names.
 * @property {number[]} [breaks] Columns after a gap.
 * @property {Set<number>} [outlined] Cells.
 * @property {number} [left] Width for the names of rows.
 *
 * @typedef {Frame & {values: Numbers, low: number, high: number, unit: Unit, shapes?: undefined}} Shaded
 * @typedef {Frame & {values: string[], shapes: (cell: number) => string}} Shaped With the class of each cell's shape.
 *
 * @typedef {object} DrawnGrid
 * @property {SVGSVGElement} picture
 * @property {number} width
 * @property {(event: MouseEvent) => number | null} cellAt
 * @property {(cell: number | null) => void} markAt
 * @property {(cells: number[]) => void} choose
 *
 * @typedef {(cell: number) => [number, number]} Corner Left and top of a cell.
 * @typedef {{xs: number[], side: number, left: number, breaks: Set<number> | null}} Columns
 * @typedef {{xs: number[], side: number, n: number, columns: number, width: number, height: number}} Extent
 */

export const STEPS = 20;
const LABELLED = 20; // cells at least so wide carry their number
const LEFT = 26;
const TOP = 16;

/**
 * Draws a grid: shades by value, or shapes by category.
 * @type {(grid: Shaded | Shaped) => DrawnGrid}
 */
export function drawGrid(grid) {
  const { rows, columns, values } = grid;
  const side = sizeOf(columns.length);
  const left = grid.left || LEFT;
  const breaks = new Set(grid.breaks || []);
  const gap = breaks.size ? Math.max(3, side / 4) : 0;
  /** @type {number[]} */
  const xs = [];
  let x = left;
  for (const c of columns.keys()) {
    if (c > 0) x += side + (breaks.has(c) ? gap : 0);
    xs.push(x);
  }
  const width = x + side + 8; // room for the last name
  const height = TOP + rows.length * side + 2;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "grid", "aria-hidden": "true" });
  picture.style.width = `${width}px`;
  const inner = side - (side > 10 ? 1.5 : 0.5);
  /** @type {Corner} */
  const at = (cell) => [xs[cell % columns.length], TOP + Math.floor(cell / columns.length) * side];
  picture.append(
    names(rows, columns, { xs, side, left, breaks: grid.breaks ? breaks : null }),
    grid.shapes ? shapes(values.length, grid.shapes, at, side) : shades(grid, at, inner),
    outlines(grid.outlined || new Set(), at, inner),
  );
  if (side >= LABELLED && !grid.shapes && !grid.breaks) picture.append(labels(grid, at, side));
  const chosen = svg("path", { class: "chosen" });
  const mark = svg("rect", {
    class: "mark",
    width: inner + 3,
    height: inner + 3,
    rx: 2,
    visibility: "hidden",
  });
  picture.append(chosen, mark);
  return {
    picture,
    width,
    cellAt: (event) =>
      cellAt(event, picture, { xs, side, n: rows.length, columns: columns.length, width, height }),
    markAt(cell) {
      mark.setAttribute("visibility", cell === null ? "hidden" : "visible");
      if (cell === null) return;
      const [x0, y0] = at(cell);
      mark.setAttribute("x", String(x0 - 1.5));
      mark.setAttribute("y", String(y0 - 1.5));
    },
    choose(cells) {
      chosen.setAttribute("d", cells.map((cell) => box(at(cell), inner)).join(""));
    },
  };
}

/**
 * Which of the steps of the scale a value is; -1 for a missing one.
 * @type {(value: number | null, low: number, high: number) => number}
 */
export function stepOf(value, low, high) {
  if (value === null || Number.isNaN(value)) return -1;
  const share = high > low ? (value - low) / (high - low) : 0;
  return Math.round(STEPS * Math.min(1, Math.max(0, share)));
}

/**
 * The scale beside a grid, with its ends in words.
 * @type {(low: string, high: string, ...more: Child[]) => HTMLElement}
 */
export function legend(low, high, ...more) {
  const steps = Array.from({ length: STEPS + 1 }, (_, i) => el("span", { class: `step step-${i}` }));
  return el(
    "p",
    { class: "legend" },
    el("span", {}, low),
    el("span", { class: "scale", "aria-hidden": "true" }, ...steps),
    el("span", {}, high),
    ...more,
  );
}

/** @type {(n: number) => number} */
function sizeOf(n) {
  return Math.max(7, Math.min(23, Math.floor(620 / Math.max(1, n))));
}

/** @type {(corner: [number, number], side: number) => string} */
function box([x, y], side) {
  return `M${round(x)} ${round(y)}h${round(side)}v${round(side)}h${round(-side)}z`;
}

/** @type {(number: number) => number} */
function round(number) {
  return Math.round(100 * number) / 100;
}

// One path for all cells of a shade: the number of elements does not grow with the model.
/** @type {(grid: Shaded, at: Corner, inner: number) => SVGElement} */
function shades({ values, low, high }, at, inner) {
  /** @type {Map<number, string>} */
  const paths = new Map();
  values.forEach((value, cell) => {
    const step = stepOf(value, low, high);
    paths.set(step, (paths.get(step) || "") + box(at(cell), inner));
  });
  return svg(
    "g",
    {},
    [...paths].map(([step, d]) => svg("path", { d, class: step < 0 ? "missing" : `step-${step}` })),
  );
}

/** @type {(n: number, shapeOf: (cell: number) => string, at: Corner, side: number) => SVGElement} */
function shapes(n, shapeOf, at, side) {
  /** @type {Map<string, string>} */
  const paths = new Map();
  for (let cell = 0; cell < n; cell++) {
    const name = shapeOf(cell);
    const [x, y] = at(cell);
    paths.set(
      name,
      (paths.get(name) || "") + outline(name, x + side / 2 - 0.75, y + side / 2 - 0.75, side),
    );
  }
  return svg(
    "g",
    {},
    [...paths].map(([name, d]) => svg("path", { d, class: `verdict-shape ${name}` })),
  );
}

/**
 * The path of a shape of a category around a centre.
 * @type {(name: string, x: number, y: number, side: number) => string}
 */
export function outline(name, x, y, side) {
  const r = round(0.34 * side);
  /** @type {(radius: number) => string} */
  const circle = (radius) =>
    `M${round(x - radius)} ${round(y)}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0z`;
  if (name === "matters-without-attending")
    return `M${round(x)} ${round(y - 1.2 * r)}l${1.2 * r} ${1.2 * r}l${-1.2 * r} ${1.2 * r}l${-1.2 * r} ${-1.2 * r}z`;
  if (name === "refuted") return `M${round(x - r)} ${round(y)}h${2 * r}`;
  if (name === "inconclusive") return circle(round(Math.max(0.8, 0.09 * side)));
  if (name === "none") return "";
  return circle(name === "supported" ? round(1.1 * r) : r);
}

/** @type {(cells: Set<number>, at: Corner, inner: number) => SVGElement} */
function outlines(cells, at, inner) {
  return svg("path", { class: "outlined", d: [...cells].map((cell) => box(at(cell), inner)).join("") });
}

/** @type {(rows: string[], columns: string[], place: Columns) => SVGElement} */
function names(rows, columns, { xs, side, left, breaks }) {
  const every = Math.max(1, Math.ceil(11 / side), Math.ceil((side < 16 ? 22 : 16) / side));
  /** @type {[number, string][]} */
  const heads = breaks
    ? columns.flatMap((name, c) => (c === 0 || breaks.has(c) ? [[c, name.split("H")[0]]] : []))
    : columns.flatMap((name, c) => (c % every === 0 ? [[c, name]] : []));
  const down = Math.max(1, Math.ceil(11 / side));
  return svg(
    "g",
    { class: "names" },
    heads.map(([c, name]) =>
      svg(
        "text",
        { x: xs[c] + (breaks ? 0 : side / 2), y: TOP - 5, "text-anchor": breaks ? "start" : "middle" },
        name,
      ),
    ),
    rows.flatMap((name, r) =>
      r % down
        ? []
        : [svg("text", { x: left - 6, y: TOP + (r + 0.5) * side + 3, "text-anchor": "end" }, name)],
    ),
  );
}

/** @type {(grid: Shaded, at: Corner, side: number) => SVGElement} */
function labels({ values, low, high, unit }, at, side) {
  return svg(
    "g",
    { class: "labels" },
    [...values].map((value, cell) => {
      const [x, y] = at(cell);
      const step = stepOf(value, low, high);
      const tone = step > 0.7 * STEPS ? "strong" : step > 0.55 * STEPS ? "middle" : "";
      return svg(
        "text",
        { x: x + side / 2 - 0.75, y: y + side / 2 + 2.6, "text-anchor": "middle", class: tone },
        brief(value, unit),
      );
    }),
  );
}

// Found by coordinates, so that no cell needs a listener.
/** @type {(event: MouseEvent, picture: SVGSVGElement, extent: Extent) => number | null} */
function cellAt(event, picture, { xs, side, n, columns, width, height }) {
  const frame = picture.getBoundingClientRect();
  const x = ((event.clientX - frame.left) / frame.width) * width;
  const y = ((event.clientY - frame.top) / frame.height) * height;
  const row = Math.floor((y - TOP) / side);
  const column = xs.findLastIndex((left) => left <= x);
  const inside = row >= 0 && row < n && column >= 0 && x < xs[column] + side;
  return inside ? row * columns + column : null;
}
