// Attention as shades behind the words of the running text.

import { around, el, refill } from "../core/dom.js";
import { cut, isRightToLeft, leans } from "./labels.js";
import { faded, shadeOf } from "./colours.js";
import { BAR, FAINT, saveText } from "./text_save.js";
import { percent } from "./words.js";

/**
 * @import { Colours } from "./colours.js"
 * @import { Item } from "./data.js"
 * @import { Entry } from "./legend.js"
 * @import { Active, Scene } from "./scene.js"
 * @typedef {"out" | "in"} Direction
 * @typedef {{styles: string[], classes: string[]}} Marks How each word is drawn.
 * @typedef {{box: HTMLElement, spans: HTMLElement[]} & Marks} Paragraph
 */

const LIMIT = 32;

/** Running text; of the active word every other one shows how much it gets, or gives. */
export class TextPicture {
  /** @type {Scene} */
  scene;
  /** @type {Colours} */
  colours;
  /** @type {Direction} */
  direction;
  /** @type {Active | null} */
  active = null;
  /** @type {Paragraph} */
  queries;
  /** @type {Paragraph} */
  keys;
  source = "";

  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
  }

  /** @type {(scene: Scene, colours: Colours, state: {direction: Direction}) => void} */
  draw(scene, colours, { direction }) {
    Object.assign(this, { scene, colours, direction });
    const source = `${scene.source} ${scene.heads.length} ${colours.dark}`;
    if (this.source === source) return;
    this.source = source;
    this.queries = this.paragraph(scene.queries, "query");
    this.keys = scene.isCross ? this.paragraph(scene.allKeys, "key") : this.queries;
    /** @type {(text: string) => HTMLElement} */
    const title = (text) => el("p", { class: "attn-part" }, text);
    if (scene.isCross)
      refill(
        this.host,
        title("query (attends)"),
        this.queries.box,
        title("key (attended to)"),
        this.keys.box,
      );
    else refill(this.host, this.queries.box);
  }

  /** @type {(items: Item[], side: "query" | "key") => Paragraph} */
  paragraph(items, side) {
    const box = el("div", {
      class: "attn-text",
      dir: isRightToLeft(items.map(({ text }) => text)) ? "rtl" : "ltr",
    });
    const bars = this.scene.heads.length > 1 ? this.scene.heads.length * BAR + 2 : 0;
    box.style.setProperty("--attn-bars", `${bars}px`);
    const few = this.scene.marks.size <= items.length / 3;
    const spans = items.map((item, place) => {
      const label = cut(item.text, LIMIT);
      const isPart = place > 0 && item.word >= 0 && items[place - 1].word === item.word;
      if (place > 0) box.append(isPart ? "\u200b" : leans(label) ? "\u2060" : " ");
      const mark = side === "query" && few ? this.scene.marks.get(item.word) : null;
      const word = el(
        "span",
        { class: isPart ? "attn-word attn-joined" : "attn-word", "data-side": side, "data-item": place },
        el("bdi", {}, label),
        mark && !isPart ? el("small", {}, mark) : null,
      );
      box.append(word);
      return word;
    });
    return { box, spans, ...marksOf({ spans }) };
  }

  /** @type {(active: Active | null) => void} */
  mark(active) {
    const { scene } = this;
    this.active = active;
    const queries = marksOf(this.queries);
    const keys = this.keys === this.queries ? queries : marksOf(this.keys);
    if (active) {
      const out = active.query !== null;
      const [from, to] = out ? [queries, keys] : [keys, queries];
      const shown = out ? scene.keys : scene.queries;
      shown.forEach((item, place) => {
        to.styles[item.index] = this.style(out ? active.query : place, out ? place : active.key);
        if (out ? scene.isMasked(active.query, place) : scene.isMasked(place, active.key)) {
          to.classes[item.index] = "attn-masked";
        }
      });
      for (const place of scene.linked(active).keys()) to.classes[shown[place].index] = "attn-linked";
      const self = scene.indexOf(active);
      from.classes[self] = `${from.classes[self]} attn-active`.trim();
    }
    if (scene.isCut) this.quiet(keys.classes);
    for (const [words, marks] of new Map([
      [this.queries, queries],
      [this.keys, keys],
    ]))
      apply(words, marks);
  }

  /** @type {(classes: string[]) => void} */
  quiet(classes) {
    for (const { index } of this.scene.allKeys) {
      if (!this.scene.keyAt.has(index)) classes[index] = `${classes[index]} attn-sink`.trim();
    }
  }

  // A shade for one head, thin bars for several. Only what shows is written.
  /** @type {(query: number, key: number) => string} */
  style(query, key) {
    const { scene, colours } = this;
    if (scene.heads.length === 1) {
      const share = scene.share(scene.heads[0], query, key);
      return share < FAINT
        ? ""
        : `background-color: ${faded(scene.heads[0].colour, shadeOf(share, colours))}`;
    }
    const bars = scene.heads
      .map((head, place) => ({
        colour: head.colour,
        share: scene.share(head, query, key),
        above: (scene.heads.length - 1 - place) * BAR + 1,
      }))
      .filter(({ share }) => share >= FAINT);
    if (!bars.length) return "";
    const parts = {
      image: bars.map(({ colour }) => `linear-gradient(${colour}, ${colour})`),
      size: bars.map(({ share }) => `${(100 * share).toFixed(1)}% ${BAR - 1}px`),
      position: bars.map(({ above }) => `0 calc(100% - ${above}px)`),
    };
    return Object.entries(parts)
      .map(([name, values]) => `background-${name}: ${values.join()}`)
      .join("; ");
  }

  /** @type {(event: MouseEvent) => Active | null} */
  hit(event) {
    const word = around(event, ".attn-word");
    if (!word) return null;
    const place = Number(word.dataset.item);
    const out = this.scene.isCross ? word.dataset.side === "query" : this.direction === "out";
    return this.scene.activeAt(place, out);
  }

  headUnder() {
    return null;
  }

  /** @type {(key: string, active: Active | null) => Active | null} */
  move(key, active) {
    const out = active ? active.query !== null : this.direction === "out";
    const words = out ? this.queries : this.keys;
    const now = active ? this.scene.indexOf(active) : -1;
    const last = words.spans.length - 1;
    const forward = words.box.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    let step = key === forward || key === "ArrowDown" || key === "Home" ? 1 : -1;
    let place = key === "Home" ? 0 : key === "End" ? last : now + step;
    if (now >= 0 && (key === "ArrowUp" || key === "ArrowDown")) place = lineStep(words.spans, now, step);
    place = Math.min(last, Math.max(0, place));
    // Hidden words are stepped over.
    if (place === 0) step = 1;
    while (place >= 0 && place <= last) {
      const found = this.scene.activeAt(place, out);
      if (found) return found;
      place += step;
    }
    return active;
  }

  /** @type {(active: Active | null) => void} */
  reveal(active) {
    if (!active) return;
    const words = active.query !== null ? this.queries : this.keys;
    const box = words.spans[this.scene.indexOf(active)].getBoundingClientRect();
    const view = this.host.getBoundingClientRect();
    if (box.top < view.top + 10) this.host.scrollTop -= view.top - box.top + 40;
    else if (box.bottom > view.bottom - 10) this.host.scrollTop += box.bottom - view.bottom + 40;
  }

  emphasise() {}

  /** @type {() => Entry[]} */
  legend() {
    const { scene, colours } = this;
    /** @type {Entry[]} */
    const entries = [];
    if (scene.heads.length === 1) {
      const [{ colour }] = scene.heads;
      for (const part of [0.1, 0.5, 1]) {
        entries.push({
          icon: "shade",
          part: shadeOf(part, colours),
          colour,
          text: percent(part * scene.top),
        });
      }
      entries.push({ text: `shade by weight, scale 0 to ${percent(scene.top)}` });
    } else {
      for (const { colour, name } of scene.heads) entries.push({ icon: "bar", colour, text: name });
      entries.push({ text: `a bar as long as its word stands for ${percent(scene.top)}` });
    }
    const toward = this.direction === "out" ? "expected key" : "expected query";
    if (scene.linksOut.size) entries.push({ icon: "dashed", colour: colours.ink, text: toward });
    return entries;
  }

  /**
   * Draws the picture into an SVG group and returns its size.
   * @type {(group: SVGElement) => {width: number, height: number}}
   */
  save(group) {
    return saveText(this, group);
  }
}

