// The card of a head: its evidence, further measurements, the directions it writes, characteristic sentences.

import { around, el, refill } from "../core/dom.js";
import { write } from "../core/format.js";
import { headName } from "../core/selection.js";
import { unpack } from "../core/packed.js";
import { evidence, interval, probability, th } from "./evidence.js";
import { VERDICTS } from "./panels.js";

/**
 * @import { Attention, Detail, Example, Heads, Measure, Page, Panel } from "../page.d.ts"
 * @import { Child } from "../core/dom.js"
 * @import { Numbers } from "../core/packed.js"
 * @import { Selection } from "../core/selection.js"
 * @import { Estimates } from "./evidence.js"
 *
 * @typedef {Omit<Detail, keyof Estimates> & Estimates} Details
 * @typedef {Omit<Panel, "values"> & {values: Numbers}} HeadMap
 */

const MOST = 12; // rows of a detail that are shown at once

/**
 * Shows the card of the chosen head in `root`; `open(example)` shows a sentence of its own.
 * @type {(root: HTMLElement, page: Page, selection: Selection, open: (example: number) => void) => void}
 */
export function headCard(root, page, selection, open) {
  const measures = (page.heads?.measures ?? []).map((measure) => ({
    ...numbers(measure),
    control: measure.control ? unpack(measure.control) : null,
    detectable: measure.detectable ? unpack(measure.detectable) : null,
  }));
  const details = (page.heads?.details ?? []).map(numbers);
  const maps = page.panels
    .slice(measures.length)
    .filter((panel) => panel.values.shape[0] === page.n_layers && panel.values.shape[1] === page.n_heads)
    .map((panel) => ({ ...panel, values: unpack(panel.values) }));
  /** @type {number | null} */
  let shown = null;
  function draw() {
    const head = selection.current;
    if (head === shown) return;
    shown = head;
    if (head === null)
      return void refill(
        root,
        el("p", { class: "hint" }, "Choose a head in a picture above, or in a table."),
      );
    refill(
      root,
      title(head, page, selection),
      page.heads && measures.length ? evidence(head, measures) : null,
      el(
        "div",
        { class: "card-columns" },
        ...details.map((detail) => detailTable(head, detail)),
        measures.length ? null : mapTable(head, maps),
        writes(head, page.heads),
      ),
      sentences(head, page.attention, open),
    );
  }
  selection.listen(draw);
  draw();
}

/** @type {<T extends Measure | Detail>(entry: T) => Omit<T, keyof Estimates> & Estimates} */
function numbers(entry) {
  const [effect, low, high, p] = [entry.effect, entry.low, entry.high, entry.p].map(unpack);
  return { ...entry, effect, low, high, p };
}

/** @type {(head: number, page: Page, selection: Selection) => HTMLElement} */
function title(head, page, selection) {
  const verdict = page.heads && VERDICTS[page.heads.verdicts[head]];
  const n = page.n_layers * page.n_heads;
  /** @type {(by: number, label: string, text: string) => HTMLElement} */
  const step = (by, label, text) =>
    el(
      "button",
      { type: "button", "aria-label": label, onclick: () => selection.choose((head + by + n) % n) },
      text,
    );
  const beside = el("input", {
    type: "checkbox",
    checked: selection.adding,
    onchange: () => {
      selection.adding = beside.checked;
    },
  });
  return el(
    "header",
    { class: "card-title" },
    el("h3", { id: "head", tabindex: -1 }, headName(head, page.n_heads)),
    verdict &&
      verdict !== "none" &&
      el("span", { class: `verdict ${verdict.replaceAll(" ", "-")}` }, verdict),
    page.attention && el("label", { class: "beside" }, beside, " compare several heads"),
    el("span", { class: "steps" }, step(-1, "Head before", "\u2190"), step(1, "Next head", "\u2192")),
  );
}

