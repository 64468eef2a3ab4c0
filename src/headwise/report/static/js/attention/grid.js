// The geometry of one grid of dots: keys down, queries across, labels where there is room.

import { fit, widthOf } from "./labels.js";

/**
 * @import { Item } from "./data.js"
 * @import { Anchor } from "./pens.js"
 * @import { Active, Scene } from "./scene.js"
 * @typedef {ReturnType<typeof gridOf>} Grid
 */

const TURN = -45;
const LARGEST = 52;
const TALL = 640;
const TITLE = 20;
const AXIS = 18;
const GAP = 8;

/**
 * Where everything stands in a grid that is to fit into `space` pixels, `zoom` times enlarged.
 * @param {Scene} scene
 * @param {number} space
 * @param {number} zoom
 * @param {string} family
 */
export function gridOf(scene, space, zoom, family) {
  const [across, down] = [scene.queries.length, scene.keys.length];
  const most = Math.max(across, down);
  const alone = scene.heads.length === 1;
  const small = space < 460;
  const size = most <= 16 && alone && !small ? 15 : most <= 64 && !small ? 13 : 12;
  const room = small ? 84 : 132;
  const keyLabels = labelsOf(scene.keys, room, size, family);
  const queryLabels = labelsOf(scene.queries, room, size, family);
  const left = Math.max(keyLabels.width, widthOf(`key (attended to) \u2193`, 12, family)) + GAP;
  const smallest = most > 64 ? (alone ? 1.25 : 0.5) : alone ? 10 : 6;
  // Turned labels reach up and, at the end, out to the right.
  const slope = Math.SQRT1_2 * queryLabels.width;
  const limit = Math.min(TALL / Math.max(1, down), LARGEST);
  const flat = Math.min((space - left - 4) / across, limit);
  const fitsFlat = queryLabels.width <= flat - 6;
  const fitting = fitsFlat
    ? flat
    : Math.min((space - left - slope - size) / Math.max(1, across - 0.5), limit);
  const cell = zoom * Math.max(smallest, fitting);
  const isFlat = queryLabels.width <= cell - 6;
  const every = stepOf(cell, size);
  const last = across - 1 - ((across - 1) % every);
  const overhang = isFlat || cell * across > 1.5 * space ? 0 : slope - (across - last - 0.5) * cell + size;
  const top = (alone ? 0 : TITLE) + AXIS + (isFlat ? size + 8 : slope + size);
  // Weights are few and far between: dots may be larger than cells. Every cell has a score.
  return {
    cell,
    size,
    left,
    top,
    every,
    isFlat,
    across,
    down,
    alone,
    family,
    turn: isFlat ? 0 : TURN,
    keyLabels: keyLabels.labels,
    queryLabels: queryLabels.labels,
    radius: Math.max(0.46 * cell, scene.kind === "scores" ? 0 : alone ? 1.6 : 1.3),
    width: Math.ceil(left + cell * across + Math.max(4, overhang)),
    height: Math.ceil(top + cell * down + 4),
    titleAt: TITLE / 2,
    axisAt: (alone ? 0 : TITLE) + AXIS / 2,
  };
}

/**
 * The cell at a place of a grid: {query, key}, or null outside; on a label only one of both.
 * @type {(grid: Grid, x: number, y: number) => Active | null}
 */
export function cellAt(grid, x, y) {
  // Turned labels lean to the right, by as much as they reach up.
  const lean = y < grid.top && !grid.isFlat ? grid.top - y : 0;
  const query = Math.floor((x - lean - grid.left) / grid.cell);
  const key = Math.floor((y - grid.top) / grid.cell);
  const inQueries = query >= 0 && query < grid.across;
  const inKeys = key >= 0 && key < grid.down;
  if (inQueries && inKeys) return { query, key };
  if (inQueries && y < grid.top && y > grid.axisAt + 6) return { query, key: null };
  if (inKeys && x < grid.left) return { query: null, key };
  return null;
}

/**
 * Where a label of a query begins (turned) or has its middle (flat).
 * @type {(grid: Grid, query: number) => {x: number, y: number, anchor: Anchor}}
 */
export function queryLabelAt(grid, query) {
  const x = grid.left + (query + 0.5) * grid.cell;
  return {
    x,
    y: grid.top - (grid.isFlat ? 6 + grid.size / 2 : 7),
    anchor: grid.isFlat ? "middle" : "start",
  };
}

/**
 * Where a label of a key ends.
 * @type {(grid: Grid, key: number) => {x: number, y: number, anchor: Anchor}}
 */
export function keyLabelAt(grid, key) {
  return { x: grid.left - GAP, y: grid.top + (key + 0.5) * grid.cell, anchor: "end" };
}

/** @type {(items: Item[], room: number, size: number, family: string) => {labels: string[], width: number}} */
function labelsOf(items, room, size, family) {
  const labels = items.map((item) => fit(item.label, room, size, family));
  const width = Math.max(0, ...labels.map((label) => widthOf(label, size, family)));
  return { labels, width };
}

// Every how many rows a label fits.
/** @type {(cell: number, size: number) => number} */
function stepOf(cell, size) {
  return Math.max(1, Math.ceil((size + 1) / cell));
}
