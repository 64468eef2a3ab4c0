// Everything to choose with: sentence, picture, words or tokens, weight, sinks, heads.

import { el, refill } from "../core/dom.js";
import { cut, sentence } from "./labels.js";
import { percent } from "./words.js";

/**
 * @import { Attention, Example } from "../page.d.ts"
 * @import { Kind } from "./data.js"
 * @import { Head, Scene } from "./scene.js"
 * @import { State } from "./pictures.js"
 */

/**
 * @typedef {object} HeadDoings
 * @property {(head: number | null) => void} hover
 * @property {((head: number) => void) | null} remove
 * @property {boolean} isNoneChosen
 */

/**
 * @template T
 * @typedef {[value: T, text: string][]} Options What can be chosen, and how it reads.
 */

/**
 * @template T
 * @typedef {{box: HTMLElement, show: (now: T) => void}} Choice One of a few, side by side.
 */

/**
 * @template T
 * @typedef {{box: HTMLElement, show: (options: Options<T>, now: T) => void}} Select One of a list.
 */

/** @type {Options<State["view"]>} */
const VIEWS = [
  ["dots", "Dots"],
  ["lines", "Lines"],
  ["text", "Text"],
];
/** @type {Options<State["level"]>} */
const LEVELS = [
  ["words", "Words"],
  ["tokens", "Tokens"],
];
/** @type {Options<State["direction"]>} */
const DIRECTIONS = [
  ["out", "its keys (attended to)"],
  ["in", "its queries (attend to it)"],
];
/** @type {Options<Kind>} */
const KINDS = [
  ["pattern", "attention"],
  ["norms", "attention \u00d7 length of value"],
  ["scores", "score before the softmax"],
];
/** @type {Options<number>} */
const ZOOMS = [
  [1, "fit"],
  [2, "2\u00d7"],
  [4, "4\u00d7"],
];
const MANY = 60;
let made = 0;

/** The controls; `change({name: value})` is called with what a reader chose. */
export class Controls {
  sinkNames = el("span", {});
  hidden = el("output", { class: "attn-hidden" });
  chips = el("ul", { class: "attn-chips", "aria-label": "Heads shown" });
  /** @type {string[]} */
  texts = [];
  /**
   * The head whose sentences are listed; undefined before there are any.
   * @type {number | null | undefined}
   */
  telling;

  /**
   * @param {Attention} attention
   * @param {(changed: Partial<State>) => void} change
   */
  constructor(attention, change) {
    this.attention = attention;
    this.change = change;
    this.name = `attn${++made}`;
    /** @type {HTMLSelectElement} */
    this.sentence = el("select", { onchange: () => change({ example: Number(this.sentence.value) }) });
    this.before = this.button("\u2039", "Sentence before", -1);
    this.after = this.button("\u203a", "Next sentence", 1);
    this.view = this.choice("Picture", "view", VIEWS, (view) => change({ view }));
    this.level = this.choice("By", "level", LEVELS, (level) => change({ level }));
    this.direction = this.choice("Of a word", "direction", DIRECTIONS, (direction) =>
      change({ direction }),
    );
    /** @type {Select<Kind>} */
    this.kind = select("Weight", (kind) => change({ kind }));
    /** @type {Select<number>} */
    this.zoom = select("Size", (zoom) => change({ zoom }));
    /** @type {HTMLInputElement} */
    this.sinks = el("input", { type: "checkbox", onchange: () => change({ sinks: this.sinks.checked }) });
    this.sinkBox = el(
      "span",
      { class: "attn-sinks" },
      el("label", { class: "attn-check" }, this.sinks, this.sinkNames),
      this.hidden,
    );
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
  }

