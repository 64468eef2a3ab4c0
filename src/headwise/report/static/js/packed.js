// Arrays that travel as base64, see results/packed.py.

const TYPES = {
  f4: Float32Array,
  f8: Float64Array,
  i4: Int32Array,
  u2: Uint16Array,
  u1: Uint8Array,
};

/** The numbers of a packed array, last axis fastest. Browsers run on little-endian machines. */
export function unpack(packed) {
  const raw = atob(packed.data);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new TYPES[packed.dtype](bytes.buffer);
}
