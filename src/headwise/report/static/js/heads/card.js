// The card of a head: its evidence, further measurements, the directions it writes, characteristic sentences.

import { el, refill } from "../core/dom.js";
import { MISSING, write } from "../core/format.js";
import { headName } from "../core/selection.js";
import { unpack } from "../core/packed.js";
import { SAID, VERDICTS } from "./panels.js";

const KINDS = { looks: "Looks", carries: "Carries", matters: "Matters", moves: "Moves" };
const CONTROL = "The largest effect of any head of a control: random weights, uniform attention, permuted links or labels";
const DETECTABLE = "The smallest effect that is detectable with 80% power";
const MOST = 12; // rows of a detail that are shown at once

/** Shows the card of the chosen head in `root`; `open(example)` shows a sentence of its own. */
export function headCard(root, page, selection, open) {
  const measures = (page.heads ? page.heads.measures : []).map((measure) => ({
    ...numbers(measure),
    control: measure.control ? unpack(measure.control) : null,
    detectable: measure.detectable ? unpack(measure.detectable) : null,
  }));
  const details = (page.heads ? page.heads.details : []).map(numbers);
  const maps = page.panels
    .slice(measures.length)
    .filter((panel) => panel.values.shape[0] === page.n_layers && panel.values.shape[1] === page.n_heads)
    .map((panel) => ({ ...panel, values: unpack(panel.values) }));
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

function numbers(entry) {
  const [effect, low, high, p] = [entry.effect, entry.low, entry.high, entry.p].map(unpack);
  return { ...entry, effect, low, high, p };
}

function title(head, page, selection) {
  const verdict = page.heads && VERDICTS[page.heads.verdicts[head]];
  const n = page.n_layers * page.n_heads;
  const step = (by, label, text) =>
    el(
      "button",
      { type: "button", "aria-label": label, onclick: () => selection.choose((head + by + n) % n) },
      text,
    );
  return el(
    "header",
    { class: "card-title" },
    el("h3", { id: "head", tabindex: -1 }, headName(head, page.n_heads)),
    verdict &&
      verdict !== "none" &&
      el("span", { class: `verdict ${verdict.replaceAll(" ", "-")}` }, verdict),
    page.attention &&
      el(
        "label",
        { class: "beside" },
        el("input", {
          type: "checkbox",
          checked: selection.adding,
          onchange: (event) => (selection.adding = event.target.checked),
        }),
        " compare several heads",
      ),
    el("span", { class: "steps" }, step(-1, "Head before", "\u2190"), step(1, "Next head", "\u2192")),
  );
}

function evidence(head, measures) {
  const tested = new Map(measures.map((measure) => [measure.kind, measure]));
  const missing = Object.keys(KINDS).filter(
    (kind) => !tested.has(kind) || "u-".includes(tested.get(kind).said[head]),
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
        el("tr", {}, ...["Evidence", "", "Effect", "95% interval", "Controls", "Detectable", "p, corrected", "Effect measured"].map(th)),
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

function reason(measure) {
  return measure && measure.p.length ? " (inconclusive)" : " (not tested)";
}

function evidenceRow(head, name, measure) {
  const letter = measure ? measure.said[head] : "-";
  if (letter === "-")
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", { class: "said" }, "not tested"),
      ...Array.from({ length: 6 }, () => el("td", {}, MISSING)),
    );
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, name),
    el("td", { class: `said said-${letter}` }, SAID[letter]),
    el("td", { class: "number" }, write(measure.effect[head], measure.unit)),
    el("td", { class: "number" }, interval(measure, head)),
    el("td", { class: "number", title: CONTROL }, optional(measure.control, head, measure.unit)),
    el("td", { class: "number", title: DETECTABLE }, optional(measure.detectable, head, measure.unit)),
    el("td", { class: "number", title: measure.p_over }, probability(measure.p[head])),
    el("td", { class: "what", title: measure.rule }, measure.what),
  );
}

function optional(values, i, unit) {
  return values && !Number.isNaN(values[i]) ? write(values[i], unit) : MISSING;
}

function interval({ low, high, unit }, i) {
  if (Number.isNaN(low[i]) || Number.isNaN(high[i])) return MISSING;
  return `[${write(low[i], unit)}, ${write(high[i], unit)}]`;
}

function probability(p) {
  if (Number.isNaN(p)) return MISSING;
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

function detailTable(head, detail) {
  const n = detail.rows.length;
  const held = detail.rows.flatMap((name, row) =>
    Number.isNaN(detail.effect[head * n + row]) ? [] : [[name, head * n + row]],
  );
  if (!held.length) return null;
  const hasInterval = held.some(([, i]) => !Number.isNaN(detail.low[i]));
  const hasP = held.some(([, i]) => !Number.isNaN(detail.p[i]));
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
      { type: "button", class: "more", onclick: (event) => (body.append(...rows), event.target.remove()) },
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

function writes(head, heads) {
  const own = heads && heads.writes.find((entry) => entry.head === head);
  if (!own) return null;
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

function sentences(head, attention, open) {
  const own = attention ? attention.telling.filter((entry) => entry.head === head) : [];
  if (!own.length) return null;
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

/** The words of a sentence with those of its links set off, of all or of some. */
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

function block(title, caption, ...content) {
  return el(
    "section",
    { class: "block" },
    el("h4", {}, title),
    caption && el("p", { class: "note" }, caption),
    ...content,
  );
}

function th(text) {
  return text ? el("th", { scope: "col" }, text) : el("td");
}