  /**
   * Shows a state, the example it is about, and the heads in the picture.
   * @type {(state: State, kind: Kind, example: Example, scene: Scene, current: number | null) => void}
   */
  update(state, kind, example, scene, current) {
    this.sentences(state.example, current);
    this.before.disabled = state.example === 0;
    this.after.disabled = state.example === this.attention.examples.length - 1;
    this.view.show(state.view);
    this.level.show(state.level);
    this.direction.show(state.direction);
    this.direction.box.hidden = state.view !== "text" || scene.isCross;
    const kinds = KINDS.filter(([name]) => example[name] && (name !== "scores" || state.view === "dots"));
    this.kind.show(kinds, kind);
    this.kind.box.hidden = kinds.length < 2;
    this.zoom.show(ZOOMS, state.zoom);
    this.zoom.box.hidden =
      state.view !== "dots" || Math.max(scene.queries.length, scene.keys.length) < MANY;
    this.sinkBox.hidden = !example.sinks.length;
    this.sinks.checked = state.sinks;
    this.sinkNames.textContent = `Show sinks (${sinkNames(example)})`;
    this.hidden.textContent = hiddenPart(scene, state.sinks, kind);
  }

  /**
   * The heads shown; `remove` is null if they only stand in for chosen ones.
   * @type {(heads: Head[], doings: HeadDoings) => void}
   */
  showHeads(heads, { hover, remove, isNoneChosen }) {
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

  /** @type {(example: number, current: number | null) => void} */
  sentences(example, current) {
    if (this.telling !== current) {
      this.telling = current;
      const own = this.attention.telling.filter(({ head }) => head === current);
      const group = own.length
        ? el(
            "optgroup",
            { label: "Characteristic of this head" },
            own.map(({ example: index, why, score }) => this.option(index, `${why}, ${percent(score)}: `)),
          )
        : null;
      refill(this.sentence, group, this.all);
    }
    this.sentence.value = String(example);
  }

  /** @type {(index: number, mark?: string) => HTMLElement} */
  option(index, mark = "") {
    this.texts[index] ??= sentence(this.attention.examples[index].queries.words);
    return el("option", { value: index }, mark || `${index + 1}. `, this.texts[index]);
  }

  /** @type {(sign: string, label: string, by: number) => HTMLButtonElement} */
  button(sign, label, by) {
    const click = () => this.change({ example: Number(this.sentence.value) + by });
    return el(
      "button",
      { type: "button", class: "attn-button", "aria-label": label, onclick: click },
      sign,
    );
  }

  /** @type {<T extends string>(label: string, name: string, options: Options<T>, choose: (value: T) => void) => Choice<T>} */
  choice(label, name, options, choose) {
    const inputs = options.map(([value, text]) => {
      const radio = { type: "radio", name: `${this.name}-${name}`, value, onchange: () => choose(value) };
      const input = el("input", radio);
      return { value, input, shown: el("label", {}, input, el("span", {}, text)) };
    });
    const box = el(
      "fieldset",
      { class: "attn-choice" },
      el("legend", {}, label),
      el(
        "span",
        { class: "attn-segments" },
        inputs.map(({ shown }) => shown),
      ),
    );
    return {
      box,
      show: (now) =>
        inputs.forEach(({ value, input }) => {
          input.checked = value === now;
        }),
    };
  }
}

/**
 * @template {string | number} T
 * @param {string} label
 * @param {(value: T) => void} choose
 * @returns {Select<T>}
 */
function select(label, choose) {
  /** @type {Options<T>} */
  let offered = [];
  const list = el("select", {
    onchange: () => {
      choose(offered[list.selectedIndex][0]);
    },
  });
  return {
    box: el("label", { class: "attn-field" }, el("span", {}, label), list),
    show(options, now) {
      offered = options;
      refill(
        list,
        options.map(([value, text]) => el("option", { value }, text)),
      );
      list.value = String(now);
    },
  };
}

/** @type {(example: Example) => string} */
function sinkNames(example) {
  const tokens = (example.keys ?? example.queries).tokens;
  const names = [...new Set(example.sinks.map((sink) => cut(tokens[sink] ?? "", 12)))];
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} \u2026` : names.join(", ");
}

/** @type {(scene: Scene, sinks: boolean, kind: Kind) => string} */
function hiddenPart(scene, sinks, kind) {
  if (sinks) return "";
  if (kind === "scores") return "hidden";
  const parts = scene.heads.slice(0, 4).map(({ name, hidden }) => `${percent(hidden)} (${name})`);
  const [first] = scene.heads;
  const shares = scene.heads.length === 1 ? percent(first.hidden) : parts.join(", ");
  return `hidden: ${shares}${scene.heads.length > 4 ? ", \u2026" : ""} of the attention`;
}
