// Everything to choose with: sentence, picture, words or tokens, weight, sinks, heads.

import { el, refill } from "../core/dom.js";
import { cut, sentence } from "./labels.js";
import { percent } from "./words.js";

const VIEWS = [
  ["dots", "Dots"],
  ["lines", "Lines"],
  ["text", "Text"],
];
const LEVELS = [
  ["words", "Words"],
  ["tokens", "Tokens"],
];
const DIRECTIONS = [
  ["out", "its keys (attended to)"],
  ["in", "its queries (attend to it)"],
];
const KINDS = [
  ["pattern", "attention"],
  ["norms", "attention \u00d7 length of value"],
  ["scores", "score before the softmax"],
];
const ZOOMS = [
  [1, "fit"],
  [2, "2\u00d7"],
  [4, "4\u00d7"],
];
const WHY = { clearest: "clearest", typical: "typical", worst: "worst" };
const MANY = 60;
let made = 0;

/** The controls; `change({name: value})` is called with what a reader chose. */
export class Controls {
  constructor(attention, change) {
    this.attention = attention;
    this.change = change;
    this.name = `attn${++made}`;
    this.sentence = el("select", { onchange: () => change({ example: Number(this.sentence.value) }) });
    this.before = this.button("\u2039", "Sentence before", -1);
    this.after = this.button("\u203a", "Next sentence", 1);
    this.view = this.choice("Picture", "view", VIEWS);
    this.level = this.choice("By", "level", LEVELS);
    this.direction = this.choice("Of a word", "direction", DIRECTIONS);
    this.kind = this.select("Weight", "kind", (value) => value);
    this.zoom = this.select("Size", "zoom", Number);
    this.sinks = el("input", { type: "checkbox", onchange: () => change({ sinks: this.sinks.checked }) });
    this.sinkNames = el("span", {});
    this.hidden = el("output", { class: "attn-hidden" });
    this.sinkBox = el(
      "span",
      { class: "attn-sinks" },
      el("label", { class: "attn-check" }, this.sinks, this.sinkNames),
      this.hidden,
    );
    this.chips = el("ul", { class: "attn-chips", "aria-label": "Heads shown" });
    this.box = el(
      "div",
      { class: "attn-controls" },
      el(
        "div",
        { class: "attn-row" },
        el("label", { class: "attn-field attn-sentence" }, el("span", {}, "Sentence"), this.sentence),
        el("span", { class: "attn-steps" }, this.before, this.after),
      ),
      el(
        "div",
        { class: "attn-row" },
        this.view.box,
        this.level.box,
        this.kind.box,
        this.zoom.box,
        this.direction.box,
        this.sinkBox,
      ),
      this.chips,
    );
    // Long lists of sentences are written once; the part about the current head is exchanged.
    this.all = el(
      "optgroup",
      { label: "All sentences" },
      attention.examples.map((_, index) => this.option(index)),
    );
    this.telling = undefined;
  }

  /** Shows a state, the example it is about, and the heads in the picture. */
  update(state, kind, example, scene, current) {
    this.sentences(state.example, current);
    this.before.disabled = state.example === 0;
    this.after.disabled = state.example === this.attention.examples.length - 1;
    this.view.show(state.view);
    this.level.show(state.level);
    this.direction.show(state.direction);
    this.direction.box.hidden = state.view !== "text" || scene.isCross;
    const kinds = KINDS.filter(([name]) => example[name] && (name !== "scores" || state.view === "dots"));
    this.options(this.kind, kinds, kind);
    this.kind.box.hidden = kinds.length < 2;
    this.options(this.zoom, ZOOMS, state.zoom);
    this.zoom.box.hidden =
      state.view !== "dots" || Math.max(scene.queries.length, scene.keys.length) < MANY;
    this.sinkBox.hidden = !example.sinks.length;
    this.sinks.checked = state.sinks;
    this.sinkNames.textContent = `Show sinks (${sinkNames(example)})`;
    this.hidden.textContent = hiddenPart(scene, state.sinks, kind);
  }

  /** The heads shown; `remove` is null if they only stand in for chosen ones. */
  showHeads(heads, hover, remove, isNoneChosen) {
    const chips = heads.map(({ head, name, colour }) => {
      const swatch = el("span", { class: "attn-swatch" });
      swatch.style.background = colour;
      const drop =
        remove &&
        el(
          "button",
          {
            type: "button",
            "aria-label": `Take out ${name}`,
            "data-head": head,
            onclick: () => remove(head),
            onfocus: () => hover(head),
            onblur: () => hover(null),
          },
          "\u00d7",
        );
      return el(
        "li",
        { class: "attn-chip", onpointerenter: () => hover(head), onpointerleave: () => hover(null) },
        swatch,
        name,
        drop,
      );
    });
    const note =
      isNoneChosen && el("li", { class: "attn-quiet" }, "No head is chosen; this is the first one held.");
    refill(this.chips, chips, note);
  }

  sentences(example, current) {
    if (this.telling !== current) {
      this.telling = current;
      const own = this.attention.telling.filter(({ head }) => head === current);
      const group = own.length
        ? el(
            "optgroup",
            { label: "Characteristic of this head" },
            own.map(({ example: index, why, score }) =>
              this.option(index, `${WHY[why]}, ${percent(score)}: `),
            ),
          )
        : null;
      refill(this.sentence, group, this.all);
    }
    this.sentence.value = String(example);
  }

  option(index, mark = "") {
    this.texts ??= [];
    this.texts[index] ??= sentence(this.attention.examples[index].queries.words);
    return el("option", { value: index }, mark || `${index + 1}. `, this.texts[index]);
  }

  button(sign, label, by) {
    const click = () => this.change({ example: Number(this.sentence.value) + by });
    return el(
      "button",
      { type: "button", class: "attn-button", "aria-label": label, onclick: click },
      sign,
    );
  }

  choice(label, name, values) {
    const inputs = values.map(([value, text]) => {
      const input = el("input", {
        type: "radio",
        name: `${this.name}-${name}`,
        value,
        onchange: () => this.change({ [name]: value }),
      });
      return [value, input, el("label", {}, input, el("span", {}, text))];
    });
    const box = el(
      "fieldset",
      { class: "attn-choice" },
      el("legend", {}, label),
      el(
        "span",
        { class: "attn-segments" },
        inputs.map(([, , shown]) => shown),
      ),
    );
    return {
      box,
      show: (now) =>
        inputs.forEach(([value, input]) => {
          input.checked = value === now;
        }),
    };
  }

  select(label, name, read) {
    const select = el("select", { onchange: () => this.change({ [name]: read(select.value) }) });
    return { select, box: el("label", { class: "attn-field" }, el("span", {}, label), select) };
  }

  options({ select }, values, now) {
    refill(
      select,
      values.map(([value, text]) => el("option", { value }, text)),
    );
    select.value = String(now);
  }
}

function sinkNames(example) {
  const tokens = (example.keys ?? example.queries).tokens;
  const names = [...new Set(example.sinks.map((sink) => cut(tokens[sink] ?? "", 12)))];
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} \u2026` : names.join(", ");
}

function hiddenPart(scene, sinks, kind) {
  if (sinks) return "";
  if (kind === "scores") return "hidden";
  const parts = scene.heads.slice(0, 4).map(({ name, hidden }) => `${percent(hidden)} (${name})`);
  const [first] = scene.heads;
  const shares = scene.heads.length === 1 ? percent(first.hidden) : parts.join(", ");
  return `hidden: ${shares}${scene.heads.length > 4 ? ", \u2026" : ""} of the attention`;
}
