// The attention view: which sentence, which heads, which picture, which word.

import { el, refill } from "../core/dom.js";
import { headName } from "../core/selection.js";
import { Slots, coloursOf } from "./colours.js";
import { Controls } from "./controls.js";
import { Examples } from "./data.js";
import { legendOf } from "./legend.js";
import { missingNotes } from "./missing.js";
import { PICTURES } from "./pictures.js";
import { saved } from "./save.js";
import { Scene } from "./scene.js";
import { followPointer, stageOf } from "./stage.js";
import { linesOf, statusOf, tableOf } from "./words.js";

/**
 * @import { Attention, Example } from "../page.d.ts"
 * @import { Saved } from "../core/download.js"
 * @import { Selection } from "../core/selection.js"
 * @import { Colours } from "./colours.js"
 * @import { Kind } from "./data.js"
 * @import { Picture, State } from "./pictures.js"
 * @import { Active } from "./scene.js"
 */

const TITLES = {
  pattern: "attention",
  norms: "attention weighted by the length of values",
  scores: "scores before the softmax",
};
const LATER = 250;

/** The view of sentences of which there is at least one. */
export class AttentionView {
  /** @type {Picture} */
  picture;
  /** @type {Scene} */
  scene;
  /** @type {Colours} */
  colours;
  /** @type {Active | null} */
  pinned = null;
  /** @type {Active | null} */
  hovered = null;
  /** @type {Active | null} */
  marked = null;
  /** @type {State["view"] | null} */
  drawn = null;
  width = 0;
  tableSoon = 0;
  missing = el("div", { class: "attn-missing" });
  status = el("div", { class: "attn-status", "aria-live": "polite" });
  stage = stageOf();
  legend = el("div", { class: "attn-legend" });
  table = el("div", { class: "attn-hidden-table sr-only" });

  /**
   * @param {HTMLElement} root
   * @param {Attention} attention
   * @param {Selection} selection
   */
  constructor(root, attention, selection) {
    this.attention = attention;
    this.selection = selection;
    this.examples = new Examples(attention);
    /** @type {State} */
    this.state = {
      example: 0,
      view: "dots",
      level: "words",
      kind: "pattern",
      sinks: true,
      direction: "out",
      zoom: 1,
    };
    this.slots = new Slots();
    this.controls = new Controls(attention, (changed) => this.change(changed));
    this.root = this.build();
    refill(root, this.root);
    this.listen(selection);
    this.update(true);
  }

  /** @type {() => HTMLElement} */
  build() {
    const { caption } = this.attention;
    return el(
      "div",
      { class: "attn" },
      caption ? el("p", { class: "attn-quiet attn-caption" }, caption) : null,
      this.controls.box,
      this.missing,
      this.status,
      this.stage,
      this.legend,
      this.table,
    );
  }

