// Elements without HTML in strings: text from data only ever becomes text.

/**
 * @typedef {(event: Event) => void} Handler
 * @typedef {Record<string, string | number | boolean | null | undefined | Handler>} Attributes
 * @typedef {Node | string | false | null | undefined} Child
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element: el("button", {type: "button", class: "quiet", onclick: f}, "Text", child).
 * @type {<Tag extends keyof HTMLElementTagNameMap>(tag: Tag, attributes?: Attributes, ...children: (Child | Child[])[]) => HTMLElementTagNameMap[Tag]}
 */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/**
 * An element of an SVG picture.
 * @type {<Tag extends keyof SVGElementTagNameMap>(tag: Tag, attributes?: Attributes, ...children: (Child | Child[])[]) => SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * Takes everything out of an element and puts something else in.
 * @type {(parent: Element, ...children: (Child | Child[])[]) => Element}
 */
export function refill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter(isThere));
  return parent;
}

/** @type {<T extends Element>(element: T, attributes: Attributes, children: (Child | Child[])[]) => T} */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter(isThere));
  return element;
}

/** @type {(child: Child) => child is Node | string} */
function isThere(child) {
  return child !== null && child !== undefined && child !== false;
}

/**
 * The element that an event happened in, of those that a selector names.
 * @type {(event: Event, selector: string) => HTMLElement | null}
 */
export function around({ target }, selector) {
  return target instanceof Element ? target.closest(selector) : null;
}

/**
 * A value that has to be there.
 * @type {<T>(value: T | null | undefined) => T}
 */
export function present(value) {
  if (value === null || value === undefined) throw new Error("the page lacks a part of itself");
  return value;
}