/** @type {(head: number, detail: Details) => HTMLElement | null} */
function detailTable(head, detail) {
  const n = detail.rows.length;
  /** @type {[string, number][]} */
  const held = detail.rows.flatMap((name, i) =>
    Number.isNaN(detail.effect[head * n + i]) ? [] : [[name, head * n + i]],
  );
  if (!held.length) return null;
  const hasInterval = held.some(([, i]) => !Number.isNaN(detail.low[i]));
  const hasP = held.some(([, i]) => !Number.isNaN(detail.p[i]));
  /** @type {(entry: [string, number]) => HTMLElement} */
  const row = ([name, i]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", { class: "number" }, write(detail.effect[i], detail.unit)),
      hasInterval && el("td", { class: "number" }, interval(detail, i)),
      hasP && el("td", { class: "number" }, probability(detail.p[i])),
    );
  const heads = ["", "Effect", ...(hasInterval ? ["95% interval"] : []), ...(hasP ? ["p"] : [])];
  const rows = held.map(row);
  const body = el("tbody", {}, ...rows.slice(0, MOST));
  const more =
    rows.length > MOST &&
    el(
      "button",
      {
        type: "button",
        class: "more",
        onclick: (event) => {
          body.append(...rows);
          around(event, ".more")?.remove();
        },
      },
      `Show all ${rows.length}`,
    );
  return block(
    detail.title,
    detail.caption,
    el("table", { class: "data" }, el("thead", {}, el("tr", {}, ...heads.map(th))), body),
    more,
  );
}

// Where no kind of evidence was tested: this head in the maps.
/** @type {(head: number, maps: HeadMap[]) => HTMLElement | null} */
function mapTable(head, maps) {
  if (!maps.length) return null;
  const rows = maps.map((panel) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, panel.title),
      el("td", { class: "number" }, write(panel.values[head], panel.unit)),
    ),
  );
  return block("In the maps", "", el("table", { class: "data" }, el("tbody", {}, ...rows)));
}

/** @type {(head: number, heads: Heads | null) => HTMLElement | null} */
function writes(head, heads) {
  const own = heads?.writes.find((entry) => entry.head === head);
  if (!heads || !own) return null;
  const items = own.directions.map(({ share, up, down }) =>
    el(
      "li",
      {},
      el("b", {}, write(share, "rate")),
      " of its OV circuit",
      up.length > 0 && [
        ": ",
        el("span", { class: "tokens" }, up.join(" \u00b7 ")),
        " against ",
        el("span", { class: "tokens" }, down.join(" \u00b7 ")),
      ],
    ),
  );
  return block("Directions that it writes", heads.writes_caption, el("ol", { class: "writes" }, ...items));
}

/** @type {(head: number, attention: Attention | null, open: (example: number) => void) => HTMLElement | null} */
function sentences(head, attention, open) {
  const own = attention?.telling.filter((entry) => entry.head === head);
  if (!attention || !own?.length) return null;
  const items = own.map(({ example, score, why, links }) =>
    el(
      "li",
      {},
      el("span", { class: "why" }, `${why} ${write(score, "rate")}`),
      " ",
      el(
        "button",
        { type: "button", class: "sentence", onclick: () => open(example) },
        ...marked(attention.examples[example], links),
      ),
    ),
  );
  return block(
    "Characteristic sentences",
    "Mean attention from query words (underlined) to their expected keys (bold); choose one to see it below.",
    el("ul", { class: "sentences" }, ...items),
  );
}

/**
 * The words of a sentence with those of its links set off, of all or of some.
 * @type {(example: Example, some: number[]) => Child[]}
 */
function marked(example, some) {
  const links = some.length ? some.map((i) => example.links[i]) : example.links;
  const keys = new Set(links.map((link) => link.key));
  const queries = new Set(links.map((link) => link.query));
  const isSame = example.keys === null;
  return example.queries.words.flatMap((word, i) => {
    const text = word.length > 60 ? `${word.slice(0, 59)}\u2026` : word;
    const kind = queries.has(i) ? "query" : isSame && keys.has(i) ? "key" : "";
    return [kind ? el(kind === "query" ? "u" : "b", {}, text) : text, " "];
  });
}

/** @type {(heading: string, caption: string, ...content: Child[]) => HTMLElement} */
function block(heading, caption, ...content) {
  return el(
    "section",
    { class: "block" },
    el("h4", {}, heading),
    caption && el("p", { class: "note" }, caption),
    ...content,
  );
}
