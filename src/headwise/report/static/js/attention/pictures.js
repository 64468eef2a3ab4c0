// The pictures of attention by name, and what each of them can do.

import { DotsPicture } from "./dots.js";
import { LinesPicture } from "./lines.js";
import { TextPicture } from "./text.js";

/**
 * @import { Colours } from "./colours.js"
 * @import { Entry } from "./legend.js"
 * @import { Active, Choice, Scene } from "./scene.js"
 * @import { Direction } from "./text.js"
 *
 * @typedef {Choice & {view: "dots" | "lines" | "text", direction: Direction, zoom: number}} State
 *
 * @typedef {object} Picture What every picture can do.
 * @property {(scene: Scene, colours: Colours, state: State) => void} draw Comes before everything else.
 * @property {(active: Active | null) => void} mark
 * @property {(event: MouseEvent) => Active | null} hit What is under the pointer.
 * @property {(event: MouseEvent) => number | null} headUnder The head whose part of the picture is under it.
 * @property {(key: string, active: Active | null) => Active | null} move What a key makes active.
 * @property {(active: Active | null) => void} reveal Scrolls to it.
 * @property {(head: number | null) => void} emphasise
 * @property {() => Entry[]} legend
 * @property {(group: SVGElement) => {width: number, height: number}} save
 */

/** @type {Record<State["view"], new (host: HTMLElement) => Picture>} */
export const PICTURES = { dots: DotsPicture, lines: LinesPicture, text: TextPicture };
