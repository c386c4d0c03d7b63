// The page: controls, messages to and from the worker, pictures. All numbers come from Python.
import * as draw from "./draw.js";

const $ = (id) => document.getElementById(id);
const DEFAULTS = {
  data: "ring", seed: 0, depth: 2, width: 64, activation: "leaky_relu", loss: "non_saturating",
  d_lr: 0.001, g_lr: 0.001, k: 1, r1: 0.1, label_smoothing: 0, mistake: "",
};
const CURVE = Array.from({ length: 30 }, (_, i) => [-1.1 + (2.2 * i) / 29, 0.7 * Math.sin((4.5 * i) / 29 - 2.2)]);
const PATIENCE = 20000; // milliseconds without a word from Python, after which it is taken to hang
const TALE = 4000; // steps of the curves that are kept whole; longer ones are thinned

const form = $("options");
let worker, alarm; // the alarm rings if Python hangs: in a layer of the reader's, say
let notice = ""; // what is said once the game has begun
let pending = 0; // requests that Python has not answered
let lines = []; // of the slow motion
let texts = {};
let curve = CURVE;
let source = ""; // of the layer that the game uses
let brought = ""; // that of a link
let start, frame, until = 0;
let playing = false, ready = false, drawing = false;
let rows = [], every = 1, seen = 0; // the losses, each row (D, G, D(x), D(G(z)))

// -- options and the address ------------------------------------------------------------------------

function options() {
  const chosen = { ...DEFAULTS };
  for (const [name, value] of new FormData(form)) chosen[name] = value;
  for (const name of Object.keys(DEFAULTS))
    if (typeof DEFAULTS[name] === "number") chosen[name] = Number(chosen[name]);
  if (chosen.data === "curve") chosen.curve = curve.flat();
  if (source) chosen.source = source;
  return chosen;
}

function address(steps) {
  const chosen = options();
  const told = new URLSearchParams();
  for (const [name, value] of Object.entries(DEFAULTS)) if (chosen[name] !== value) told.set(name, chosen[name]);
  if (chosen.data === "curve") told.set("curve", curve.flat().map((v) => Math.round(100 * v)).join("_"));
  if (source) told.set("source", source);
  if (steps) told.set("steps", steps);
  history.replaceState(null, "", `#${told}`);
}

// Options that a page was opened with; what is not known is left at its default.
function read() {
  const told = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of Object.entries(DEFAULTS)) {
    const field = form.elements[name];
    field.value = told.get(name) ?? value;
    if (field.value === "" && name !== "mistake") field.value = value;
  }
  const numbers = (told.get("curve") ?? "").split("_").map(Number);
  if (numbers.length >= 4 && numbers.length % 2 === 0 && numbers.every(Number.isFinite))
    curve = Array.from({ length: numbers.length / 2 }, (_, i) => [numbers[2 * i] / 100, numbers[2 * i + 1] / 100]);
  // Somebody else's Python is not run before the reader asks for it.
  source = "";
  brought = told.get("source") ?? "";
  until = Math.min(1e6, Math.max(0, Math.round(Number(told.get("steps"))) || 0));
}

// -- what Python says ---------------------------------------------------------------------------------

