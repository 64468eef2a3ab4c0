// A picture that answers to pointer and keyboard, and its numbers for those who do not see it.

import { el } from "../core/dom.js";

/**
 * @import { DrawnGrid } from "./grid.js"
 * @typedef {object} Walk What follows when a reader goes through a grid.
 * @property {(cell: number | null) => void} hover
 * @property {(cell: number, beside: boolean) => void} choose
 * @property {() => number} [start]
 */

const SPOKEN = 512; // cells of a picture that are also a table

/**
 * The frame of a grid that can be walked through.
 * @type {(grid: DrawnGrid, label: string) => HTMLElement}
 */
export function stage(grid, label) {
  return el(
    "div",
    {
      class: "stage",
      role: "application",
      "aria-roledescription": "grid of heads",
      "aria-label": label,
      tabindex: 0,
    },
    grid.picture,
  );
}

/**
 * Pointer and keyboard on a grid of `n` columns and `size` cells.
 * @type {(view: HTMLElement, grid: DrawnGrid, n: number, size: number, walk: Walk) => void}
 */
export function roam(view, grid, n, size, { hover, choose, start = () => 0 }) {
  /** @type {number | null} */
  let cell = null;
  /** @type {(to: number | null) => void} */
  const go = (to) => {
    if (to === cell) return;
    cell = to;
    hover(cell);
  };
  view.addEventListener("pointermove", (event) => go(grid.cellAt(event)));
  view.addEventListener("pointerleave", () => go(null));
  view.addEventListener("blur", () => go(null));
  view.addEventListener("click", (event) => {
    const at = grid.cellAt(event);
    if (at !== null) choose(at, event.shiftKey || event.ctrlKey || event.metaKey);
  });
  /** @type {Record<string, number | undefined>} */
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: n, ArrowUp: -n };
  view.addEventListener("keydown", (event) => {
    const by = steps[event.key];
    if (by !== undefined) {
      const to = cell === null ? start() : cell + by;
      const wraps = Math.abs(by) === 1 && cell !== null && Math.floor(to / n) !== Math.floor(cell / n);
      if (to >= 0 && to < size && !wraps) go(to);
    } else if ((event.key === "Enter" || event.key === " ") && cell !== null) {
      choose(cell, event.shiftKey);
    } else if (event.key === "Escape") {
      go(null);
    } else {
      return;
    }
    event.preventDefault();
  });
}

/**
 * The numbers of a picture as a table; of a large model the tables of the page hold them.
 * @type {(title: string, names: {rows: string[], columns: string[]}, say: (cell: number) => string) => HTMLElement | null}
 */
export function behind(title, { rows, columns }, say) {
  if (rows.length * columns.length > SPOKEN) return null;
  /** @type {(r: number) => HTMLElement[]} */
  const cells = (r) => columns.map((_, c) => el("td", {}, say(r * columns.length + c)));
  return el(
    "div",
    { class: "sr-only" },
    el(
      "table",
      {},
      el("caption", {}, title),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("td"),
          columns.map((name) => el("th", { scope: "col" }, name)),
        ),
      ),
      el(
        "tbody",
        {},
        rows.map((name, r) => el("tr", {}, el("th", { scope: "row" }, name), cells(r))),
      ),
    ),
  );
}
