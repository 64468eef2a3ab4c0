// The numbers behind the pictures: decoded when first asked for, summed from tokens to words.

import { present } from "../core/dom.js";
import { unpack } from "../core/packed.js";
import { cut } from "./labels.js";

/**
 * @import { Attention, Example, Text } from "../page.d.ts"
 * @import { Numbers } from "../core/packed.js"
 *
 * @typedef {"words" | "tokens"} Level
 * @typedef {"pattern" | "norms" | "scores"} Kind
 * @typedef {"queries" | "keys"} Side
 * @typedef {object} Item What a picture has a row for: a word, a special token, or any token.
 * @property {number} index
 * @property {number} word -1 for none.
 * @property {string} text
 * @property {string} label
 * @property {number[]} tokens
 * @property {number} first
 * @property {number} last
 */

const SHARES = Float32Array.from({ length: 256 }, (_, byte) => (byte / 255) ** 2);
const KEPT = 4;

/** Examples with their decoded numbers; only those looked at last stay in memory. */
export class Examples {
  /** @param {Attention} attention */
  constructor(attention) {
    this.examples = attention.examples;
    /** @type {Map<number, ExampleData>} */
    this.open = new Map();
  }

  /** @type {(index: number) => ExampleData} */
  at(index) {
    const data = this.open.get(index) ?? new ExampleData(this.examples[index]);
    this.open.delete(index);
    this.open.set(index, data);
    const [oldest] = this.open.keys();
    if (this.open.size > KEPT && oldest !== undefined) this.open.delete(oldest);
    return data;
  }
}

/** One example. An item is what a picture has a row for: a word, a special token, or any token. */
export class ExampleData {
  /** @param {Example} example */
  constructor(example) {
    this.example = example;
    /** @type {Map<string, unknown>} */
    this.cached = new Map();
  }

  /**
   * The items that look, or that are looked at: level "words" or "tokens".
   * @type {(side: Side, level: Level) => Item[]}
   */
  items(side, level) {
    const text = side === "keys" ? (this.example.keys ?? this.example.queries) : this.example.queries;
    return this.once(`items ${side} ${level}`, () => itemsOf(text, level));
  }

  /**
   * The items that are looked at, without those that hold a sink if sinks are hidden.
   * @type {(level: Level, sinks: boolean) => Item[]}
   */
  keys(level, sinks) {
    return this.once(`keys ${level} ${sinks}`, () => {
      const held = new Set(sinks ? [] : this.example.sinks);
      return this.items("keys", level).filter((item) => !item.tokens.some((token) => held.has(token)));
    });
  }

  /**
   * {values, most}: `[query item][key item]` flat, and the largest. NaN where all is masked (scores).
   * @type {(head: number, level: Level, kind: Kind, sinks: boolean) => {values: Float32Array, most: number}}
   */
  weights(head, level, kind, sinks) {
    return this.once(`weights ${head} ${level} ${kind} ${sinks}`, () => {
      const [queries, keys] = [this.items("queries", level), this.keys(level, sinks)];
      const values =
        kind === "scores" ? this.scores(head, queries, keys) : this.shares(head, kind, queries, keys);
      let most = -Infinity;
      for (const value of values) if (value > most) most = value;
      return { values, most };
    });
  }

  /**
   * How much of the attention of a head goes to hidden items, as a mean over the items that look.
   * @type {(head: number, level: Level, kind: Kind) => number}
   */
  hidden(head, level, kind) {
    return this.once(`hidden ${head} ${level} ${kind}`, () => {
      const [all, left] = [true, false].map((sinks) => sum(this.weights(head, level, kind, sinks).values));
      return (all - left) / Math.max(1, this.items("queries", level).length);
    });
  }

  /**
   * Smallest and largest score of a head, over tokens.
   * @type {(head: number) => [number, number]}
   */
  range(head) {
    return this.example.score_ranges[this.example.heads.indexOf(head)];
  }

  // To a word: the sum over its tokens. From a word: the mean over its tokens.
  /** @type {(head: number, kind: Kind, queries: Item[], keys: Item[]) => Float32Array} */
  shares(head, kind, queries, keys) {
    const [rowOf, columnOf] = [places(queries, this.nQueries), places(keys, this.nKeys)];
    const [bytes, offset] = this.bytes(kind, head);
    const values = new Float32Array(queries.length * keys.length);
    for (let q = 0; q < this.nQueries; q++) {
      const start = rowOf[q] * keys.length;
      const part = 1 / queries[rowOf[q]].tokens.length;
      for (let k = 0; k < this.nKeys; k++) {
        if (columnOf[k] < 0) continue;
        values[start + columnOf[k]] += part * SHARES[bytes[offset + q * this.nKeys + k]];
      }
    }
    return values;
  }

  // Between words: the mean over the pairs of tokens that are not masked.
  /** @type {(head: number, queries: Item[], keys: Item[]) => Float32Array} */
  scores(head, queries, keys) {
    const [rowOf, columnOf] = [places(queries, this.nQueries), places(keys, this.nKeys)];
    const [bytes, offset] = this.bytes("scores", head);
    const [low, high] = this.range(head);
    const values = new Float32Array(queries.length * keys.length);
    const counts = new Uint32Array(values.length);
    for (let q = 0; q < this.nQueries; q++) {
      const end = this.isCausal ? q + 1 : this.nKeys;
      for (let k = 0; k < end; k++) {
        if (columnOf[k] < 0) continue;
        const place = rowOf[q] * keys.length + columnOf[k];
        values[place] += bytes[offset + q * this.nKeys + k];
        counts[place] += 1;
      }
    }
    return values.map((total, place) => low + (total / counts[place] / 255) * (high - low));
  }

  get isCausal() {
    return this.example.causal && !this.example.keys;
  }

  get nQueries() {
    return this.example.queries.tokens.length;
  }

  get nKeys() {
    return (this.example.keys ?? this.example.queries).tokens.length;
  }

  /** @type {(kind: Kind, head: number) => [Numbers, number]} */
  bytes(kind, head) {
    const offset = this.example.heads.indexOf(head) * this.nQueries * this.nKeys;
    return [this.once(`bytes ${kind}`, () => unpack(present(this.example[kind]))), offset];
  }

  /** @type {<T>(name: string, make: () => T) => T} */
  once(name, make) {
    if (!this.cached.has(name)) this.cached.set(name, make());
    return /** @type {ReturnType<typeof make>} */ (this.cached.get(name));
  }
}

/** @type {(text: Text, level: Level) => Item[]} */
function itemsOf(text, level) {
  /** @type {Item[]} */
  const items = [];
  /** @type {Map<number, Item>} */
  const ofWord = new Map();
  text.tokens.forEach((token, place) => {
    const word = text.word_of[place] ?? -1;
    const begun = level === "words" && word >= 0 ? ofWord.get(word) : undefined;
    if (begun) {
      begun.tokens.push(place);
      begun.last = place;
      return;
    }
    const whole = level === "words" && word >= 0 ? text.words[word] : token;
    const item = {
      index: items.length,
      word,
      text: whole,
      label: cut(whole),
      tokens: [place],
      first: place,
      last: place,
    };
    if (word >= 0) ofWord.set(word, item);
    items.push(item);
  });
  return items;
}

/** @type {(items: Item[], nTokens: number) => Int32Array} */
function places(items, nTokens) {
  const place = new Int32Array(nTokens).fill(-1);
  for (const [index, item] of items.entries()) for (const token of item.tokens) place[token] = index;
  return place;
}

/** @type {(values: Float32Array) => number} */
function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
