// Draws on canvases. It knows nothing of games: it is handed numbers.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

// Returns the context and the size in CSS pixels, the canvas being cleared and as sharp as the screen.
function cleared(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  return [pen, width, height];
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.trim().slice(i, i + 2), 16));
const mixed = (from, to, t) => from.map((a, i) => a + (to[i] - a) * t);

// A picture of numbers: `paint` returns the colour of each. Pixels go from the top left.
function bitmap(values, columns, rows, paint) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(columns, rows);
  values.forEach((value, i) => image.data.set([...paint(value), 255], 4 * i));
  pen.putImageData(image, 0, 0);
  return canvas;
}

// Red for positive, blue for negative numbers, the page's colour for zero.
export function signed(values, columns, rows) {
  const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-12);
  const page = rgb(colour("panel"));
  const ends = [[47, 111, 208], [209, 54, 31]];
  return bitmap(values, columns, rows, (v) => mixed(page, ends[v > 0 ? 1 : 0], Math.abs(v) / most));
}

// How coordinates become pixels: [-view, view] fills the shorter side.
export function scaleOf(canvas, view) {
  const { width, height } = canvas.getBoundingClientRect();
  const scale = Math.min(width, height) / (2 * view);
  return { scale, x0: width / 2, y0: height / 2 };
}

export function plane(canvas, { start, frame, line, show }) {
  const [pen] = cleared(canvas);
  const { scale, x0, y0 } = scaleOf(canvas, start.view);
  const x = (v) => x0 + v * scale;
  const y = (v) => y0 - v * scale;
  const dots = (points, name, size) => {
    pen.fillStyle = colour(name);
    for (let i = 0; i < points.length; i += 2)
      pen.fillRect(x(points[i]) - size / 2, y(points[i + 1]) - size / 2, size, size);
  };
  if (show.heat && frame) {
    const n = Math.round(Math.sqrt(frame.heat.length));
    const [no, mid, yes] = ["fake", "panel", "data"].map((name) => rgb(colour(name)));
    const paint = (d) => mixed(mid, d > 0.5 ? yes : no, Math.min(1, Math.abs(d - 0.5) * 2) * 0.55);
    const picture = bitmap(frame.heat, n, n, paint);
    const cell = (2 * start.view) / (n - 1) / 2;
    pen.save();
    pen.translate(x0, y0);
    pen.scale(1, -1); // the rows of the heat map go up
    const side = (start.view + cell) * scale;
    pen.beginPath();
    pen.rect(-start.view * scale, -start.view * scale, 2 * start.view * scale, 2 * start.view * scale);
    pen.clip();
    pen.drawImage(picture, -side, -side, 2 * side, 2 * side);
    pen.restore();
  }
  if (show.warp && frame) warp(pen, frame.warp, x, y);
  dots(start.data, "data", 3);
  if (frame) {
    if (show.pushes) arrows(pen, frame, x, y, scale);
    dots(frame.fakes, "fake", 4);
  }
  if (line.length > 1) {
    pen.strokeStyle = colour("text");
    pen.lineWidth = 2;
    pen.beginPath();
    line.forEach(([a, b]) => pen.lineTo(x(a), y(b)));
    pen.stroke();
  }
}

function warp(pen, points, x, y) {
  const n = Math.round(Math.sqrt(points.length / 2));
  pen.strokeStyle = colour("fake");
  pen.globalAlpha = 0.6;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const [along, across] of [[1, n], [n, 1]])
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        const at = 2 * (i * across + j * along);
        pen[j ? "lineTo" : "moveTo"](x(points[at]), y(points[at + 1]));
      }
  pen.stroke();
  pen.globalAlpha = 1;
}

