// Attention as lines between two columns of words: the left one looks, the right one is looked at.

import { refill, svg } from "../core/dom.js";
import { fit, widthOf } from "./labels.js";
import { SvgPen, round } from "./pens.js";
import { shadeOf } from "./colours.js";
import { LEAST, strong, thresholdOf } from "./strong.js";
import { percent } from "./words.js";

/**
 * @import { Colours } from "./colours.js"
 * @import { Item, Side } from "./data.js"
 * @import { Entry } from "./legend.js"
 * @import { Active, Scene, SceneHead } from "./scene.js"
 * @import { Line } from "./strong.js"
 */

const HEADING = 26;
const LEVELS = 20;
const GAP = 8;

/** Lines as SVG; those of the active word lie above the others. */
export class LinesPicture {
  /** @type {Scene} */
  scene;
  /** @type {Colours} */
  colours;
  /** @type {Active | null} */
  active = null;
  /** @type {{queries: string[], keys: string[]}} */
  labels;
  /** @type {{queries: SVGElement[], keys: SVGElement[]}} */
  texts;
  // From the back to the front: shades behind words, all lines, lines of the active word.
  shades = svg("g");
  base = svg("g");
  front = svg("g");
  // In pixels: letters, height of a row, where lines begin and end, the whole picture.
  size = 12;
  row = 17;
  from = 0;
  to = 0;
  width = 0;
  height = 0;
  faint = 0;
  threshold = LEAST;

  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    this.root = svg("svg", { "aria-hidden": "true", class: "attn-lines" });
    refill(host, this.root);
  }

  /** @type {(scene: Scene, colours: Colours) => void} */
  draw(scene, colours) {
    Object.assign(this, { scene, colours, active: null });
    this.place(scene, colours);
    refill(this.root);
    this.root.setAttribute("width", String(this.width));
    this.root.setAttribute("height", String(this.height));
    this.root.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.shades = this.root.appendChild(svg("g"));
    this.base = this.root.appendChild(svg("g"));
    this.front = this.root.appendChild(svg("g"));
    this.threshold = thresholdOf(scene);
    for (const head of scene.heads) this.strokes(this.base, head, strong(scene, head, this.threshold));
    this.words();
  }

  // Columns take what their words need, lines the rest.
  /** @type {(scene: Scene, colours: Colours) => void} */
  place(scene, colours) {
    const space = Math.max(300, Math.min(this.host.clientWidth - 8, 860));
    const many = Math.max(scene.queries.length, scene.keys.length);
    this.size = many <= 16 ? 16 : many <= 60 ? 14 : 12;
    this.row = many <= 16 ? 34 : many <= 60 ? 23 : 17;
    const room = Math.min(170, space * 0.32);
    /** @type {(item: Item) => string} */
    const label = (item) => fit(item.label, room, this.size, colours.family);
    /** @type {(labels: string[]) => number} */
    const width = (labels) =>
      Math.max(30, ...labels.map((text) => widthOf(text, this.size, colours.family, 700)));
    this.labels = { queries: scene.queries.map(label), keys: scene.keys.map(label) };
    const [ofQueries, ofKeys] = [width(this.labels.queries), width(this.labels.keys)];
    this.from = Math.max(ofQueries, 40) + 2 * GAP;
    this.to = this.from + Math.max(120, Math.min(440, space - this.from - Math.max(ofKeys, 84) - 2 * GAP));
    // Behind the lines of the active word the others stay as a hint, as long as they are few.
    this.faint = many > 60 ? 0 : scene.heads.length > 1 ? 0.06 : 0.1;
    this.width = Math.ceil(this.to + Math.max(ofKeys, 84) + 2 * GAP);
    this.height = HEADING + this.row * many + 6;
  }

  words() {
    const pen = new SvgPen(this.root, this.colours.family);
    const heading = { size: 12, colour: this.colours.muted };
    pen.text(this.from - GAP, HEADING / 2, "query (attends)", { ...heading, anchor: "end" });
    pen.text(this.to + GAP, HEADING / 2, "key (attended to)", heading);
    const style = { size: this.size, colour: this.colours.ink };
    this.texts = {
      queries: this.labels.queries.map((text, place) =>
        pen.text(this.from - GAP, this.y(place), text, { ...style, anchor: "end" }),
      ),
      keys: this.labels.keys.map((text, place) => pen.text(this.to + GAP, this.y(place), text, style)),
    };
  }

  /** @type {(place: number) => number} */
  y(place) {
    return HEADING + (place + 0.5) * this.row;
  }

  // Lines of one head, those of nearly the same weight as one path.
  /** @type {(group: SVGElement, head: SceneHead, lines: Line[]) => void} */
  strokes(group, head, lines) {
    const { scene } = this;
    const place = scene.heads.indexOf(head);
    const shift = (place - (scene.heads.length - 1) / 2) * Math.min(3, this.row / (scene.heads.length + 2));
    /** @type {string[][]} */
    const paths = Array.from({ length: LEVELS + 1 }, () => []);
    const bend = (this.to - this.from) * 0.42;
    const [from, out, into, to] = [this.from, this.from + bend, this.to - bend, this.to].map(round);
    for (const { query, key, value } of lines) {
      const [start, end] = [round(this.y(query) + shift), round(this.y(key) + shift)];
      const level = Math.max(1, Math.round(LEVELS * Math.min(1, value / scene.top)));
      paths[level].push(`M${from} ${start}C${out} ${start} ${into} ${end} ${to} ${end}`);
    }
    const part = group.appendChild(svg("g", { "data-head": head.head }));
    const pen = new SvgPen(part, this.colours.family);
    paths.forEach((path, level) => {
      const strength = level / LEVELS;
      if (path.length) pen.line(path.join(""), head.colour, 0.7 + 4.3 * strength, 0.12 + 0.83 * strength);
    });
  }

  /** @type {(active: Active | null) => void} */
  mark(active) {
    const { scene, colours } = this;
    this.boldness(this.active, 400);
    this.active = active;
    refill(this.front);
    refill(this.shades);
    this.base.setAttribute("opacity", String(active ? this.faint : 1));
    if (!active) return;
    this.boldness(active, 700);
    for (const head of scene.heads) {
      const lines = scene
        .ranked(head, active, Infinity)
        .filter(({ value }) => value >= LEAST)
        .map(({ place, value }) =>
          active.query !== null
            ? { query: active.query, key: place, value }
            : { query: place, key: active.key, value },
        );
      this.strokes(this.front, head, lines);
      this.shade(head, active, lines);
    }
    const pen = new SvgPen(this.shades, colours.family);
    for (const place of scene.linked(active).keys()) {
      const { x, y, width, height } = this.boxOf(active.query !== null ? "keys" : "queries", place);
      pen.frame(x + 0.5, y + 0.5, width, height - 1, colours.ink, 1.25, "4 2.5");
    }
  }

  // Behind the words of the other side as much colour as they get, one strip for each head.
  /** @type {(head: SceneHead, active: Active, lines: Line[]) => void} */
  shade(head, active, lines) {
    const { scene, colours } = this;
    const pen = new SvgPen(this.shades, colours.family);
    const strip = scene.heads.indexOf(head);
    for (const { query, key, value } of lines) {
      const share = Math.min(1, value / scene.top);
      if (share < 0.02) continue;
      const box = active.query !== null ? this.boxOf("keys", key) : this.boxOf("queries", query);
      const width = box.width / scene.heads.length;
      pen.rect(
        box.x + strip * width,
        box.y + 1,
        width,
        box.height - 2,
        head.colour,
        shadeOf(share, colours),
      );
    }
  }

  /** @type {(side: Side, place: number) => {x: number, y: number, width: number, height: number}} */
  boxOf(side, place) {
    const width = side === "keys" ? this.width - this.to - 2 : this.from - 2;
    return {
      x: side === "keys" ? this.to + 2 : 0,
      y: this.y(place) - this.row / 2,
      width: width - 2,
      height: this.row,
    };
  }

  /** @type {(active: Active | null, weight: number) => void} */
  boldness(active, weight) {
    if (!active) return;
    const text = active.query !== null ? this.texts.queries[active.query] : this.texts.keys[active.key];
    text?.setAttribute("font-weight", String(weight));
  }

  /** @type {(event: MouseEvent) => Active | null} */
  hit(event) {
    const { left, top } = this.root.getBoundingClientRect();
    const [x, place] = [event.clientX - left, Math.floor((event.clientY - top - HEADING) / this.row)];
    if (x < 0 || x > this.width || place < 0) return null;
    if (x < this.from + 12) return place < this.scene.queries.length ? { query: place, key: null } : null;
    if (x > this.to - 12) return place < this.scene.keys.length ? { query: null, key: place } : null;
    return null;
  }

  headUnder() {
    return null;
  }

  /** @type {(key: string, active: Active | null) => Active | null} */
  move(key, active) {
    const now = active ?? { query: 0, key: null };
    const out = now.query !== null;
    const last = (out ? this.scene.queries : this.scene.keys).length - 1;
    const place = out ? now.query : now.key;
    const across = { query: null, key: Math.min(place, this.scene.keys.length - 1) };
    /** @type {(next: number) => Active} */
    const at = (next) => {
      const kept = Math.min(last, Math.max(0, next));
      return out ? { query: kept, key: null } : { query: null, key: kept };
    };
    switch (key) {
      case "ArrowLeft":
        return { query: Math.min(place, this.scene.queries.length - 1), key: null };
      case "ArrowRight":
        return active && this.scene.keys.length ? across : now;
      case "ArrowUp":
        return at(place - 1);
      case "ArrowDown":
        return at(active ? place + 1 : 0);
      case "Home":
        return at(0);
      default:
        return at(last);
    }
  }

  /** @type {(active: Active | null) => void} */
  reveal(active) {
    if (!active) return;
    const y = this.y(active.query ?? active.key);
    const { host, row } = this;
    if (y < host.scrollTop + 2 * row) host.scrollTop = y - 4 * row;
    else if (y > host.scrollTop + host.clientHeight - 2 * row)
      host.scrollTop = y - host.clientHeight + 4 * row;
    const x = active.query !== null ? 0 : this.width;
    if (x < host.scrollLeft || x > host.scrollLeft + host.clientWidth) host.scrollLeft = x;
  }

  /** @type {(head: number | null) => void} */
  emphasise(head) {
    const isShown = this.scene.heads.some((one) => one.head === head);
    for (const part of [...this.base.children, ...this.front.children]) {
      const isOther = Number(part.getAttribute("data-head")) !== head;
      part.setAttribute("opacity", isShown && isOther ? "0.12" : "1");
    }
  }

  /** @type {() => Entry[]} */
  legend() {
    const { scene, colours } = this;
    const colour = scene.heads.length === 1 ? scene.heads[0].colour : colours.ink;
    /** @type {Entry[]} */
    const entries = [0.1, 0.5, 1].map((part) => ({
      icon: "line",
      part,
      colour,
      text: percent(part * scene.top),
    }));
    entries.push({ text: `width and strength by weight, scale 0 to ${percent(scene.top)}` });
    if (this.threshold > LEAST) {
      entries.push({ text: `without an active word only lines from ${percent(this.threshold)} on` });
    }
    if (scene.linksOut.size)
      entries.push({ icon: "dashed", colour: colours.ink, text: "expected key (of the active word)" });
    return entries;
  }

  /**
   * Draws the picture into an SVG group and returns its size.
   * @type {(group: SVGElement) => {width: number, height: number}}
   */
  save(group) {
    for (const part of this.root.children) group.append(part.cloneNode(true));
    return { width: this.width, height: this.height };
  }
}
