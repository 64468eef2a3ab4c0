// Which pairs of words are worth a line when there are too many for all.

/**
 * @import { Scene, SceneHead } from "./scene.js"
 * @typedef {{query: number, key: number, value: number}} Line
 */

const MANY = 500;

/** Weights below this one get no line at all. */
export const LEAST = 0.004;

/**
 * Pairs {query, key, value} of a head from a threshold on.
 * @type {(scene: Scene, head: SceneHead, threshold: number) => Line[]}
 */
export function strong(scene, head, threshold) {
  /** @type {Line[]} */
  const lines = [];
  const count = scene.keys.length;
  head.values.forEach((value, place) => {
    if (value >= threshold) lines.push({ query: Math.floor(place / count), key: place % count, value });
  });
  return lines;
}

/**
 * From which weight on lines are drawn, so that a head has at most MANY, as far as weights differ.
 * @type {(scene: Scene) => number}
 */
export function thresholdOf(scene) {
  let threshold = LEAST;
  for (const { values } of scene.heads) {
    if (values.length <= MANY) continue;
    const counts = new Uint32Array(257);
    for (const value of values) counts[Math.ceil(256 * Math.sqrt(Math.min(1, value)))] += 1;
    let level = 256;
    for (let total = counts[256]; level > 1 && total + counts[level - 1] <= MANY; level--)
      total += counts[level - 1];
    threshold = Math.max(threshold, ((level - 1) / 256) ** 2);
  }
  return threshold;
}