// The longest arrow is a fifth of the plane's half width; the others keep their proportion.
function arrows(pen, { fakes, pushes }, x, y, scale) {
  let most = 1e-12;
  for (let i = 0; i < pushes.length; i += 2) most = Math.max(most, Math.hypot(pushes[i], pushes[i + 1]));
  const length = 0.3 / most;
  pen.strokeStyle = colour("text");
  pen.globalAlpha = 0.7;
  pen.lineWidth = 1.2;
  pen.beginPath();
  for (let i = 0; i < pushes.length; i += 2) {
    const [a, b] = [x(fakes[i]), y(fakes[i + 1])];
    const [u, v] = [pushes[i] * length * scale, -pushes[i + 1] * length * scale];
    pen.moveTo(a, b);
    pen.lineTo(a + u, b + v);
    const size = Math.min(5, Math.hypot(u, v) / 2);
    const angle = Math.atan2(v, u);
    for (const turn of [2.6, -2.6]) {
      pen.moveTo(a + u, b + v);
      pen.lineTo(a + u + size * Math.cos(angle + turn), b + v + size * Math.sin(angle + turn));
    }
  }
  pen.stroke();
  pen.globalAlpha = 1;
}

// Three sheets of digits: data, fakes, and how G's loss would have each pixel of a fake changed.
export function sheets(canvas, { start, frame }) {
  const [pen, width] = cleared(canvas);
  const [gap, label] = [14, 20];
  const side = (width - gap) / 2 - label;
  const parts = [["data", start.data], ["fakes", frame.fakes], ["gradients at the fakes", frame.pushes]];
  parts.forEach(([title, images], i) => {
    const left = i === 1 ? width / 2 + gap / 2 : 0;
    const top = label + (i === 2 ? side + label + gap : 0);
    pen.fillStyle = colour("text");
    pen.font = "13px system-ui, sans-serif";
    pen.fillText(title, left, top - 6);
    const picture = i === 2 ? signed(tiled(images), 54, 54) : bitmap(tiled(images), 54, 54, grey);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, left, top, side, side);
  });
}

const grey = (v) => Array(3).fill(255 - 255 * Math.min(1, Math.max(0, v)));

// 36 images of 8x8 pixels in 6 rows, with a line of zeros between them.
function tiled(images) {
  const sheet = new Float32Array(54 * 54);
  for (let i = 0; i < images.length; i++) {
    const [image, pixel] = [i >> 6, i & 63];
    const row = 9 * Math.floor(image / 6) + (pixel >> 3);
    sheet[54 * row + 9 * (image % 6) + (pixel & 7)] = images[i];
  }
  return sheet;
}

// Curves over the steps: `curves` is a list of [name, colour, numbers, chance or null].
export function curves(canvas, list, last, range) {
  const [pen, width, height] = cleared(canvas);
  const [left, right, top, bottom] = [34, 6, 8, 18];
  const finite = list.flatMap(([, , values, chance]) => [...values, ...(chance === null ? [] : [chance])]);
  let [low, high] = range ?? [Math.min(...finite, 0), Math.max(...finite, 0.1)];
  if (!range) high += 0.05 * (high - low);
  const y = (v) => top + ((high - Math.min(high, Math.max(low, v))) / (high - low)) * (height - top - bottom);
  const x = (t) => left + t * (width - left - right);
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = pen.strokeStyle = colour("soft");
  pen.textAlign = "right";
  for (const v of [low, (low + high) / 2, high]) pen.fillText(v.toPrecision(2), left - 4, y(v) + 4);
  pen.fillText(`step ${last}`, width - right, height - 4);
  pen.strokeRect(left, top, width - left - right, height - top - bottom);
  for (const [name, shade, values, chance] of list) {
    pen.strokeStyle = pen.fillStyle = colour(shade);
    if (chance !== null) {
      pen.setLineDash([4, 4]);
      pen.beginPath();
      pen.moveTo(left, y(chance));
      pen.lineTo(width - right, y(chance));
      pen.stroke();
      pen.setLineDash([]);
    }
    pen.lineWidth = 1.5;
    pen.beginPath();
    values.forEach((v, i) => pen.lineTo(x(i / Math.max(1, values.length - 1)), y(v)));
    pen.stroke();
    pen.lineWidth = 1;
  }
  pen.textAlign = "left";
  let at = left + 6;
  for (const [name, shade] of list) {
    pen.fillStyle = colour(shade);
    pen.fillText(name, at, height - 4);
    at += pen.measureText(name).width + 12;
  }
}
