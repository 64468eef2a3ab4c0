// What a picture shows right now: items on both sides, heads with their weights, the scale, the links.

/**
 * @import { Linked } from "../page.d.ts"
 * @import { ExampleData, Item, Kind, Level } from "./data.js"
 *
 * @typedef {{head: number, name: string, colour: string}} Head
 * @typedef {object} Weights
 * @property {Float32Array} values `[query item][key item]`, flat.
 * @property {number} most The largest.
 * @property {[number, number] | null} range Of scores.
 * @property {number} hidden Share of the attention that goes to hidden items.
 * @typedef {Head & Weights} SceneHead
 * @typedef {{example: number, level: Level, kind: Kind, sinks: boolean}} Choice
 * @typedef {{query: number, key: number | null} | {query: null, key: number}} Active
 * @typedef {Map<number, Map<number, string>>} Links
 */

const STEPS = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

/**
 * A scene of an example; `heads` are {head, name, colour}.
 * What is active in it is {query, key}, one of which may be null, or null.
 */
export class Scene {
  /**
   * @param {ExampleData} data
   * @param {Head[]} heads
   * @param {Choice} choice
   */
  constructor(data, heads, { example, level, kind, sinks }) {
    this.source = `${example} ${level} ${kind} ${sinks}`;
    this.level = level;
    this.kind = kind;
    this.isCross = Boolean(data.example.keys);
    this.isCausal = data.isCausal;
    this.queries = data.items("queries", level);
    this.allKeys = data.items("keys", level);
    this.keys = data.keys(level, sinks);
    this.keyAt = new Map(this.keys.map((item, place) => [item.index, place]));
    /** @type {SceneHead[]} */
    this.heads = heads.map((head) => ({
      ...head,
      ...data.weights(head.head, level, kind, sinks),
      range: kind === "scores" ? data.range(head.head) : null,
      hidden: this.isCut && kind !== "scores" ? data.hidden(head.head, level, kind) : 0,
    }));
    const most = Math.max(0, ...this.heads.map((head) => head.most));
    this.top = most > 0 ? (STEPS.findLast((step) => step >= most * 0.98) ?? 1) : 1;
    this.reaches = reachesOf(this.queries, this.keys, this.isCausal);
    this.marks = new Map(data.example.marks.map((mark) => [mark.word, mark.label]));
    /** @type {Links} */
    this.linksOut = new Map();
    /** @type {Links} */
    this.linksIn = new Map();
    this.readLinks(data.example.links);
  }

  /** Whether sinks are left out. */
  get isCut() {
    return this.keys.length < this.allKeys.length;
  }

  /**
   * How far up the scale a value stands, 0 to 1; 0 if it is masked.
   * @type {(head: SceneHead, query: number, key: number) => number}
   */
  share(head, query, key) {
    const value = head.values[query * this.keys.length + key];
    if (!head.range) return Math.min(1, value / this.top);
    const [low, high] = head.range;
    return high > low && value >= low ? Math.min(1, (value - low) / (high - low)) : 0;
  }

  /** @type {(head: SceneHead, query: number, key: number) => number} */
  value(head, query, key) {
    return head.values[query * this.keys.length + key];
  }

  /**
   * How many keys, from the first on, a query can look at.
   * @type {(query: number) => number}
   */
  reach(query) {
    return this.reaches[query];
  }

  /** @type {(query: number, key: number) => boolean} */
  isMasked(query, key) {
    return this.isCausal && this.keys[key].first > this.queries[query].last;
  }

  /**
   * The other side of an active word, strongest first: [{item, place, value}].
   * @type {(head: SceneHead, active: Active, count: number) => {item: Item, place: number, value: number}[]}
   */
  ranked(head, active, count) {
    const out = active.query !== null;
    const others = out ? this.keys : this.queries;
    /** @type {{item: Item, place: number, value: number}[]} */
    const found = [];
    others.forEach((item, place) => {
      const value = out ? this.value(head, active.query, place) : this.value(head, place, active.key);
      if (!(value > (head.range ? -Infinity : 0))) return;
      if (out ? this.isMasked(active.query, place) : this.isMasked(place, active.key)) return;
      found.push({ item, place, value });
    });
    return found.sort((one, other) => other.value - one.value).slice(0, count);
  }

  /**
   * What an active word should look at, or be looked at by: Map of place to relation.
   * @type {(active: Active) => Map<number, string>}
   */
  linked(active) {
    const links = active.query !== null ? this.linksOut.get(active.query) : this.linksIn.get(active.key);
    return links ?? new Map();
  }

  /**
   * The item of some index as the one that looks or is looked at; null if it is hidden.
   * @type {(index: number, looks: boolean) => Active | null}
   */
  activeAt(index, looks) {
    if (looks) return { query: index, key: null };
    return activeOf(null, this.keyAt.get(index) ?? null);
  }

  /**
   * The index of the word that is active: the one that looks, else the one that is looked at.
   * @type {(active: Active) => number}
   */
  indexOf(active) {
    return active.query ?? this.keys[active.key].index;
  }

  /** @type {(query: number) => string} */
  markOf(query) {
    return this.marks.get(this.queries[query].word) ?? "";
  }

  /**
   * The same words in this scene as an active mark had in another one.
   * @type {(active: Active | null, scene: Scene) => Active | null}
   */
  follow(active, scene) {
    if (!active) return null;
    const query = active.query === null ? null : holder(this.queries, scene.queries[active.query]);
    const key = active.key === null ? null : holder(this.keys, scene.keys[active.key]);
    return activeOf(query, key);
  }

  /** @type {(links: Linked[]) => void} */
  readLinks(links) {
    const [queriesOf, keysOf] = [byWord(this.queries), byWord(this.keys)];
    for (const { query, key, relation } of links) {
      for (const from of queriesOf.get(query) ?? []) {
        for (const to of keysOf.get(key) ?? []) {
          note(this.linksOut, from, to, relation);
          note(this.linksIn, to, from, relation);
        }
      }
    }
  }
}

/**
 * What is active, of words that may be on either side.
 * @type {(query: number | null, key: number | null) => Active | null}
 */
export function activeOf(query, key) {
  if (query !== null) return { query, key };
  return key === null ? null : { query, key };
}

// Both sides are in the order of the text, so that the reach only grows.
/** @type {(queries: Item[], keys: Item[], isCausal: boolean) => number[]} */
function reachesOf(queries, keys, isCausal) {
  let reach = 0;
  return queries.map(({ last }) => {
    if (!isCausal) return keys.length;
    while (reach < keys.length && keys[reach].first <= last) reach += 1;
    return reach;
  });
}

/** @type {(items: Item[], wanted: Item) => number | null} */
function holder(items, wanted) {
  const place = items.findIndex((item) => item.first <= wanted.first && wanted.first <= item.last);
  return place < 0 ? null : place;
}

/** @type {(items: Item[]) => Map<number, number[]>} */
function byWord(items) {
  /** @type {Map<number, number[]>} */
  const places = new Map();
  items.forEach(({ word }, place) => {
    if (word >= 0) places.set(word, [...(places.get(word) ?? []), place]);
  });
  return places;
}

/** @type {(links: Links, from: number, to: number, relation: string) => void} */
function note(links, from, to, relation) {
  links.set(from, (links.get(from) ?? new Map()).set(to, relation));
}
