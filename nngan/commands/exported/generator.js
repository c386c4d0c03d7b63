"use strict";
/* The generator: G(z) as nngan computes it at inference, one sample at a time.

   `page.layers` is a list of objects {type, ...}; arrays are base64, little-endian:
   matrices as float16, all others as float32. */

function bytes(text) {
  const binary = atob(text), out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}

function floats32(text) {
  const view = new DataView(bytes(text).buffer), out = new Float32Array(view.byteLength / 4);
  for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
  return out;
}

function floats16(text) {
  // sign, five bits of exponent, ten of fraction
  const view = new DataView(bytes(text).buffer), out = new Float32Array(view.byteLength / 2);
  for (let i = 0; i < out.length; i++) {
    const h = view.getUint16(2 * i, true), e = (h >> 10) & 31, f = h & 1023;
    const size = e === 0 ? f * 2 ** -24 : e === 31 ? (f ? NaN : Infinity) : (1 + f / 1024) * 2 ** (e - 15);
    out[i] = h & 32768 ? -size : size;
  }
  return out;
}

const PASSES = {
  linear(layer, x) {
    // y_j = b_j + sum_i x_i W_ij, row by row of W, which lies in memory so
    const { W, b } = layer, y = Float32Array.from(b), n = b.length;
    for (let i = 0; i < x.length; i++) {
      const xi = x[i];
      if (xi === 0) continue;
      for (let j = 0, at = i * n; j < n; j++, at++) y[j] += xi * W[at];
    }
    return y;
  },
  affine: (layer, x) => x.map((v, i) => v * layer.scale[i] + layer.shift[i]),
  relu: (layer, x) => x.map((v) => Math.max(v, 0)),
  leaky_relu: (layer, x) => x.map((v) => (v > 0 ? v : layer.slope * v)),
  sigmoid: (layer, x) => x.map((v) => 1 / (1 + Math.exp(-v))),
  tanh: (layer, x) => x.map(Math.tanh),
  maxout(layer, x) {
    const y = x.slice(0, layer.n_out);
    for (let k = layer.n_out; k < x.length; k++) y[k % layer.n_out] = Math.max(y[k % layer.n_out], x[k]);
    return y;
  },
};

function generator(page) {
  const layers = page.layers.map((layer) => {
    const read = { ...layer };
    if (layer.W) read.W = floats16(layer.W);
    for (const name of ["b", "scale", "shift"]) if (layer[name]) read[name] = floats32(layer[name]);
    return read;
  });
  const [low, high] = page.range;
  // z with the label's columns behind it, to an image in [0, 1]
  return (row) => {
    let x = row;
    for (const layer of layers) x = PASSES[layer.type](layer, x);
    return x.map((v) => (v - low) / (high - low));
  };
}

/* Return the largest difference between this page's images and those that nngan made of the same z. */
function largestDifference(page, G) {
  const z = floats32(page.check.z), x = floats32(page.check.x), n = page.check.n;
  const width = z.length / n, size = x.length / n;
  let largest = 0;
  for (let i = 0; i < n; i++) {
    const image = G(z.subarray(i * width, (i + 1) * width));
    for (let j = 0; j < size; j++) largest = Math.max(largest, Math.abs(image[j] - x[i * size + j]));
  }
  return largest;
}
