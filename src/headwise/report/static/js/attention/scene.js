// What a picture shows right now: items on both sides, heads with their weights, the scale, the links.

const STEPS = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

/**
 * A scene of an example; `heads` are {head, name, colour}.
 * What is active in it is {query, key}, one of which may be null, or null.
 */
export class Scene {
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
    this.readLinks(data.example.links);
  }

  /** Whether sinks are left out. */
  get isCut() {
    return this.keys.length < this.allKeys.length;
  }

  /** How far up the scale a value stands, 0 to 1; 0 if it is masked. */
  share(head, query, key) {
    const value = head.values[query * this.keys.length + key];
    if (!head.range) return Math.min(1, value / this.top);
    const [low, high] = head.range;
    return high > low && value >= low ? Math.min(1, (value - low) / (high - low)) : 0;
  }

  value(head, query, key) {
    return head.values[query * this.keys.length + key];
  }

  /** How many keys, from the first on, a query can look at. */
  reach(query) {
    return this.reaches[query];
  }

  isMasked(query, key) {
    return this.isCausal && this.keys[key].first > this.queries[query].last;
  }

  /** The other side of an active word, strongest first: [{item, place, value}]. */
  ranked(head, active, count) {
    const out = active.query !== null;
    const others = out ? this.keys : this.queries;
    const found = [];
    others.forEach((item, place) => {
      const value = out ? this.value(head, active.query, place) : this.value(head, place, active.key);
      if (!(value > (head.range ? -Infinity : 0))) return;
      if (out ? this.isMasked(active.query, place) : this.isMasked(place, active.key)) return;
      found.push({ item, place, value });
    });
    return found.sort((one, other) => other.value - one.value).slice(0, count);
  }

  /** What an active word should look at, or be looked at by: Map of place to relation. */
  linked(active) {
    const links = active.query !== null ? this.linksOut.get(active.query) : this.linksIn.get(active.key);
    return links ?? new Map();
  }

  /** The item of some index as the one that looks or is looked at; null if it is hidden. */
  activeAt(index, looks) {
    if (looks) return { query: index, key: null };
    return this.keyAt.has(index) ? { query: null, key: this.keyAt.get(index) } : null;
  }

  markOf(query) {
    return this.marks.get(this.queries[query].word) ?? "";
  }

  /** The same words in this scene as an active mark had in another one. */
  follow(active, scene) {
    if (!active) return null;
    const query = active.query === null ? null : holder(this.queries, scene.queries[active.query]);
    const key = active.key === null ? null : holder(this.keys, scene.keys[active.key]);
    return query === null && key === null ? null : { query, key };
  }

  readLinks(links) {
    this.linksOut = new Map();
    this.linksIn = new Map();
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

// Both sides are in the order of the text, so that the reach only grows.
function reachesOf(queries, keys, isCausal) {
  let reach = 0;
  return queries.map(({ last }) => {
    if (!isCausal) return keys.length;
    while (reach < keys.length && keys[reach].first <= last) reach += 1;
    return reach;
  });
}

function holder(items, wanted) {
  const place = items.findIndex((item) => item.first <= wanted.first && wanted.first <= item.last);
  return place < 0 ? null : place;
}

function byWord(items) {
  const places = new Map();
  items.forEach(({ word }, place) => {
    if (word >= 0) places.set(word, [...(places.get(word) ?? []), place]);
  });
  return places;
}

function note(links, from, to, relation) {
  if (!links.has(from)) links.set(from, new Map());
  links.get(from).set(to, relation);
}
