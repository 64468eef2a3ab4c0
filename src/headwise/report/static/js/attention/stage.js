// Where a picture stands: the one element that pointer and keyboard work on.

import { el } from "../core/dom.js";

/**
 * @typedef {object} Doings What a reader does.
 * @property {(event: PointerEvent) => void} over
 * @property {() => void} leave
 * @property {(event: MouseEvent) => void} tap
 * @property {(key: string) => void} move
 * @property {() => boolean} clear Says whether there was something to clear.
 */

const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

/**
 * An empty stage; it scrolls and takes the focus.
 * @type {() => HTMLElement}
 */
export function stageOf() {
  const role = { role: "application", "aria-roledescription": "picture of attention" };
  return el("div", { class: "attn-stage", tabindex: 0, ...role });
}

/**
 * Calls what a reader does by name: over(event), leave(), tap(event), move(key),
 * and clear(), which says whether there was something to clear.
 * @type {(stage: HTMLElement, doings: Doings) => void}
 */
export function followPointer(stage, { over, leave, tap, move, clear }) {
  // A finger that moves scrolls the page; it tells its word by a tap.
  stage.addEventListener("pointermove", (event) => event.pointerType !== "touch" && over(event));
  stage.addEventListener("pointerleave", leave);
  stage.addEventListener("click", tap);
  stage.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (KEYS.includes(event.key)) move(event.key);
    else if (event.key !== "Escape" || !clear()) return;
    event.preventDefault();
    event.stopPropagation();
  });
}
