// Runs Python: Pyodide, NumPy, nngan and playground.py. It computes what the page draws.
const FRAME = 0.12; // seconds of training between two frames
let python, playground, game;
let playing = false;

const plain = (value) => value.toJs({ dict_converter: Object.fromEntries, create_pyproxies: false });
const last = (error) => error.message.trim().split("\n").at(-1).replace(/^\w+(\.\w+)*: /, "");

async function begin() {
  postMessage({ type: "status", text: "Loading Python (6 MB) …" });
  const { loadPyodide } = await import("./pyodide/pyodide.mjs");
  python = await loadPyodide({ stdout: () => {}, stderr: () => {} });
  postMessage({ type: "status", text: "Loading NumPy (4 MB) …" });
  await python.loadPackage(["numpy", "pillow"], { messageCallback: () => {} });
  postMessage({ type: "status", text: "Loading nngan …" });
  const archive = await fetch("nngan.zip");
  python.unpackArchive(await archive.arrayBuffer(), "zip", { extractDir: "/nngan" });
  python.runPython("import sys; sys.path.insert(0, '/nngan')");
  playground = python.pyimport("playground");
  postMessage({ type: "ready", texts: plain(playground.TEXTS) });
}

function frame() {
  const proxy = game.frame();
  postMessage({ type: "frame", ...plain(proxy) });
  proxy.destroy();
}

function loop(until) {
  if (!playing) return;
  try {
    game.run(FRAME, until);
    frame();
  } catch (error) {
    playing = false;
    postMessage({ type: "stopped", error: last(error) });
    return;
  }
  if (until && game.steps >= until) {
    playing = false;
    postMessage({ type: "stopped" });
    return;
  }
  setTimeout(() => loop(until)); // lets messages in
}

const actions = {
  reset({ options, until }) {
    playing = false;
    const made = playground.Playground(python.toPy(options));
    game?.destroy();
    game = made;
    const proxy = game.start();
    postMessage({ type: "start", ...plain(proxy) });
    proxy.destroy();
    frame();
    if (until) actions.play({ until });
  },
  play({ until = 0 }) {
    if (playing) return;
    playing = true;
    loop(until);
  },
  pause() {
    playing = false;
  },
  step() {
    playing = false;
    game.step();
    frame();
  },
  slow() {
    playing = false;
    const proxy = game.slow_step();
    postMessage({ type: "slow", lines: plain(proxy) });
    proxy.destroy();
    frame();
  },
  check({ source }) {
    playing = false;
    const proxy = playground.check(source);
    postMessage({ type: "checked", ...plain(proxy) });
    proxy.destroy();
  },
};

const started = begin();
started.catch(() => postMessage({ type: "missing" }));
onmessage = async ({ data }) => {
  await started;
  try {
    actions[data.action](data);
  } catch (error) {
    playing = false;
    const type = data.action === "check" ? "checked" : "stopped";
    postMessage({ type, ok: false, text: last(error), error: last(error) });
  }
  postMessage({ type: "done" });
};
