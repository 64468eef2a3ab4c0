// Draws one grid of dots with either pen.

import { keyLabelAt, queryLabelAt } from "./grid.js";

/**
 * @import { Colours } from "./colours.js"
 * @import { Grid } from "./grid.js"
 * @import { Pen } from "./pens.js"
 * @import { Active, Scene, SceneHead } from "./scene.js"
 */

const FADED = 0.78;
const HALF = 0.7;

/**
 * Draws what stays: masked part, lines, dots, frames of links, labels.
 * @type {(pen: Pen, scene: Scene, grid: Grid, head: SceneHead, colours: Colours) => void}
 */
export function paintGrid(pen, scene, grid, head, colours) {
  const { cell, left, top, across, down, size } = grid;
  const [width, height] = [across * cell, down * cell];
  if (scene.isCausal) {
    /** @type {[number, number][]} */
    const stairs = [[left, top + height]];
    for (let query = 0; query < across; query++) {
      const y = top + scene.reach(query) * cell;
      stairs.push([left + query * cell, y], [left + (query + 1) * cell, y]);
    }
    pen.shape([...stairs, [left + width, top + height]], colours.surface);
  }
  if (cell >= 7) {
    for (let line = 0; line <= across; line++)
      pen.rect(left + line * cell - 0.5, top, 1, height, colours.rule, 0.7);
    for (let line = 0; line <= down; line++)
      pen.rect(left, top + line * cell - 0.5, width, 1, colours.rule, 0.7);
  } else {
    pen.frame(left - 0.5, top - 0.5, width + 1, height + 1, colours.rule);
  }
  pen.dots(dotsOf(scene, grid, head), head.colour);
  if (cell >= 5) {
    for (const [query, links] of scene.linksOut) {
      for (const key of links.keys()) {
        pen.frame(
          left + query * cell + 1,
          top + key * cell + 1,
          cell - 2,
          cell - 2,
          colours.ink,
          cell > 20 ? 1.5 : 1,
        );
      }
    }
  }
  if (!grid.alone) pen.text(left, grid.titleAt, head.name, { size: 13, weight: 600, colour: head.colour });
  pen.text(left, grid.axisAt, "query (attends) \u2192", { size: 12, colour: colours.muted });
  pen.text(left - 8, top - 14, "key (attended to) \u2193", {
    size: 12,
    colour: colours.muted,
    anchor: "end",
  });
  const style = { size, colour: colours.ink, turn: grid.turn };
  for (let query = 0; query < across; query += grid.every) {
    const { x, y, anchor } = queryLabelAt(grid, query);
    pen.text(x, y, grid.queryLabels[query], { ...style, anchor });
  }
  for (let key = 0; key < down; key += grid.every) {
    const { x, y, anchor } = keyLabelAt(grid, key);
    pen.text(x, y, grid.keyLabels[key], { size, colour: colours.ink, anchor });
  }
}

/** @type {(scene: Scene, grid: Grid, head: SceneHead) => Float32Array} */
function dotsOf(scene, grid, head) {
  const dots = new Float32Array(3 * grid.across * grid.down);
  let used = 0;
  for (let query = 0; query < grid.across; query++) {
    const reach = scene.reach(query);
    for (let key = 0; key < reach; key++) {
      const radius = grid.radius * Math.sqrt(scene.share(head, query, key));
      if (!(radius > 0.08)) continue;
      dots[used++] = grid.left + (query + 0.5) * grid.cell;
      dots[used++] = grid.top + (key + 0.5) * grid.cell;
      dots[used++] = radius;
    }
  }
  return dots.subarray(0, used);
}

/**
 * Draws what moves: the bands of the active word and its labels.
 * @type {(pen: Pen, scene: Scene, grid: Grid, head: SceneHead, active: Active, colours: Colours) => void}
 */
export function paintMarks(pen, scene, grid, head, active, colours) {
  const { cell, left, top, across, down } = grid;
  const band = Math.max(cell, 2);
  const { query, key } = active;
  const isTight = grid.every > 1;
  const strength = colours.dark ? 0.16 : 0.1;
  if (query !== null)
    pen.rect(left + (query + 0.5) * cell - band / 2, top, band, down * cell, colours.ink, strength);
  if (key !== null)
    pen.rect(left, top + (key + 0.5) * cell - band / 2, across * cell, band, colours.ink, strength);
  if (query !== null && key !== null) {
    const around = Math.max(cell, 7);
    const [x, y] = [left + (query + 0.5) * cell - around / 2, top + (key + 0.5) * cell - around / 2];
    pen.frame(x, y, around, around, colours.ink, 2);
  }
  if (query !== null) {
    // Other labels fade, so that the active one can be read between them.
    pen.rect(
      left + 1,
      grid.axisAt + 8,
      grid.width - left,
      top - grid.axisAt - 9,
      colours.paper,
      isTight ? FADED : HALF,
    );
    const { x, y, anchor } = queryLabelAt(grid, query);
    const style = { size: grid.size, weight: 700, colour: colours.ink, anchor, turn: grid.turn };
    pen.text(x, y, grid.queryLabels[query], style);
  }
  const named = isTight && query !== null ? strongest(scene, grid, head, query, key) : [];
  if (key === null && !named.length) return;
  if (isTight) pen.rect(0, top, left - 2, down * cell, colours.paper, FADED);
  for (const place of named) labelKey(pen, grid, place, colours, 400);
  if (key !== null) labelKey(pen, grid, key, colours, 700);
}

// Where labels are left out, those of the words looked at most are put in.
/** @type {(scene: Scene, grid: Grid, head: SceneHead, query: number, key: number | null) => number[]} */
function strongest(scene, grid, head, query, key) {
  const taken = key === null ? [] : [key];
  /** @type {(place: number) => boolean} */
  const isFree = (place) => taken.every((other) => Math.abs(other - place) * grid.cell >= grid.size);
  for (const { place } of scene.ranked(head, { query, key: null }, 4)) if (isFree(place)) taken.push(place);
  return taken.filter((place) => place !== key);
}

/** @type {(pen: Pen, grid: Grid, key: number, colours: Colours, weight: number) => void} */
function labelKey(pen, grid, key, colours, weight) {
  const { x, y, anchor } = keyLabelAt(grid, key);
  const height = grid.size + 2;
  pen.rect(0, y - height / 2, grid.left - 2, height, colours.paper);
  pen.text(x, y, grid.keyLabels[key], { size: grid.size, weight, colour: colours.ink, anchor });
}
