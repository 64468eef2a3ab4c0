// Chosen heads that a sentence does not hold, and the way to one that does.

import { el } from "../core/dom.js";
import { headName } from "../core/selection.js";

/**
 * @import { Attention } from "../page.d.ts"
 * @import { Child } from "../core/dom.js"
 */

/**
 * Quiet lines about chosen heads that are not in the picture; `goTo(example)` shows another sentence.
 * @type {(attention: Attention, chosen: number[], example: number, nShown: number, goTo: (example: number) => void) => HTMLElement[]}
 */
export function missingNotes(attention, chosen, example, nShown, goTo) {
  const { heads } = attention.examples[example];
  const missing = chosen.filter((head) => !heads.includes(head));
  const notes = missing.map((head) => {
    const name = headName(head, attention.n_heads);
    const there = holder(attention, head);
    if (there === null) return note(`No attention of ${name} is held in this report.`);
    const click = () => goTo(there);
    return note(
      `The attention of ${name} is not held for this sentence. `,
      el(
        "button",
        { type: "button", class: "attn-button", onclick: click },
        `Show a sentence with ${name}`,
      ),
    );
  });
  const left = chosen.length - missing.length - nShown;
  if (left > 0 && nShown > 1)
    notes.push(note(`Only the ${nShown} heads chosen last are shown here; dots show all.`));
  if (missing.length && missing.length === chosen.length) {
    notes.push(note("The picture shows the first head that is held."));
  }
  return notes;
}

// Where the head is clearest, else any sentence that holds it.
/** @type {(attention: Attention, head: number) => number | null} */
function holder(attention, head) {
  /** @type {(index: number) => boolean} */
  const holds = (index) => attention.examples[index]?.heads.includes(head);
  const told = attention.telling.filter((one) => one.head === head && holds(one.example));
  const best = told.find(({ why }) => why === "clearest") ?? told[0];
  if (best) return best.example;
  const found = attention.examples.findIndex((_, index) => holds(index));
  return found < 0 ? null : found;
}

/** @type {(...parts: Child[]) => HTMLElement} */
function note(...parts) {
  return el("p", { class: "attn-quiet" }, ...parts);
}
