// The evidence on one head as a table of its card.

import { el } from "../core/dom.js";
import { MISSING, write } from "../core/format.js";
import { ANSWERS } from "./panels.js";

/**
 * @import { Measure } from "../page.d.ts"
 * @import { Unit } from "../core/format.js"
 * @import { Numbers } from "../core/packed.js"
 *
 * @typedef {{effect: Numbers, low: Numbers, high: Numbers, p: Numbers}} Estimates
 * @typedef {{control: Numbers | null, detectable: Numbers | null}} Compared
 * @typedef {Omit<Measure, keyof (Estimates & Compared)> & Estimates & Compared} Evidence
 */

/** @type {Record<string, string>} */
const KINDS = { looks: "Looks", carries: "Carries", matters: "Matters", moves: "Moves" };
const CONTROL =
  "The largest effect of any head of a control: random weights, uniform attention, permuted links or labels";
const DETECTABLE = "The smallest effect that is detectable with 80% power";

/**
 * What was measured of a head, one kind of evidence a row, and what is missing for a firmer verdict.
 * @type {(head: number, measures: Evidence[]) => HTMLElement}
 */
export function evidence(head, measures) {
  /** @type {Map<string, Evidence>} */
  const tested = new Map(measures.map((measure) => [measure.kind, measure]));
  const missing = Object.keys(KINDS).filter((kind) =>
    "u-".includes(tested.get(kind)?.answers[head] ?? "-"),
  );
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Evidence on this head" },
    el(
      "table",
      { class: "data evidence" },
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ...[
            "Evidence",
            "",
            "Effect",
            "95% interval",
            "Controls",
            "Detectable",
            "p, corrected",
            "Effect measured",
          ].map(th),
        ),
      ),
      el(
        "tbody",
        {},
        ...Object.entries(KINDS).map(([kind, name]) => evidenceRow(head, name, tested.get(kind))),
      ),
    ),
    missing.length
      ? el(
          "p",
          { class: "note" },
          `Missing for a firmer verdict: ${missing.map((kind) => KINDS[kind].toLowerCase() + reason(tested.get(kind))).join(", ")}.`,
        )
      : null,
  );
}

/** @type {(measure: Evidence | undefined) => string} */
function reason(measure) {
  return measure?.p.length ? " (inconclusive)" : " (not tested)";
}

/** @type {(head: number, name: string, measure: Evidence | undefined) => HTMLElement} */
function evidenceRow(head, name, measure) {
  const letter = measure?.answers[head] ?? "-";
  if (!measure || letter === "-")
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", { class: "outcome" }, "not tested"),
      ...Array.from({ length: 6 }, () => el("td", {}, MISSING)),
    );
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, name),
    el("td", { class: `outcome outcome-${letter}` }, ANSWERS[letter]),
    el("td", { class: "number" }, write(measure.effect[head], measure.unit)),
    el("td", { class: "number" }, interval(measure, head)),
    el("td", { class: "number", title: CONTROL }, optional(measure.control, head, measure.unit)),
    el("td", { class: "number", title: DETECTABLE }, optional(measure.detectable, head, measure.unit)),
    el("td", { class: "number", title: measure.p_over }, probability(measure.p[head])),
    el("td", { class: "what", title: measure.rule }, measure.what),
  );
}

/** @type {(values: Numbers | null, i: number, unit: Unit) => string} */
function optional(values, i, unit) {
  return values && !Number.isNaN(values[i]) ? write(values[i], unit) : MISSING;
}

/**
 * An interval as text, of head or row `i`.
 * @type {(estimate: {low: Numbers, high: Numbers, unit: Unit}, i: number) => string}
 */
export function interval({ low, high, unit }, i) {
  if (Number.isNaN(low[i]) || Number.isNaN(high[i])) return MISSING;
  return `[${write(low[i], unit)}, ${write(high[i], unit)}]`;
}

/**
 * A p value as text.
 * @type {(p: number) => string}
 */
export function probability(p) {
  if (Number.isNaN(p)) return MISSING;
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

/**
 * The heading of a column; an empty cell for none.
 * @type {(text: string) => HTMLElement}
 */
export function th(text) {
  return text ? el("th", { scope: "col" }, text) : el("td");
}
