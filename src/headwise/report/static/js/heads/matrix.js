// Questions by heads, as a grid with a gap between layers.

import { behind, roam, stage } from "./roam.js";
import { drawGrid, legend } from "./grid.js";
import { el } from "../core/dom.js";
import { saveButtons } from "../core/download.js";
import { unpack } from "../core/packed.js";
import { write } from "../core/format.js";

/**
 * @import { Page, PageMatrix } from "../page.d.ts"
 * @import { Selection } from "../core/selection.js"
 */

/**
 * Questions by heads.
 * @type {(root: HTMLElement, page: Page, matrix: PageMatrix, selection: Selection) => void}
 */
export function matrixPanel(root, page, matrix, selection) {
  const values = unpack(matrix.values);
  const longest = Math.min(40, Math.max(...matrix.rows.map((row) => row.length), 4));
  const grid = drawGrid({
    rows: matrix.rows.map((row) => (row.length > 40 ? `${row.slice(0, 39)}\u2026` : row)),
    columns: matrix.columns,
    breaks: matrix.breaks,
    values,
    low: 0,
    high: matrix.limit,
    unit: "difference",
    outlined: new Set(matrix.marked),
    left: 12 + 5.6 * longest,
  });
  const marks = matrix.marks
    ? el(
        "span",
        { class: "key" },
        el("span", { class: "outline-key", "aria-hidden": "true" }),
        ` ${matrix.marks}`,
      )
    : null;
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  const view = stage(grid, `${matrix.title}: arrow keys move between cells`);
  root.append(
    view,
    legend("0 or less", `${write(matrix.limit, "difference")} points`, marks),
    readout,
    behind(matrix.title, matrix, (cell) => write(values[cell], "difference")) || "",
    saveButtons(grid.picture, `${page.slug}-${matrix.title}`),
  );
  const n = matrix.columns.length;
  roam(view, grid, n, values.length, {
    hover(cell) {
      grid.markAt(cell);
      readout.textContent =
        cell === null
          ? ""
          : `${matrix.rows[Math.floor(cell / n)]}, ${matrix.columns[cell % n]}: ${write(values[cell], "difference")} points`;
    },
    choose(cell, beside) {
      const found = /^L(\d+)H(\d+)$/.exec(matrix.columns[cell % n]);
      if (found) selection.pick(Number(found[1]) * page.n_heads + Number(found[2]), beside);
    },
  });
}
