// The numbers behind the pictures: decoded when first asked for, summed from tokens to words.

import { unpack } from "../core/packed.js";
import { cut } from "./labels.js";

const SHARES = Float32Array.from({ length: 256 }, (_, byte) => (byte / 255) ** 2);
const KEPT = 4;

/** Examples with their decoded numbers; only those looked at last stay in memory. */
export class Examples {
  constructor(attention) {
    this.examples = attention.examples;
    this.open = new Map();
  }

  at(index) {
    const data = this.open.get(index) ?? new ExampleData(this.examples[index]);
    this.open.delete(index);
    this.open.set(index, data);
    if (this.open.size > KEPT) this.open.delete(this.open.keys().next().value);
    return data;
  }
}

/** One example. An item is what a picture has a row for: a word, a special token, or any token. */
export class ExampleData {
  constructor(example) {
    this.example = example;
    this.cached = new Map();
  }

  /** The items that look, or that are looked at: level "words" or "tokens". */
  items(side, level) {
    const text = side === "keys" ? (this.example.keys ?? this.example.queries) : this.example.queries;
    return this.once(`items ${side} ${level}`, () => itemsOf(text, level));
  }

  /** The items that are looked at, without those that hold a sink if sinks are hidden. */
  keys(level, sinks) {
    return this.once(`keys ${level} ${sinks}`, () => {
      const held = new Set(sinks ? [] : this.example.sinks);
      return this.items("keys", level).filter((item) => !item.tokens.some((token) => held.has(token)));
    });
  }

  /** {values, most}: `[query item][key item]` flat, and the largest. NaN where all is masked (scores). */
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

  /** How much of the attention of a head goes to hidden items, as a mean over the items that look. */
  hidden(head, level, kind) {
    return this.once(`hidden ${head} ${level} ${kind}`, () => {
      const [all, left] = [true, false].map((sinks) => sum(this.weights(head, level, kind, sinks).values));
      return (all - left) / Math.max(1, this.items("queries", level).length);
    });
  }

  /** Smallest and largest score of a head, over tokens. */
  range(head) {
    return this.example.score_ranges[this.example.heads.indexOf(head)];
  }

  // To a word: the sum over its tokens. From a word: the mean over its tokens.
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

  bytes(kind, head) {
    const offset = this.example.heads.indexOf(head) * this.nQueries * this.nKeys;
    return [this.once(`bytes ${kind}`, () => unpack(this.example[kind])), offset];
  }

  once(name, make) {
    if (!this.cached.has(name)) this.cached.set(name, make());
    return this.cached.get(name);
  }
}

function itemsOf(text, level) {
  const items = [];
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

function places(items, nTokens) {
  const place = new Int32Array(nTokens).fill(-1);
  items.forEach((item, index) =>
    item.tokens.forEach((token) => {
      place[token] = index;
    }),
  );
  return place;
}

function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
