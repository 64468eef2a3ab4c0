// Attention as shades behind the words of the running text.

import { el, refill } from "../core/dom.js";
import { cut, isRightToLeft, leans } from "./labels.js";
import { faded, shadeOf } from "./colours.js";
import { BAR, FAINT, saveText } from "./text_save.js";
import { percent } from "./words.js";

const LIMIT = 32;

/** Running text; of the active word every other one shows how much it gets, or gives. */
export class TextPicture {
  constructor(host) {
    this.host = host;
    this.active = null;
  }

  draw(scene, colours, { direction }) {
    Object.assign(this, { scene, colours, direction });
    const source = `${scene.source} ${scene.heads.length} ${colours.dark}`;
    if (this.source === source) return;
    this.source = source;
    this.queries = this.paragraph(scene.queries, "query");
    this.keys = scene.isCross ? this.paragraph(scene.allKeys, "key") : this.queries;
    const title = (text) => el("p", { class: "attn-part" }, text);
    if (scene.isCross)
      refill(this.host, title("query (attends)"), this.queries.box, title("key (attended to)"), this.keys.box);
    else refill(this.host, this.queries.box);
  }

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
    return { box, spans, styles: spans.map(() => ""), classes: spans.map(() => "") };
  }

  mark(active) {
    const { scene } = this;
    this.active = active;
    const styles = new Map([
      [this.queries, []],
      [this.keys, []],
    ]);
    const classes = new Map([
      [this.queries, []],
      [this.keys, []],
    ]);
    if (active) {
      const out = active.query !== null;
      const [from, to] = out ? [this.queries, this.keys] : [this.keys, this.queries];
      const shown = out ? scene.keys : scene.queries;
      shown.forEach((item, place) => {
        styles.get(to)[item.index] = this.style(out ? active.query : place, out ? place : active.key);
        if (out ? scene.isMasked(active.query, place) : scene.isMasked(place, active.key)) {
          classes.get(to)[item.index] = "attn-masked";
        }
      });
      for (const place of scene.linked(active).keys()) classes.get(to)[shown[place].index] = "attn-linked";
      const self = out ? active.query : scene.keys[active.key].index;
      classes.get(from)[self] = `${classes.get(from)[self] ?? ""} attn-active`.trim();
    }
    if (scene.isCut) this.quiet(classes.get(this.keys));
    for (const words of styles.keys()) apply(words, styles.get(words), classes.get(words));
  }

  quiet(classes) {
    for (const { index } of this.scene.allKeys) {
      if (!this.scene.keyAt.has(index)) classes[index] = `${classes[index] ?? ""} attn-sink`.trim();
    }
  }

  // A shade for one head, thin bars for several. Only what shows is written.
  style(query, key) {
    const { scene, colours } = this;
    if (scene.heads.length === 1) {
      const share = scene.share(scene.heads[0], query, key);
      return share < FAINT
        ? ""
        : `background-color: ${faded(scene.heads[0].colour, shadeOf(share, colours))}`;
    }
    const [images, sizes, spots] = [[], [], []];
    scene.heads.forEach((head, place) => {
      const share = scene.share(head, query, key);
      if (share < FAINT) return;
      images.push(`linear-gradient(${head.colour}, ${head.colour})`);
      sizes.push(`${(100 * share).toFixed(1)}% ${BAR - 1}px`);
      spots.push(`0 calc(100% - ${(scene.heads.length - 1 - place) * BAR + 1}px)`);
    });
    if (!images.length) return "";
    const parts = { image: images, size: sizes, position: spots };
    return Object.entries(parts)
      .map(([name, values]) => `background-${name}: ${values.join()}`)
      .join("; ");
  }

  hit(event) {
    const word = event.target.closest?.(".attn-word");
    if (!word) return null;
    const place = Number(word.dataset.item);
    const out = this.scene.isCross ? word.dataset.side === "query" : this.direction === "out";
    return this.scene.activeAt(place, out);
  }

  headUnder() {
    return null;
  }

  move(key, active) {
    const out = active ? active.query !== null : this.direction === "out";
    const words = out ? this.queries : this.keys;
    const now = !active ? -1 : out ? active.query : this.scene.keys[active.key].index;
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

  reveal(active) {
    if (!active) return;
    const [words, place] =
      active.query !== null ? [this.queries, active.query] : [this.keys, this.scene.keys[active.key].index];
    const [box, view] = [words.spans[place].getBoundingClientRect(), this.host.getBoundingClientRect()];
    if (box.top < view.top + 10) this.host.scrollTop -= view.top - box.top + 40;
    else if (box.bottom > view.bottom - 10) this.host.scrollTop += box.bottom - view.bottom + 40;
  }

  emphasise() {}

  legend() {
    const { scene, colours } = this;
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

  /** Draws the picture into an SVG group and returns its size. */
  save(group) {
    return saveText(this, group);
  }
}

function apply(words, styles, classes) {
  words.spans.forEach((span, place) => {
    const [style, name] = [styles[place] ?? "", classes[place] ?? ""];
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
function lineStep(spans, now, step) {
  const middle = (span) => span.offsetLeft + span.offsetWidth / 2;
  const [line, at] = [spans[now].offsetTop, middle(spans[now])];
  let found = -1;
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
