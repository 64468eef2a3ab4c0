// Saving: tables as CSV, pictures as SVG and PNG. Nothing leaves the machine.

import { el, present } from "./dom.js";

/** @typedef {{svg: string, width: number, height: number}} Saved */

const STYLED = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "font-size",
  "font-weight",
  "font-family",
  "opacity",
  "fill-opacity",
  "visibility",
];
const SCALE = 2; // pixels of a PNG per unit of the picture

/**
 * Lets the browser save a file.
 * @type {(blob: Blob, name: string) => void}
 */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = el("a", { href: address, download: fileName(name) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/**
 * Buttons that save a picture; `picture` is an SVG element or a function that gives {svg, width, height}.
 * @type {(picture: SVGSVGElement | (() => Saved), name: string) => HTMLElement}
 */
export function saveButtons(picture, name) {
  const get = typeof picture === "function" ? picture : () => standalone(picture);
  return el(
    "p",
    { class: "save" },
    el(
      "button",
      { type: "button", "aria-label": `Save as SVG: ${short(name)}`, onclick: () => saveSvg(get(), name) },
      "SVG",
    ),
    el(
      "button",
      { type: "button", "aria-label": `Save as PNG: ${short(name)}`, onclick: () => savePng(get(), name) },
      "PNG",
    ),
  );
}

/**
 * Saves rows as a file for spreadsheets; the first row holds names.
 * @type {(rows: (string | number | null)[][], name: string) => void}
 */
export function saveCsv(rows, name) {
  const text = rows.map((row) => row.map(quoted).join(",")).join("\r\n");
  save(new Blob([`${text}\r\n`], { type: "text/csv;charset=utf-8" }), `${name}.csv`);
}

/** @type {(value: string | number | null) => string} */
function quoted(value) {
  const text = value === null || Number.isNaN(value) ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @type {(saved: Saved, name: string) => void} */
function saveSvg({ svg }, name) {
  save(new Blob([svg], { type: "image/svg+xml" }), `${name}.svg`);
}

/** @type {(saved: Saved, name: string) => Promise<void>} */
async function savePng({ svg, width, height }, name) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = el("canvas", { width: Math.ceil(SCALE * width), height: Math.ceil(SCALE * height) });
  present(canvas.getContext("2d")).drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  canvas.toBlob((blob) => save(present(blob), `${name}.png`));
}

/**
 * A picture of the page with its colours written into it, on the page's paper.
 * @type {(picture: SVGSVGElement) => Saved}
 */
function standalone(picture) {
  const copy = /** @type {SVGSVGElement} */ (picture.cloneNode(true));
  const copies = [copy, ...copy.querySelectorAll("*")];
  [picture, ...picture.querySelectorAll("*")].forEach((original, i) => {
    const styles = getComputedStyle(original);
    const own = STYLED.map((name) => `${name}:${plainColour(styles.getPropertyValue(name))}`).join(";");
    copies[i].setAttribute("style", own);
    copies[i].removeAttribute("class");
  });
  const { width, height } = picture.viewBox.baseVal;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  paper.setAttribute("width", "100%");
  paper.setAttribute("height", "100%");
  paper.setAttribute("fill", getComputedStyle(document.documentElement).backgroundColor);
  copy.prepend(paper);
  return { svg: new XMLSerializer().serializeToString(copy), width, height };
}

/** @type {Map<string, string>} */
const colours = new Map();

// Programs that draw know rgb() and not what a style sheet may have mixed.
/** @type {(value: string) => string} */
function plainColour(value) {
  if (!/^(color|oklab|oklch|lab|lch)/.test(value)) return value;
  const known = colours.get(value);
  if (known) return known;
  const pixel = present(el("canvas", { width: 1, height: 1 }).getContext("2d"));
  pixel.fillStyle = value;
  pixel.fillRect(0, 0, 1, 1);
  const plain = `rgb(${[...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3).join(", ")})`;
  colours.set(value, plain);
  return plain;
}

/** @type {(name: string) => string} */
function fileName(name) {
  const dot = name.lastIndexOf(".");
  return `${name
    .slice(0, dot)
    .replace(/[^\w.-]+/g, "-")
    .slice(0, 80)}${name.slice(dot)}`;
}

/** @type {(name: string) => string} */
function short(name) {
  return name.length > 80 ? `${name.slice(0, 79)}\u2026` : name;
}
