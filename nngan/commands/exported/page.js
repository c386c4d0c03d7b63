"use strict";
/* The page around the generator: sliders, a walk, classes, a sheet, the losses. */

const page = JSON.parse(document.getElementById("data").textContent);
const G = generator(page);
const $ = (id) => document.getElementById(id);
// A column for each class, if they are few.
const COLUMNS = page.classes > 1 && page.classes <= 16 ? page.classes : 8;
const ROWS = Math.round(64 / COLUMNS);
const SLIDERS = Math.min(page.latent_dim - page.categories, 12);
let seed = 1, label = 0, walking = null;
let z = draw();

function uniform() {
  // mulberry32: the same sequence for a seed everywhere
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

function normal() {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

function draw() {
  const out = new Float32Array(page.latent_dim), k = page.categories;
  for (let i = 0; i < out.length; i++) out[i] = page.prior === "normal" ? normal() : 2 * uniform() - 1;
  if (k) setCategory(out, Math.floor(uniform() * k));
  return out;
}

function setCategory(out, chosen) {
  const k = page.categories;
  for (let i = 0; i < k; i++) out[i] = ((i === chosen ? k : 0) - 1) / Math.sqrt(k - 1);
}

function image(latent, c) {
  const row = new Float32Array(page.latent_dim + page.classes);
  row.set(latent);
  if (page.classes) row[page.latent_dim + c] = 1;
  return G(row);
}

function paint(context, pixels, left, top) {
  const [height, width, colours] = page.shape;
  const picture = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      const v = pixels[colours ? 3 * i + c : i];
      picture.data[4 * i + c] = Math.round(255 * Math.min(1, Math.max(0, v)));
    }
    picture.data[4 * i + 3] = 255;
  }
  context.putImageData(picture, left, top);
}

function show() {
  paint($("one").getContext("2d"), image(z, label), 0, 0);
  for (let i = 0; i < SLIDERS; i++) {
    const value = z[page.categories + i];
    $("z" + i).value = value;
    $("z" + i).nextElementSibling.textContent = value.toFixed(2);
  }
}

function sheet() {
  const [height, width] = page.shape, context = $("sheet").getContext("2d");
  context.fillStyle = "#4d4d4d";
  context.fillRect(0, 0, $("sheet").width, $("sheet").height);
  for (let i = 0; i < ROWS * COLUMNS; i++) {
    const pixels = image(draw(), page.classes ? i % page.classes : 0);
    paint(context, pixels, (i % COLUMNS) * (width + 1), Math.floor(i / COLUMNS) * (height + 1));
  }
}

/* Between a and b on the sphere of the normal prior, or on a line in the cube of the uniform one. */
function between(a, b, t) {
  const k = page.categories, out = Float32Array.from(a);
  let ab = 0, aa = 0, bb = 0;
  for (let i = k; i < a.length; i++) { ab += a[i] * b[i]; aa += a[i] ** 2; bb += b[i] ** 2; }
  const angle = Math.acos(Math.min(1, Math.max(-1, ab / Math.sqrt(aa * bb || 1))));
  const spherical = page.prior === "normal" && a.length - k > 1 && angle > 1e-3;
  const p = spherical ? Math.sin((1 - t) * angle) / Math.sin(angle) : 1 - t;
  const q = spherical ? Math.sin(t * angle) / Math.sin(angle) : t;
  for (let i = k; i < a.length; i++) out[i] = p * a[i] + q * b[i];
  return out;
}

function walk() {
  if (walking) { clearInterval(walking); walking = null; $("walk").textContent = "Walk"; return; }
  let from = z, to = draw(), t = 0;
  $("walk").textContent = "Stop";
  walking = setInterval(() => {
    t += 0.04;
    if (t >= 1) { from = to; to = draw(); t = 0; }
    const at = between(from, to, t);
    if (page.categories) at.set((t < 0.5 ? from : to).subarray(0, page.categories));
    z = at;
    show();
  }, 50);
}

function losses() {
  const { d_loss, g_loss, epochs } = page.history, svg = $("losses");
  if (!d_loss.length) { $("curves").hidden = true; return; }
  const values = [...d_loss, ...g_loss, ...Object.values(page.chance)].filter(Number.isFinite);
  const least = Math.min(0, ...values), most = Math.max(...values);
  const first = epochs[0], last = Math.max(epochs[epochs.length - 1], first + 1);
  const x = (e) => 40 + (550 * (e - first)) / (last - first);
  const y = (v) => 190 - (170 * (v - least)) / (most - least || 1);
  const parts = [];
  const line = (x1, y1, x2, y2, name) =>
    parts.push(`<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" class="${name}"/>`);
  const text = (at, up, words, how) =>
    parts.push(`<text x="${at}" y="${up}" text-anchor="${how}">${words}</text>`);
  for (let i = 0; i <= 4; i++) {
    const v = least + ((most - least) * i) / 4;
    line(40, y(v), 590, y(v), "grid");
    text(34, y(v) + 4, v.toFixed(2), "end");
  }
  text(40, 208, first, "middle");
  text(590, 208, last, "middle");
  text(315, 208, "epoch", "middle");
  for (const [name, v] of Object.entries(page.chance)) line(40, y(v), 590, y(v), name + " chance");
  for (const [name, list] of [["d", d_loss], ["g", g_loss]]) {
    const points = list.map((v, i) => `${x(epochs[i]).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
    parts.push(`<polyline points="${points}" class="${name}"/>`);
  }
  svg.innerHTML = parts.join("");
}

function start() {
  const [height, width] = page.shape;
  Object.assign($("one"), { width, height });
  Object.assign($("sheet"), { width: COLUMNS * (width + 1) - 1, height: ROWS * (height + 1) - 1 });
  const limit = page.prior === "normal" ? 3 : 1;
  for (let i = 0; i < SLIDERS; i++) {
    const row = document.createElement("label");
    row.innerHTML = `<span>z<sub>${page.categories + i + 1}</sub></span>
      <input type="range" id="z${i}" min="${-limit}" max="${limit}" step="0.01"><output></output>`;
    $("sliders").append(row);
    $("z" + i).addEventListener("input", (event) => {
      z[page.categories + i] = Number(event.target.value);
      show();
    });
  }
  const buttons = (home, n, word, press, names = []) => {
    $(home).hidden = n === 0;
    for (let c = 0; c < n; c++) {
      const button = document.createElement("button");
      button.textContent = names[c] ?? c;
      button.setAttribute("aria-label", `${word} ${names[c] ?? c}`);
      button.addEventListener("click", () => { press(c); show(); });
      $(home).append(button);
    }
  };
  buttons("classes", page.classes, "class", (c) => (label = c), page.class_names);
  buttons("categories", page.categories, "category", (c) => setCategory(z, c));
  $("new").addEventListener("click", () => { z = draw(); show(); });
  $("walk").addEventListener("click", walk);
  $("more").addEventListener("click", sheet);
  const difference = largestDifference(page, G), good = difference < 1e-3;
  $("verdict").textContent = good
    ? `This page draws what nngan draws: ${page.check.n} images differ by at most ${difference.toExponential(0)} (0 is black, 1 is white).`
    : `This page does NOT draw what nngan draws: its images differ by up to ${difference.toPrecision(2)}.`;
  document.body.dataset.difference = difference;
  show();
  sheet();
  losses();
}

start();