/** @type {(words: {spans: HTMLElement[]}) => Marks} */
function marksOf({ spans }) {
  return { styles: spans.map(() => ""), classes: spans.map(() => "") };
}

/** @type {(words: Paragraph, marks: Marks) => void} */
function apply(words, { styles, classes }) {
  words.spans.forEach((span, place) => {
    const [style, name] = [styles[place], classes[place]];
    if (words.styles[place] !== style) {
      span.style.cssText = style;
      words.styles[place] = style;
    }
    if (words.classes[place] === name) return;
    if (words.classes[place]) span.classList.remove(...words.classes[place].split(" "));
    if (name) span.classList.add(...name.split(" "));
    words.classes[place] = name;
  });
}

// The word above or below: on the next line, nearest to the middle of this one.
/** @type {(spans: HTMLElement[], now: number, step: number) => number} */
function lineStep(spans, now, step) {
  /** @type {(span: HTMLElement) => number} */
  const middle = (span) => span.offsetLeft + span.offsetWidth / 2;
  const [line, at] = [spans[now].offsetTop, middle(spans[now])];
  let found = -1;
  /** @type {number | null} */
  let next = null;
  for (let place = now + step; place >= 0 && place < spans.length; place += step) {
    const top = spans[place].offsetTop;
    if (Math.abs(top - line) < 6) continue;
    next ??= top;
    if (Math.abs(top - next) >= 6) break;
    if (found < 0 || Math.abs(middle(spans[place]) - at) < Math.abs(middle(spans[found]) - at))
      found = place;
  }
  return found < 0 ? now : found;
}
