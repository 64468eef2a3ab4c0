// Puts the page's data into the places that the template left for them.

import { AttentionView } from "./attention/view.js";
import { dataTable } from "./core/tables.js";
import { around, el, present, refill } from "./core/dom.js";
import { headCard } from "./heads/card.js";
import { headName, headOf, Selection } from "./core/selection.js";
import { headPanel, missingPanel, verdictPanel } from "./heads/panels.js";
import { matrixPanel } from "./heads/matrix.js";
import { saveButtons } from "./core/download.js";
import { write } from "./core/format.js";
import { unpack } from "./core/packed.js";

/**
 * @import { Example, Measure, Page } from "./page.d.ts"
 */

const ORDER = ["-", "r", "i", "a", "m", "s"]; // verdicts, the most important last
const FEW = 6; // heads that colours distinguish
const KINDS = ["looks", "carries", "matters", "moves"];

/** @type {Page} */
const page = JSON.parse(document.getElementById("data")?.textContent ?? "");
const selection = new Selection();

/**
 * Every element that waits for something of a kind, with the number that it asks for.
 * @type {(kind: string) => [HTMLElement, number][]}
 */
function places(kind) {
  /** @type {NodeListOf<HTMLElement>} */
  const roots = document.querySelectorAll(`[data-${kind}]`);
  return [...roots].map((root) => [root, Number(root.dataset[kind])]);
}

/** @type {(root: HTMLElement) => void} */
function drawEvidence(root) {
  if (!page.heads) return;
  const { measures, verdicts } = page.heads;
  if (verdicts) verdictPanel(root, page, page.heads, selection);
  for (const [i, measure] of measures.entries())
    headPanel(root, page, page.panels[i], selection, [ruleOf(measure)]);
  const missing = KINDS.filter((kind) => !measures.some((measure) => measure.kind === kind));
  if (missing.length) missingPanel(root, missing);
}

/** @type {(measure: Measure) => HTMLElement} */
function ruleOf(measure) {
  return el(
    "details",
    { class: "rule" },
    el("summary", {}, "Rule for yes and no"),
    el("p", {}, measure.rule),
  );
}

// What is folded would be missing on paper.
addEventListener("beforeprint", () => {
  for (const rule of document.querySelectorAll("details")) if (rule.matches(".rule")) rule.open = true;
});

/**
 * What the head under the pointer is, in one line under the grids.
 * @type {(root: HTMLElement) => void}
 */
function readout(root) {
  const shown = page.panels
    .filter((panel) => panel.values.shape[0] === page.n_layers && panel.values.shape[1] === page.n_heads)
    .map((panel) => ({ title: panel.title, unit: panel.unit, values: unpack(panel.values) }))
    .slice(0, Math.max(4, page.heads ? page.heads.measures.length : 0));
  selection.listen(() => {
    const head = selection.hovered ?? selection.current;
    if (head === null) return;
    refill(
      root,
      el("b", {}, headName(head, page.n_heads)),
      shown.map((panel) =>
        el(
          "span",
          {},
          ` ${panel.title.toLowerCase()} `,
          el("b", {}, write(panel.values[head], panel.unit)),
        ),
      ),
    );
  });
}

/**
 * The head worth a first look: of the firmest verdict that there is, and with the largest effect.
 * @type {() => number | null}
 */
function firstHead() {
  if (!page.panels.length) return firstExample()?.heads[0] ?? null;
  const values = unpack(page.panels[0].values);
  const letters = page.heads ? page.heads.verdicts : "";
  /** @type {(head: number) => [number, number]} */
  const rank = (head) => [
    ORDER.indexOf(letters[head]),
    Number.isNaN(values[head]) ? -Infinity : values[head],
  ];
  let best = 0;
  for (let head = 1; head < page.n_layers * page.n_heads; head++) {
    const [a, b] = [rank(head), rank(best)];
    if (a[0] > b[0] || (a[0] === b[0] && a[1] > b[1])) best = head;
  }
  return best;
}

/**
 * Makes the columns of a group as wide as its widest picture, so that pictures stand in rows.
 * @type {(group: HTMLElement) => void}
 */
function align(group) {
  /** @type {NodeListOf<HTMLElement>} */
  const panels = group.querySelectorAll(".panel");
  const widths = [...panels].map((panel) => parseFloat(panel.style.getPropertyValue("--width")) || 0);
  group.style.setProperty("--panel", `max(17rem, ${Math.max(0, ...widths)}px)`);
}

/** @type {() => Example | undefined} */
function firstExample() {
  return page.attention?.examples[0];
}

/**
 * The heads of a page that is about the attention of a few of them: all are shown then.
 * @type {() => number[]}
 */
function fewHeads() {
  const heads = page.heads ? [] : (firstExample()?.heads ?? []);
  return heads.length <= FEW ? heads : [];
}

/** @type {() => number | null} */
function fromAddress() {
  return page.n_layers ? headOf(location.hash.slice(1), page.n_layers, page.n_heads) : null;
}

function showHead() {
  const heading = document.getElementById("head");
  if (!heading) return;
  heading.focus({ preventScroll: true });
  heading.scrollIntoView({ block: "center" });
}

function start() {
  for (const [root] of places("evidence")) drawEvidence(root);
  for (const [root] of places("readout")) readout(root);
  for (const [root, i] of places("panel")) headPanel(root, page, page.panels[i], selection);
  for (const [root, i] of places("matrix")) matrixPanel(root, page, page.matrices[i], selection);
  for (const [root, i] of places("table")) dataTable(root, page.tables[i], page, root.dataset.title ?? "");
  for (const [root] of places("chart"))
    root.append(saveButtons(present(root.querySelector("svg")), `${page.slug}-${root.dataset.title}`));
  /** @type {NodeListOf<HTMLElement>} */
  const groups = document.querySelectorAll(".panels");
  for (const group of groups) align(group);
  /** @type {(example: number) => void} */
  let open = () => {};
  for (const [root] of places("attention")) {
    const view = new AttentionView(root, present(page.attention), selection);
    root.append(saveButtons(() => view.download(), `${page.slug}-attention`));
    open = (example) => {
      view.change({ example });
      root.scrollIntoView({ block: "start" });
    };
  }
  for (const [root] of places("card")) headCard(root, page, selection, open);

  const asked = fromAddress();
  const few = asked === null ? fewHeads() : [];
  if (few.length) for (const head of few) selection.toggle(head);
  else selection.choose(asked ?? firstHead());
  if (asked !== null) showHead();
  let last = selection.current;
  selection.listen(() => {
    if (selection.current === last || selection.current === null) return;
    last = selection.current;
    if (!location.protocol.startsWith("about"))
      history.replaceState(null, "", `#${headName(last, page.n_heads)}`);
  });
  // A link to the head that the address names already changes nothing there.
  document.addEventListener("click", (event) => {
    const link = around(event, 'a[href^="#L"]');
    if (link instanceof HTMLAnchorElement && link.hash === location.hash) showHead();
  });
  addEventListener("hashchange", () => {
    const head = fromAddress();
    if (head === null) return;
    selection.choose(head);
    showHead();
  });
  document.documentElement.dataset.ready = "yes";
}

start();
