// Saving: tables as CSV, pictures as SVG and PNG. Nothing leaves the machine.

import { el } from "./dom.js";

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

/** Lets the browser save a file. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = el("a", { href: address, download: fileName(name) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** Buttons that save a picture; `picture` is an SVG element or a function that gives {svg, width, height}. */
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

/** Saves rows as a file for spreadsheets; the first row holds names. */
export function saveCsv(rows, name) {
  const text = rows.map((row) => row.map(quoted).join(",")).join("\r\n");
  save(new Blob([`${text}\r\n`], { type: "text/csv;charset=utf-8" }), `${name}.csv`);
}

function quoted(value) {
  const text = value === null || Number.isNaN(value) ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function saveSvg({ svg }, name) {
  save(new Blob([svg], { type: "image/svg+xml" }), `${name}.svg`);
}

async function savePng({ svg, width, height }, name) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = el("canvas", { width: Math.ceil(SCALE * width), height: Math.ceil(SCALE * height) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  canvas.toBlob((blob) => save(blob, `${name}.png`));
}

/** A picture of the page with its colours written into it, on the page's paper. */
export function standalone(picture) {
  const copy = picture.cloneNode(true);
  const [originals, copies] = [picture, copy].map((root) => [root, ...root.querySelectorAll("*")]);
  originals.forEach((original, i) => {
    const styles = getComputedStyle(original);
    const own = STYLED.map((name) => `${name}:${plainColour(styles.getPropertyValue(name))}`).join(";");
    copies[i].setAttribute("style", own);
    copies[i].removeAttribute("class");
  });
  const { width, height } = picture.viewBox.baseVal;
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  paper.setAttribute("width", "100%");
  paper.setAttribute("height", "100%");
  paper.setAttribute("fill", getComputedStyle(document.documentElement).backgroundColor);
  copy.prepend(paper);
  return { svg: new XMLSerializer().serializeToString(copy), width, height };
}

const colours = new Map();

// Programs that draw know rgb() and not what a style sheet may have mixed.
function plainColour(value) {
  if (!/^(color|oklab|oklch|lab|lch)/.test(value)) return value;
  if (!colours.has(value)) {
    const pixel = el("canvas", { width: 1, height: 1 }).getContext("2d");
    pixel.fillStyle = value;
    pixel.fillRect(0, 0, 1, 1);
    colours.set(value, `rgb(${[...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3).join(", ")})`);
  }
  return colours.get(value);
}

function fileName(name) {
  const [, stem, ending] = /^(.*?)(\.[a-z]+)$/s.exec(name);
  return `${stem.replace(/[^\w.-]+/g, "-").slice(0, 80)}${ending}`;
}

function short(name) {
  return name.length > 80 ? `${name.slice(0, 79)}\u2026` : name;
}
