// Elements without HTML in strings: text from data only ever becomes text.

const SVG = "http://www.w3.org/2000/svg";

/** An element: el("button", {type: "button", class: "quiet", onclick: f}, "Text", child). */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of an SVG picture. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Takes everything out of an element and puts something else in. */
export function refill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter(isThere));
  return parent;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter(isThere));
  return element;
}

function isThere(child) {
  return child !== null && child !== undefined && child !== false;
}
