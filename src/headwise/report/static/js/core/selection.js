// Which heads a reader looks at: one store, so that every picture shows the same.

/**
 * Heads are numbers, counting from layer 0 on. `heads` are chosen, the last one is on the card;
 * `hovered` is under the pointer or the keyboard's mark, or null. While `adding`, heads are taken in beside each other.
 */
export class Selection {
  constructor() {
    /** @type {number[]} */
    this.heads = [];
    /** @type {number | null} */
    this.hovered = null;
    this.adding = false;
    /** @type {((selection: Selection) => void)[]} */
    this.listeners = [];
  }

  /** The head on the card, or null. */
  get current() {
    return this.heads.length ? this.heads[this.heads.length - 1] : null;
  }

  /**
   * Calls `listener(selection)` after every change.
   * @type {(listener: (selection: Selection) => void) => void}
   */
  listen(listener) {
    this.listeners.push(listener);
  }

  /** @type {(head: number | null) => void} */
  choose(head) {
    this.heads = head === null ? [] : [head];
    this.tell();
  }

  /**
   * What a click does: another head, or one beside the others.
   * @type {(head: number, beside: boolean) => void}
   */
  pick(head, beside) {
    if (beside || this.adding) this.toggle(head);
    else this.choose(head);
  }

  /**
   * Takes a head in beside the others, or out again.
   * @type {(head: number) => void}
   */
  toggle(head) {
    this.heads = this.heads.includes(head)
      ? this.heads.filter((other) => other !== head)
      : [...this.heads, head];
    this.tell();
  }

  /** @type {(head: number | null) => void} */
  hover(head) {
    if (head === this.hovered) return;
    this.hovered = head;
    this.tell();
  }

  tell() {
    for (const listener of this.listeners) listener(this);
  }
}

/**
 * How a head is written, and where it stands: L2H8.
 * @type {(head: number, nHeads: number) => string}
 */
export function headName(head, nHeads) {
  return `L${Math.floor(head / nHeads)}H${head % nHeads}`;
}

/**
 * The number of a head that is written L2H8; null if there is no such head.
 * @type {(name: string, nLayers: number, nHeads: number) => number | null}
 */
export function headOf(name, nLayers, nHeads) {
  const found = /^L(\d+)H(\d+)$/.exec(name);
  if (!found) return null;
  const [layer, head] = [Number(found[1]), Number(found[2])];
  return layer < nLayers && head < nHeads ? layer * nHeads + head : null;
}
