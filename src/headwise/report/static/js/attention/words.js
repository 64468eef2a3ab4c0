// What is active, in words: for the status line, and as a table behind the picture.

import { el } from "../core/dom.js";
import { brief, write } from "../core/format.js";
import { isolated } from "./labels.js";

/**
 * @import { Item } from "./data.js"
 * @import { Active, Scene, SceneHead } from "./scene.js"
 * @typedef {{subject?: string, text: string, colour?: string}} StatusLine
 */

const NAMED = 3;
const HINT = "Point at a word or tap it, or go through the words with the arrow keys.";

/**
 * A share of 1 as short percent: 43%, 3.2%, <0.1%.
 * @type {(share: number) => string}
 */
export function percent(share) {
  const value = Math.min(1, share);
  if (value > 0 && value < 0.001) return "<0.1%";
  if (value >= 0.0995 || value === 0) return `${brief(value, "rate")}%`;
  return write(value, "rate").replace(".0%", "%");
}

/**
 * A score before the softmax.
 * @type {(value: number) => string}
 */
export function number(value) {
  return brief(value, "number");
}

/**
 * How a value of a scene is written.
 * @type {(scene: Scene, value: number) => string}
 */
export function written(scene, value) {
  return scene.kind === "scores" ? number(value) : percent(value);
}

/**
 * The status line: what is active, or how to make it so.
 * @type {(scene: Scene, active: Active | null) => HTMLElement[]}
 */
export function statusOf(scene, active) {
  if (!active) return [el("span", { class: "attn-quiet" }, HINT)];
  return describe(scene, active).map(({ subject, text, colour }) => {
    const name = subject ? el("b", {}, subject) : null;
    if (name && colour) name.style.color = colour;
    return el("span", {}, name, text);
  });
}

// Lines {subject, text, colour}: the keys of an active query, or the queries of an active key.
/** @type {(scene: Scene, active: Active) => StatusLine[]} */
function describe(scene, active) {
  const { subject, relation } = headingOf(scene, active);
  const isAlone = scene.heads.length === 1;
  const extra = extras(scene, active);
  const lists = scene.heads.slice(0, NAMED).map((head) => {
    const found = scene.ranked(head, active, isAlone ? 5 : 3);
    return found.map(({ item, value }) => named(item, scene, value)).join(", ") || "nothing";
  });
  if (isAlone) return [{ subject, text: ` ${relation} ${lists[0]}${extra && `; ${extra}`}` }];
  /** @type {StatusLine[]} */
  const lines = [{ subject, text: ` ${relation}${extra && ` (${extra})`}` }];
  lists.forEach((list, place) => {
    const { name, colour } = scene.heads[place];
    lines.push({ subject: name, text: `: ${list}`, colour });
  });
  const rest = scene.heads.length - NAMED;
  if (rest > 0) lines.push({ text: `and ${rest} more ${rest === 1 ? "head" : "heads"}` });
  return lines;
}

/**
 * Number of lines of `describe`, for narrow or wide lines.
 * @type {(scene: Scene, isNarrow: boolean) => number}
 */
export function linesOf(scene, isNarrow) {
  const heads = scene.heads.length;
  return heads === 1
    ? isNarrow
      ? 4
      : 2
    : (isNarrow ? 2 : 1) + Math.min(heads, NAMED) + (heads > NAMED ? 1 : 0);
}

/**
 * A table of the weights of the active word, of all heads.
 * @type {(scene: Scene, active: Active) => HTMLElement}
 */
export function tableOf(scene, active) {
  const { subject, relation } = headingOf(scene, active);
  const out = active.query !== null;
  const others = out ? scene.keys : scene.queries;
  const shown = others
    .map((item, place) => ({ item, place }))
    .filter(
      ({ place }) => !(out ? scene.isMasked(active.query, place) : scene.isMasked(place, active.key)),
    );
  /** @type {(text: string, scope: string) => HTMLElement} */
  const heading = (text, scope) => el("th", { scope }, text);
  /** @type {(head: SceneHead, place: number) => HTMLElement} */
  const cell = (head, place) => {
    const value = out ? scene.value(head, active.query, place) : scene.value(head, place, active.key);
    return el("td", {}, written(scene, value));
  };
  return el(
    "table",
    {},
    el("caption", {}, `${subject} ${relation}: weights of each word`),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        heading("Word", "col"),
        scene.heads.map(({ name }) => heading(name, "col")),
      ),
    ),
    el(
      "tbody",
      {},
      shown.map(({ item, place }) =>
        el(
          "tr",
          {},
          heading(item.label, "row"),
          scene.heads.map((head) => cell(head, place)),
        ),
      ),
    ),
  );
}

/** @type {(scene: Scene, active: Active) => {subject: string, relation: string}} */
function headingOf(scene, active) {
  if (active.query === null)
    return { subject: isolated(scene.keys[active.key].label), relation: "is attended to by" };
  const mark = scene.markOf(active.query);
  const subject = isolated(scene.queries[active.query].label) + (mark ? ` (${mark})` : "");
  return { subject, relation: "attends to" };
}

// The pair under the crosshair, and the expected keys of the word.
/** @type {(scene: Scene, active: Active) => string} */
function extras(scene, active) {
  /** @type {string[]} */
  const parts = [];
  const { query, key } = active;
  if (query !== null && key !== null) {
    const label = isolated(scene.keys[key].label);
    const values = scene.heads.slice(0, NAMED).map((head) => written(scene, scene.value(head, query, key)));
    parts.push(scene.isMasked(query, key) ? `${label} is masked` : `${label} here: ${values.join(", ")}`);
  }
  const linked = [...scene.linked(active)].slice(0, 2).map(([place, relation]) => {
    const item = active.query !== null ? scene.keys[place] : scene.queries[place];
    return isolated(item.label) + (relation ? ` (${relation})` : "");
  });
  if (linked.length)
    parts.push(`expected ${active.query !== null ? "key" : "query"}: ${linked.join(", ")}`);
  return parts.join("; ");
}

/** @type {(item: Item, scene: Scene, value: number) => string} */
function named(item, scene, value) {
  return `${isolated(item.label)}: ${written(scene, value)}`;
}
