// Tables that sort, filter and save; long ones show their beginning first.

import { el, present, refill } from "./dom.js";
import { write } from "./format.js";
import { headOf } from "./selection.js";
import { saveCsv } from "./download.js";
import { unpack } from "./packed.js";

/**
 * @import { Page, PageColumn, PageTable } from "../page.d.ts"
 * @typedef {object} Readable What a column holds, by row.
 * @property {boolean} isNumber
 * @property {(row: number) => number | string | null} raw
 * @property {(row: number) => string} text
 * @property {string} class
 * @typedef {PageColumn & Readable} Column
 * @typedef {{order: number | null, down: boolean, words: string, all: boolean}} State
 */

const FIRST = 25; // rows before a reader asks for more
const LONG = 44; // characters of a text that may run over several lines
const FILTERED = 8; // tables of more rows can be filtered

/**
 * Fills `root` with a table of the page's data.
 * @type {(root: HTMLElement, table: PageTable, page: Page, title: string) => void}
 */
export function dataTable(root, table, page, title) {
  const columns = table.columns.map(readable);
  /** @type {State} */
  const state = { order: null, down: false, words: "", all: false };
  const body = el("tbody");
  const headings = columns.map((column, i) => heading(column, () => sort(i)));
  const more = el("button", { type: "button", class: "more", onclick: () => update({ all: true }) });
  const filter = el("input", {
    type: "search",
    placeholder: "Filter rows",
    "aria-label": `Filter rows: ${title}`,
    oninput: () => update({ words: filter.value.toLowerCase() }),
  });
  const found = el("span", { class: "count", role: "status" });
  const controls = el(
    "div",
    { class: "table-tools" },
    table.n_rows > FILTERED && filter,
    found,
    el(
      "button",
      {
        type: "button",
        "aria-label": `Save as CSV: ${title}`,
        onclick: () => saveCsv(rowsOf(columns, shown()), `${page.slug}-${table.name}`),
      },
      "CSV",
    ),
  );
  const scroll = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title });
  scroll.append(el("table", { class: "data" }, el("thead", {}, el("tr", {}, ...headings)), body));
  root.append(controls, scroll, more);

  /** @type {(i: number) => void} */
  function sort(i) {
    const down = state.order === i ? !state.down : columns[i].isNumber;
    for (const [other, th] of headings.entries())
      th.setAttribute("aria-sort", other === i ? (down ? "descending" : "ascending") : "none");
    update({ order: i, down });
  }

  /** @type {(change: Partial<State>) => void} */
  function update(change) {
    Object.assign(state, change);
    draw();
  }

  function shown() {
    let rows = Array.from({ length: table.n_rows }, (_, row) => row);
    if (state.words)
      rows = rows.filter((row) =>
        columns.some((column) => column.text(row).toLowerCase().includes(state.words)),
      );
    if (state.order !== null) rows.sort(by(columns[state.order], state.down));
    return rows;
  }

  function draw() {
    const rows = shown();
    const visible = state.all ? rows : rows.slice(0, FIRST);
    refill(
      body,
      visible.map((row) => el("tr", {}, ...columns.map((column) => cell(column, row, page)))),
    );
    if (!rows.length)
      body.append(
        el(
          "tr",
          {},
          el("td", { colspan: columns.length, class: "none" }, table.n_rows ? "No row fits." : "No rows."),
        ),
      );
    found.textContent = state.words
      ? `${rows.length} of ${table.n_rows} rows`
      : `${table.n_rows} ${table.n_rows === 1 ? "row" : "rows"}`;
    more.hidden = visible.length === rows.length;
    more.textContent = `Show all ${rows.length} rows`;
  }
  draw();
}

/** @type {(column: PageColumn) => Column} */
function readable(column) {
  const isNumber = column.numbers !== null;
  const values = unpack(present(column.numbers ?? column.codes));
  /** @type {Column["raw"]} */
  const raw = isNumber
    ? (row) => values[row]
    : (row) => (values[row] < 0 ? null : column.texts[values[row]]);
  const kind = isNumber ? "number" : column.texts.some((text) => text.length > LONG) ? "text long" : "text";
  return { ...column, isNumber, raw, class: kind, text: (row) => write(raw(row), column.kind) };
}

/** @type {(column: Column, sort: () => void) => HTMLElement} */
function heading(column, sort) {
  const button = el(
    "button",
    { type: "button", onclick: sort, title: column.note || undefined },
    column.title,
  );
  return el("th", { scope: "col", class: column.class, "aria-sort": "none" }, button);
}

/** @type {(column: Column, row: number, page: Page) => HTMLElement} */
function cell(column, row, page) {
  const text = column.text(row);
  const isHead = !column.isNumber && page.n_layers && headOf(text, page.n_layers, page.n_heads) !== null;
  return el("td", { class: column.class }, isHead ? el("a", { href: `#${text}` }, text) : text);
}

// What is missing stands last, whichever way.
/** @type {(column: Column, down: boolean) => (a: number, b: number) => number} */
function by(column, down) {
  const sign = down ? -1 : 1;
  return (a, b) => {
    const [x, y] = [column.raw(a), column.raw(b)];
    if (isMissing(x) || isMissing(y)) return Number(isMissing(x)) - Number(isMissing(y));
    if (typeof x === "number" && typeof y === "number") return sign * (x - y);
    return sign * String(x).localeCompare(String(y), "en", { numeric: true });
  };
}

/** @type {(value: string | number | null) => boolean} */
function isMissing(value) {
  return value === null || Number.isNaN(value);
}

/** @type {(columns: Column[], rows: number[]) => (string | number | null)[][]} */
function rowsOf(columns, rows) {
  return [
    columns.map((column) => column.name),
    ...rows.map((row) => columns.map((column) => column.raw(row))),
  ];
}
