// Attention as dots: queries across, keys down, one grid for each head.

import { around, el, present, refill, svg } from "../core/dom.js";
import { cellAt, gridOf } from "./grid.js";
import { paintGrid, paintMarks } from "./paint.js";
import { CanvasPen, SvgPen } from "./pens.js";
import { activeOf } from "./scene.js";
import { number, percent } from "./words.js";

/**
 * @import { Colours } from "./colours.js"
 * @import { Grid } from "./grid.js"
 * @import { Entry } from "./legend.js"
 * @import { Active, Scene, SceneHead } from "./scene.js"
 * @typedef {{head: SceneHead, wanted: string}} Late
 * @typedef {Grid & {columns: number, same: string}} Arranged
 * @typedef {{base: HTMLCanvasElement, overlay: HTMLCanvasElement, drawn: string, box: HTMLElement}} DotsPanel
 */

const SMALLEST = 270;
const GAP = 24;
const PIXELS = 40e6;
const BUDGET = 16;
const PADDING = 16;

/** Grids on canvases: a base that is drawn once, and above it what marks the active word. */
export class DotsPicture {
  /** @type {Scene} */
  scene;
  /** @type {Colours} */
  colours;
  /** @type {Arranged} */
  grid;
  scale = 1;

  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    /** @type {Map<number, DotsPanel>} */
    this.panels = new Map();
    this.box = el("div", { class: "attn-grids" });
    refill(host, this.box);
  }

  /** @type {(scene: Scene, colours: Colours, state: {zoom: number}) => void} */
  draw(scene, colours, { zoom }) {
    const space = Math.max(240, this.host.clientWidth - PADDING);
    const grid = this.arrange(scene, space, zoom, colours.family);
    Object.assign(this, { scene, colours, grid });
    const area = scene.heads.length * grid.width * grid.height;
    this.scale = Math.min(
      devicePixelRatio || 1,
      4096 / Math.max(grid.width, grid.height),
      Math.sqrt(PIXELS / area),
    );
    const old = this.panels;
    this.panels = new Map(scene.heads.map((head) => [head.head, old.get(head.head) ?? panel(head)]));
    refill(
      this.box,
      [...this.panels.values()].map(({ box }) => box),
    );
    /** @type {Late[]} */
    const late = [];
    for (const head of scene.heads) {
      const { box, drawn } = this.panelOf(head);
      box.style.width = `${grid.width}px`;
      box.style.height = `${grid.height}px`;
      const wanted = [scene.source, scene.top, grid.same, head.colour, this.scale, colours.paper].join(" ");
      if (drawn !== wanted) late.push({ head, wanted });
    }
    this.paintSoon(late, scene);
  }

  // Paints for a moment and leaves the rest to the next frames, so that a dozen grids freeze nothing.
  /** @type {(late: Late[], scene: Scene) => void} */
  paintSoon(late, scene) {
    const begun = performance.now();
    while (performance.now() - begun < BUDGET) {
      const next = late.shift();
      if (!next) return;
      const { head, wanted } = next;
      const one = this.panelOf(head);
      const pen = new CanvasPen(one.base, this.grid.width, this.grid.height, this.scale, this.grid.family);
      paintGrid(pen, scene, this.grid, head, this.colours);
      one.drawn = wanted;
    }
    if (late.length) requestAnimationFrame(() => this.scene === scene && this.paintSoon(late, scene));
  }

  // As many grids side by side as are still readable.
  /** @type {(scene: Scene, space: number, zoom: number, family: string) => Arranged} */
  arrange(scene, space, zoom, family) {
    let columns = Math.min(scene.heads.length, Math.max(1, Math.floor((space + GAP) / (SMALLEST + GAP))));
    for (;;) {
      const width = (space - GAP * (columns - 1)) / columns;
      const grid = gridOf(scene, width, zoom, family);
      if (columns === 1 || zoom > 1 || grid.width <= width + 1) {
        return {
          ...grid,
          columns,
          same: `${grid.cell} ${grid.left} ${grid.top} ${grid.width} ${grid.height}`,
        };
      }
      columns -= 1;
    }
  }

  /** @type {(head: SceneHead) => DotsPanel} */
  panelOf({ head }) {
    return present(this.panels.get(head));
  }

  /** @type {(active: Active | null) => void} */
  mark(active) {
    for (const head of this.scene.heads) {
      const { overlay } = this.panelOf(head);
      const pen = new CanvasPen(overlay, this.grid.width, this.grid.height, this.scale, this.grid.family);
      if (active) paintMarks(pen, this.scene, this.grid, head, active, this.colours);
    }
  }

  /** @type {(event: MouseEvent) => Active | null} */
  hit(event) {
    const box = around(event, ".attn-grid");
    if (!box) return null;
    const { left, top } = box.getBoundingClientRect();
    return cellAt(this.grid, event.clientX - left, event.clientY - top);
  }

  /** @type {(event: MouseEvent) => number | null} */
  headUnder(event) {
    const box = around(event, ".attn-grid");
    return box ? Number(box.dataset.head) : null;
  }

  /** @type {(key: string, active: Active | null) => Active | null} */
  move(key, active) {
    const [lastQuery, lastKey] = [this.scene.queries.length - 1, this.scene.keys.length - 1];
    const { query, key: down } = active ?? { query: null, key: null };
    /** @type {(place: number | null, by: number, last: number) => number | null} */
    const step = (place, by, last) => {
      if (last < 0) return null;
      if (place === null) return by > 0 ? 0 : last;
      return Math.min(last, Math.max(0, place + by));
    };
    switch (key) {
      case "ArrowLeft":
        return activeOf(step(query, -1, lastQuery), down);
      case "ArrowRight":
        return activeOf(step(query, 1, lastQuery), down);
      case "ArrowUp":
        return { query: query ?? 0, key: step(down, -1, lastKey) };
      case "ArrowDown":
        return { query: query ?? 0, key: step(down, 1, lastKey) };
      case "Home":
        return { query: 0, key: down };
      default:
        return { query: lastQuery, key: down };
    }
  }

  /** @type {(active: Active | null) => void} */
  reveal(active) {
    const first = this.panels.values().next().value;
    if (!first || !active) return;
    const { host, grid } = this;
    if (active.query !== null) {
      const x = first.box.offsetLeft + grid.left + active.query * grid.cell;
      if (x < host.scrollLeft + grid.left) host.scrollLeft = x - grid.left - 20;
      else if (x > host.scrollLeft + host.clientWidth - 30) host.scrollLeft = x - host.clientWidth + 60;
    }
    if (active.key === null) return;
    const y = first.box.offsetTop + grid.top + active.key * grid.cell;
    if (y < host.scrollTop + 40) host.scrollTop = y - 60;
    else if (y > host.scrollTop + host.clientHeight - 30) host.scrollTop = y - host.clientHeight + 60;
  }

  /** @type {(head: number | null) => void} */
  emphasise(head) {
    for (const [shown, { box }] of this.panels) box.classList.toggle("attn-hovered", shown === head);
  }

  /** @type {() => Entry[]} */
  legend() {
    const { scene, grid, colours } = this;
    const colour = scene.heads.length === 1 ? scene.heads[0].colour : colours.ink;
    /** @type {Entry[]} */
    const entries = [];
    if (scene.kind === "scores") {
      entries.push({ icon: "dot", part: 0.1, colour, text: "low" });
      entries.push({ icon: "dot", part: 1, colour, text: `high: area by score, ${ranges(scene)}` });
    } else {
      for (const part of [0.04, 0.25, 1])
        entries.push({ icon: "dot", part, colour, text: percent(part * scene.top) });
      entries.push({ text: `area by weight, scale 0 to ${percent(scene.top)}` });
    }
    if (scene.isCausal)
      entries.push({ icon: "tint", colour: colours.surface, text: "masked: later token" });
    if (scene.linksOut.size && grid.cell >= 5)
      entries.push({ icon: "ring", colour: colours.ink, text: "expected key" });
    return entries;
  }

  /**
   * Draws the picture into an SVG group and returns its size.
   * @type {(group: SVGElement) => {width: number, height: number}}
   */
  save(group) {
    const { scene, grid, colours } = this;
    const columns = Math.min(grid.columns, scene.heads.length);
    scene.heads.forEach((head, place) => {
      const [x, y] = [
        (place % columns) * (grid.width + GAP),
        Math.floor(place / columns) * (grid.height + GAP),
      ];
      const part = group.appendChild(svg("g", { transform: `translate(${x} ${y})` }));
      paintGrid(new SvgPen(part, colours.family), scene, grid, head, colours);
    });
    const rows = Math.ceil(scene.heads.length / columns);
    return { width: columns * (grid.width + GAP) - GAP, height: rows * (grid.height + GAP) - GAP };
  }
}

/** @type {(head: SceneHead) => DotsPanel} */
function panel(head) {
  const [base, overlay] = [
    el("canvas", { "aria-hidden": "true" }),
    el("canvas", { "aria-hidden": "true" }),
  ];
  return {
    base,
    overlay,
    drawn: "",
    box: el("div", { class: "attn-grid", "data-head": head.head }, base, overlay),
  };
}

/** @type {(scene: Scene) => string} */
function ranges(scene) {
  const isAlone = scene.heads.length === 1;
  const texts = scene.heads.map(({ name, range }) => {
    const [low, high] = present(range);
    return `${isAlone ? "" : `${name} `}${number(low)} to ${number(high)}`;
  });
  return texts.join(", ");
}