const actions = {
  status({ text }) {
    $("status").textContent = text;
  },
  missing() {
    $("status").textContent = "";
    say("Python could not be loaded. Reload the page; if this copy of the site was built without it, run make playground PYODIDE=DIR.");
  },
  ready(message) {
    texts = message.texts;
    if (!$("source").value) {
      $("texts").replaceChildren(...Object.keys(texts).map((name) => new Option(name)));
      $("source").value = texts[$("texts").value];
    }
    ready = true;
    begin();
  },
  start(message) {
    start = message;
    [frame, rows, every, seen] = [undefined, [], 1, 0];
    $("shows").textContent = start.mistake;
    $("plane").classList.toggle("drawing", options().data === "curve");
    $("layers").hidden = !start.plane;
    $("caption").innerHTML = start.plane
      ? '<span class="data">Data</span>, <span class="fake">fakes</span>. Colour: D(x), from <span class="fake">fake</span> to <span class="data">data</span>. Arrows: how each fake should move.'
      : 'Gradients: red pixels should get more ink for D to believe the fake, blue ones less.';
    if (options().data === "curve") $("caption").append(" Draw your own curve here.");
  },
  frame(message) {
    frame = message;
    for (let i = 0; i < frame.losses.length; i += 4)
      if (seen++ % every === 0) rows.push(frame.losses.slice(i, i + 4));
    if (rows.length > TALE) {
      rows = rows.filter((_, i) => i % 2 === 0);
      every *= 2;
    }
    requestAnimationFrame(paint);
  },
  done() {
    pending--;
  },
  stopped({ error }) {
    set(false);
    if (error) say(error);
    address(frame?.step);
  },
  slow(message) {
    lines = message.lines;
    $("motion").open = true;
    $("lines").replaceChildren(...lines.map(item));
  },
  checked({ ok, text }) {
    const report = $("report");
    report.hidden = false;
    report.className = ok ? "ok" : "wrong";
    report.textContent = text;
    busy(false);
  },
};

function hire() {
  pending = 0;
  worker = new Worker("worker.js", { type: "module" });
  worker.onmessage = ({ data }) => {
    actions[data.type](data);
    clearTimeout(alarm);
    if (pending || playing) watch();
  };
}

function watch() {
  clearTimeout(alarm);
  alarm = setTimeout(() => {
    worker.terminate();
    [ready, source, until, brought] = [false, "", 0, ""];
    set(false);
    notice = `Python was stopped, because it did not answer for ${PATIENCE / 1000} seconds.`;
    say(notice);
    hire();
  }, PATIENCE);
}

function say(text) {
  $("message").hidden = !text;
  $("message").textContent = text;
}

// -- pictures -------------------------------------------------------------------------------------------

function paint() {
  if (!start) return;
  const show = { heat: $("show-heat").checked, pushes: $("show-pushes").checked, warp: $("show-warp").checked };
  if (start.plane) draw.plane($("plane"), { start, frame, show, line: drawing ? curve : [] });
  else if (frame) draw.sheets($("plane"), { start, frame });
  if (!frame) return;
  const column = (i) => rows.map((row) => row[i]);
  const losses = [["D", "data", column(0), start.d_chance ?? null], ["G", "fake", column(1), start.g_chance ?? null]];
  draw.curves($("losses"), losses, frame.step);
  const means = [["D(x)", "data", column(2), null], ["D(G(z))", "fake", column(3), 0.5]];
  draw.curves($("means"), means, frame.step, [0, 1]);
  const now = rows.at(-1);
  const told = [`step ${frame.step}`];
  if (now) told.push(`D ${now[0].toFixed(2)}`, `G ${now[1].toFixed(2)}`, `D(x) ${now[2].toFixed(2)}`, `D(G(z)) ${now[3].toFixed(2)}`);
  if (start.modes) told.push(`modes found: ${frame.found} of ${start.modes}`, `${Math.round(100 * frame.quality)} % of the fakes lie in a mode`);
  if (frame.outside) told.push(`${frame.outside} of ${frame.fakes.length / 2} fakes lie outside the picture`);
  $("score").textContent = told.slice(1).join(", ");
  $("status").textContent = told[0];
  for (const id of ["plane", "losses", "means"]) $(id).setAttribute("aria-label", told.join(", "));
}

// A line of the slow motion: its title, its Python, its arrays.
function item({ title, line, arrays }) {
  const li = document.createElement("li");
  const code = document.createElement("code");
  code.textContent = line;
  const box = document.createElement("div");
  box.className = "arrays";
  for (const { name, shape, low, high, rows, columns, values } of arrays) {
    const figure = document.createElement("figure");
    const picture = draw.signed(values, columns, rows);
    const cell = Math.max(4, Math.min(12, Math.floor(300 / columns)));
    picture.style.width = `${columns * cell}px`;
    picture.setAttribute("aria-hidden", "true");
    const number = (v) => Number(v.toPrecision(3));
    const caption = document.createElement("figcaption");
    const range = low === high ? number(low) : `${number(low)} to ${number(high)}`;
    caption.textContent = `${name}: ${shape}, ${range}`;
    figure.append(picture, caption);
    box.append(figure);
  }
  li.append(title, code, box);
  return li;
}

