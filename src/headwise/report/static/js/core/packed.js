// Arrays that travel as base64, see results/packed.py.

/**
 * @import { Packed } from "../page.d.ts"
 * @typedef {Float32Array | Float64Array | Int32Array | Uint16Array | Uint8Array} Numbers
 */

/** @type {Record<Packed["dtype"], new (buffer: ArrayBuffer) => Numbers>} */
const TYPES = {
  f4: Float32Array,
  f8: Float64Array,
  i4: Int32Array,
  u2: Uint16Array,
  u1: Uint8Array,
};

/**
 * The numbers of a packed array, last axis fastest. Browsers run on little-endian machines.
 * @type {(packed: Packed) => Numbers}
 */
export function unpack(packed) {
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(packed.data) : fromText(packed.data);
  const numbers = new TYPES[packed.dtype](bytes.buffer);
  const wanted = packed.shape.reduce((product, length) => product * length, 1);
  if (numbers.length !== wanted) throw new Error(`${numbers.length} numbers, expected ${wanted}`);
  return numbers;
}

// For browsers without the quick way.
/** @type {(data: string) => Uint8Array<ArrayBuffer>} */
function fromText(data) {
  const raw = atob(data);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}