  /** @type {(selection: Selection) => void} */
  listen(selection) {
    const { stage } = this;
    let chosen = String(selection.heads);
    selection.listen(() => {
      if (String(selection.heads) !== chosen) this.update();
      else this.picture.emphasise(selection.hovered);
      chosen = String(selection.heads);
    });
    followPointer(stage, {
      over: (event) => {
        this.activate(this.picture.hit(event));
        if (this.scene.heads.length > 1) selection.hover(this.picture.headUnder(event));
      },
      leave: () => {
        this.activate(null);
        selection.hover(null);
      },
      tap: (event) => this.pin(this.picture.hit(event)),
      move: (key) => this.move(key),
      clear: () => this.pinned !== null && this.pin(null),
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.update());
    // Drawn again when the width changes, and when what was hidden comes to light.
    new ResizeObserver(() => {
      const width = this.root.clientWidth;
      if (width && width !== this.width) this.update();
    }).observe(this.root);
  }

  // What is tapped stays active, until it is tapped again.
  /** @type {(found: Active | null) => boolean} */
  pin(found) {
    this.pinned = same(found, this.pinned) ? null : found;
    this.activate(null);
    return true;
  }

  /** @type {(key: string) => void} */
  move(key) {
    if (!this.scene.queries.length) return;
    this.pinned = this.picture.move(key, this.pinned);
    this.activate(null);
    this.picture.reveal(this.pinned);
  }

  /**
   * Shows what a reader chose.
   * @type {(changed: Partial<State>) => void}
   */
  change(changed) {
    const last = this.attention.examples.length - 1;
    const isOther = changed.example !== undefined && changed.example !== this.state.example;
    Object.assign(this.state, changed);
    this.state.example = Math.min(last, Math.max(0, this.state.example));
    this.update(isOther);
    if (changed.direction && this.pinned) this.turn(this.pinned);
  }

  // What a word looks at becomes what looks at it.
  /** @type {(active: Active) => void} */
  turn(active) {
    const { scene } = this;
    this.pinned = scene.activeAt(scene.indexOf(active), this.state.direction === "out");
    this.activate(null);
  }

  // Weights that this example does not have, or this picture cannot show, give way to attention.
  /** @type {Kind} */
  get kind() {
    const { kind, view } = this.state;
    const isThere = Boolean(this.attention.examples[this.state.example][kind]);
    return isThere && (kind !== "scores" || view === "dots") ? kind : "pattern";
  }

  // Builds the scene anew and draws it; another example begins without an active word, except in the text.
  /** @type {(isOther?: boolean) => void} */
  update(isOther = false) {
    const { state, selection, attention } = this;
    const example = attention.examples[state.example];
    this.colours = coloursOf(this.root);
    const shown = this.shown(example);
    const heads = shown.map((head) => ({
      head,
      name: headName(head, attention.n_heads),
      colour: this.slots.colourOf(head, shown, this.colours),
    }));
    const before = this.scene;
    const kind = this.kind;
    this.scene = new Scene(this.examples.at(state.example), heads, { ...state, kind });
    this.pinned = isOther ? null : this.scene.follow(this.pinned, before);
    this.hovered = null;
    this.width = this.root.clientWidth;
    if (this.drawn !== state.view) this.picture = new PICTURES[state.view](this.stage);
    if (this.pinned && this.drawn !== state.view) this.pinned = this.adapted(this.pinned);
    const isFresh = isOther || this.drawn !== state.view;
    if (state.view === "text" && isFresh && !this.pinned) this.pinned = this.first();
    this.drawn = state.view;
    this.controls.update(state, kind, example, this.scene, selection.current);
    this.controls.showHeads(heads, {
      hover: (head) => selection.hover(head),
      remove: selection.heads.includes(shown[0]) ? (head) => this.drop(head) : null,
      isNoneChosen: selection.heads.length === 0,
    });
    const notes = missingNotes(attention, selection.heads, state.example, heads.length, (index) => {
      this.change({ example: index });
      this.stage.focus();
    });
    refill(this.missing, notes);
    const title = `${this.title()} by ${state.level}, as ${state.view}`;
    this.stage.setAttribute("aria-label", `${title}. Arrow keys move, Escape clears.`);
    this.status.style.minHeight = `${1.5 * linesOf(this.scene, this.stage.clientWidth < 520)}em`;
    this.paint();
  }

  paint() {
    const { picture, scene, colours, state } = this;
    this.stage.className = `attn-stage attn-stage-${state.view}`;
    picture.draw(scene, colours, state);
    refill(this.legend, legendOf(picture.legend(), colours.family));
    this.show();
    picture.emphasise(this.selection.hovered);
  }

  // The heads of the selection that this example holds; lines and text can tell six apart.
  /** @type {(example: Example) => number[]} */
  shown(example) {
    const held = this.selection.heads.filter((head) => example.heads.includes(head));
    if (!held.length) return example.heads.slice(0, 1);
    return this.state.view === "dots" ? held : held.slice(-this.colours.heads.length);
  }

  // Only the dots know pairs of words, and the text has a switch of its own for the side.
  /** @type {(active: Active) => Active | null} */
  adapted(active) {
    const { view, direction } = this.state;
    if (view === "dots") return active;
    if (view === "text" && !this.scene.isCross) {
      return this.scene.activeAt(this.scene.indexOf(active), direction === "out");
    }
    return active.query !== null ? { query: active.query, key: null } : active;
  }

  // The text begins with a word that says something: one that should look at another one.
  /** @type {() => Active | null} */
  first() {
    const { scene } = this;
    if (!scene.queries.length) return null;
    const [linked] = scene.linksOut.keys();
    const place = linked ?? Math.min(1, scene.queries.length - 1);
    return scene.activeAt(place, scene.isCross || this.state.direction === "out");
  }

  /** @type {(head: number) => void} */
  drop(head) {
    const place = this.selection.heads.indexOf(head);
    this.selection.toggle(head);
    const buttons = this.controls.chips.querySelectorAll("button");
    (buttons[Math.min(place, buttons.length - 1)] ?? this.stage).focus();
  }

  /** @type {(hovered: Active | null) => void} */
  activate(hovered) {
    if (same(hovered, this.hovered) && this.marked === this.pinned) return;
    this.hovered = hovered;
    this.show();
  }

  show() {
    const active = this.hovered ?? this.pinned;
    this.marked = this.pinned;
    this.picture.mark(active);
    refill(this.status, statusOf(this.scene, active));
    clearTimeout(this.tableSoon);
    // A table of 512 words is not built on the way from one word to the next.
    this.tableSoon = setTimeout(
      () => refill(this.table, active ? tableOf(this.scene, active) : null),
      LATER,
    );
  }

  /**
   * The picture as it is now, as an SVG that stands alone.
   * @type {() => Saved}
   */
  download() {
    const { words } = this.attention.examples[this.state.example].queries;
    return saved(this.picture, this.colours, this.title(), words);
  }

  /** @type {() => string} */
  title() {
    return `${this.scene.heads.map(({ name }) => name).join(", ")}: ${TITLES[this.kind]}`;
  }
}

/** @type {(one: Active | null, other: Active | null) => boolean} */
function same(one, other) {
  return one?.query === other?.query && one?.key === other?.key && Boolean(one) === Boolean(other);
}