// -- controls --------------------------------------------------------------------------------------------

function set(value) {
  playing = value;
  $("play").textContent = playing ? "Pause" : "Play";
  for (const id of ["play", "step", "slow", "reset"]) $(id).disabled = !ready;
  for (const id of ["check", "train"]) $(id).disabled = !ready;
}

function busy(value) {
  for (const id of ["check", "train"]) $(id).disabled = value;
}

function send(action, more = {}) {
  say("");
  pending++;
  worker.postMessage({ action, ...more });
  watch();
}

function reset(steps = 0) {
  if (!ready || !form.reportValidity()) return;
  $("without").hidden = !source;
  lines = [];
  $("lines").replaceChildren();
  send("reset", { options: options(), until: steps });
  set(steps > 0);
  address(steps);
}

// Begins the game of the address.
function begin() {
  reset(brought ? 0 : until);
  if (brought) {
    $("source").value = brought;
    $("workshop").open = true;
    notice = "This link brings a layer. Read it below, then press Train with it.";
  }
  say(notice);
  notice = "";
}

$("play").onclick = () => {
  send(playing ? "pause" : "play");
  set(!playing);
  if (!playing) address(frame?.step);
};
for (const id of ["step", "slow"])
  $(id).onclick = () => {
    set(false);
    send(id);
  };
$("reset").onclick = () => reset();
form.onchange = () => reset();
form.onsubmit = (event) => {
  event.preventDefault();
  reset();
};
$("link").onclick = async () => {
  address(frame?.step);
  try {
    await navigator.clipboard.writeText(location.href);
    $("status").textContent = "The link is copied.";
  } catch {
    $("status").textContent = "Copy the link from the address bar.";
  }
};
for (const id of ["show-heat", "show-pushes", "show-warp"]) $(id).onchange = paint;
$("texts").onchange = () => {
  $("source").value = texts[$("texts").value];
};
$("check").onclick = () => {
  set(false);
  busy(true);
  send("check", { source: $("source").value });
};
$("train").onclick = () => {
  source = $("source").value;
  reset();
};
$("without").onclick = () => {
  source = "";
  reset();
};

addEventListener("keydown", (event) => {
  if (event.key !== " " || !ready || event.target.closest("button, input, select, textarea, summary, a, pre")) return;
  event.preventDefault();
  $("play").click();
});
addEventListener("hashchange", () => {
  read();
  if (ready) begin();
});
new ResizeObserver(paint).observe($("plane"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  paint();
  $("lines").replaceChildren(...lines.map(item));
});

// A curve drawn with a mouse, a pen or a finger.
const pad = $("plane");
const place = (event) => {
  const box = pad.getBoundingClientRect();
  const { scale, x0, y0 } = draw.scaleOf(pad, start.view);
  const inside = (v) => Math.max(-1.4, Math.min(1.4, v));
  return [inside((event.clientX - box.left - x0) / scale), inside((y0 - event.clientY + box.top) / scale)];
};
pad.onpointerdown = (event) => {
  if (!ready || !pad.classList.contains("drawing")) return;
  if (playing) $("play").click();
  drawing = true;
  pad.setPointerCapture(event.pointerId);
  curve = [place(event)];
};
pad.onpointermove = (event) => {
  if (!drawing) return;
  const [x, y] = place(event);
  const [a, b] = curve.at(-1);
  if (Math.hypot(x - a, y - b) > 0.04) curve.push([x, y]);
  requestAnimationFrame(paint);
};
pad.onpointerup = pad.onpointercancel = () => {
  if (!drawing) return;
  drawing = false;
  if (curve.length > 1) reset();
};

read();
set(false);
hire();
