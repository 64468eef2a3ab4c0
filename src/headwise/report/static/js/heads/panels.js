// Grids of heads: one per kind of evidence and per map, all showing the same head.

import { drawGrid, legend, outline } from "./grid.js";
import { el, present, refill, svg } from "../core/dom.js";
import { write } from "../core/format.js";
import { headName } from "../core/selection.js";
import { unpack } from "../core/packed.js";
import { saveButtons } from "../core/download.js";
import { behind, roam, stage } from "./roam.js";

/**
 * @import { Heads, Page, Panel } from "../page.d.ts"
 * @import { Child } from "../core/dom.js"
 * @import { Unit } from "../core/format.js"
 * @import { Selection } from "../core/selection.js"
 * @import { DrawnGrid } from "./grid.js"
 */

/** @type {Record<string, string>} */
export const VERDICTS = {
  s: "supported",
  a: "attends without mattering",
  m: "matters without attending",
  r: "refuted",
  i: "inconclusive",
  "-": "none",
};
/** @type {Record<string, string>} */
export const ANSWERS = { y: "yes", n: "no", u: "inconclusive", "-": "not tested" };

/**
 * Verdicts as shapes.
 * @type {(root: HTMLElement, page: Page, heads: Heads, selection: Selection) => void}
 */
export function verdictPanel(root, page, { verdicts: letters, rules }, selection) {
  /** @type {(head: number) => string} */
  const shapeOf = (head) => VERDICTS[letters[head]].replaceAll(" ", "-");
  const grid = drawGrid({ ...layersByHeads(page), values: [...letters], shapes: shapeOf });
  const given = Object.entries(VERDICTS).filter(([letter]) => letter !== "-" && letters.includes(letter));
  /** @type {(letter: string) => number} */
  const count = (letter) => [...letters].filter((other) => other === letter).length;
  const keys = given.map(([letter, name]) =>
    el(
      "span",
      { class: "key" },
      svg(
        "svg",
        { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" },
        svg("path", {
          d: outline(name.replaceAll(" ", "-"), 8, 8, 16),
          class: `verdict-shape ${name.replaceAll(" ", "-")}`,
        }),
      ),
      ` ${name} `,
      el("b", {}, String(count(letter))),
    ),
  );
  const panel = framed(
    "Verdict",
    rules,
    grid,
    `${page.slug}-verdict`,
    el("p", { class: "legend verdicts" }, ...keys),
  );
  panel.append(behind("Verdict", layersByHeads(page), (head) => VERDICTS[letters[head]]) || "");
  root.append(panel);
  follow(panel, grid, page, selection, "Verdict", (head) => VERDICTS[letters[head]]);
}

/**
 * One number per head.
 * @type {(root: HTMLElement, page: Page, panel: Panel, selection: Selection, notes?: Child[]) => void}
 */
export function headPanel(root, page, panel, selection, notes = []) {
  const values = unpack(panel.values);
  const [nLayers, nHeads] = panel.values.shape;
  const outlined = panel.answers
    ? new Set([...panel.answers].flatMap((letter, head) => (letter === "y" ? [head] : [])))
    : new Set(panel.marked);
  const grid = drawGrid({
    ...layersByHeads({ n_layers: nLayers, n_heads: nHeads }),
    values,
    low: panel.low,
    high: panel.high,
    unit: panel.unit,
    outlined,
  });
  const [low, high] = [endOf(panel.low, panel.unit, " or less"), endOf(panel.high, panel.unit, "")];
  const baseline = panel.baseline
    ? el(
        "span",
        { class: "baseline" },
        `${panel.baseline}: `,
        el("b", {}, write(panel.baseline_value, panel.unit)),
      )
    : null;
  const yes = panel.answers
    ? el("span", { class: "key" }, el("span", { class: "outline-key", "aria-hidden": "true" }), " yes")
    : null;
  const figure = framed(
    panel.title,
    panel.caption,
    grid,
    `${page.slug}-${panel.title}`,
    legend(low, high, yes, baseline),
    notes,
  );
  figure.append(
    behind(panel.title, layersByHeads({ n_layers: nLayers, n_heads: nHeads }), (head) =>
      write(values[head], panel.unit),
    ) || "",
  );
  root.append(figure);
  const linked = nLayers === page.n_layers && nHeads === page.n_heads;
  if (linked)
    follow(figure, grid, page, selection, panel.title, (head) => {
      const answer = panel.answers ? `, ${ANSWERS[panel.answers[head]]}` : "";
      return `${write(values[head], panel.unit)}${answer}`;
    });
}

/**
 * Kinds of evidence that were not tested.
 * @type {(root: HTMLElement, kinds: string[]) => void}
 */
export function missingPanel(root, kinds) {
  root.append(
    el(
      "figure",
      { class: "panel is-missing" },
      el("figcaption", {}, el("h3", {}, "Not tested")),
      el("p", {}, el("b", {}, kinds.join(", ")), ". The verdicts do not use them."),
    ),
  );
}

/** @type {(page: {n_layers: number, n_heads: number}) => {rows: string[], columns: string[]}} */
function layersByHeads(page) {
  return {
    rows: Array.from({ length: page.n_layers }, (_, layer) => `L${layer}`),
    columns: Array.from({ length: page.n_heads }, (_, head) => `H${head}`),
  };
}

/** @type {(value: number, unit: Unit, suffix: string) => string} */
function endOf(value, unit, suffix) {
  if (unit === "number") return `${Number(value.toPrecision(3))}${suffix}`.replace("-", "\u2212");
  const shown = `${Number((100 * value).toPrecision(3))}`.replace("-", "\u2212");
  return `${shown}${unit === "rate" ? "%" : " points"}${suffix}`;
}

/** @type {(title: string, caption: string, grid: DrawnGrid, name: string, key: HTMLElement, notes?: Child[]) => HTMLElement} */
function framed(title, caption, grid, name, key, notes = []) {
  const figure = el(
    "figure",
    { class: "panel" },
    el("figcaption", {}, el("h3", {}, title), el("p", {}, caption), ...notes),
    stage(grid, `${title}: heads by layer; arrow keys move, Enter opens the card of a head`),
    key,
    saveButtons(grid.picture, name),
  );
  figure.style.setProperty("--width", `${grid.width}px`);
  return figure;
}

/**
 * Shows what every other grid shows, and tells them what happens here.
 * @type {(panel: HTMLElement, grid: DrawnGrid, page: Page, selection: Selection, title: string, say: (head: number) => string) => void}
 */
function follow(panel, grid, page, selection, title, say) {
  /** @type {HTMLElement} */
  const view = present(panel.querySelector(".stage"));
  const spoken = el("p", { class: "sr-only", "aria-live": "polite" });
  panel.append(spoken);
  let mine = false;
  roam(view, grid, page.n_heads, page.n_layers * page.n_heads, {
    hover(cell) {
      mine = true;
      selection.hover(cell);
      mine = false;
    },
    choose: (cell, beside) => selection.pick(cell, beside),
    start: () => selection.hovered ?? selection.current ?? 0,
  });
  selection.listen(() => {
    grid.markAt(selection.hovered);
    grid.choose(selection.heads);
    if (mine && selection.hovered !== null && document.activeElement === view)
      refill(spoken, `${headName(selection.hovered, page.n_heads)}: ${title} ${say(selection.hovered)}`);
  });
}
