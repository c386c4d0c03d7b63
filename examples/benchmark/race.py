"""Time whole training steps of nngan and of the same game in JAX, PyTorch and TensorFlow.

python examples/benchmark/race.py                     # both cases; whoever is installed takes part
python examples/benchmark/race.py --busy 1            # once more next to a process that keeps busy
python examples/benchmark/race.py --sweep batch --plot batch.png
python examples/benchmark/race.py --backend numpy     # or numba, mkl; or cupy, on a GPU
python examples/benchmark/race.py --backend mkl --ours --rounds 40   # MKL, Numba and NumPy alone

A timed step includes everything that a training step does: minibatch, noise, D's update, G's
update, both optimizers. Networks, minibatch size, dtype and number of threads are the same. The
data are digits of MNIST's size. Each contestant has a process of its own. They take turns of a
fraction of a second, and a different one begins each round: a disturbance of the machine disturbs
all of them alike. Every ratio is taken within a round; medians and quartiles of the rounds are
printed. PyTorch has its default settings, unless an option says otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from case import Case
from contestants import CONTESTANTS

from nngan.backend import BACKENDS, BackendUnavailable, fastest_backend, get_backend
from nngan.command_line import OneSentenceParser, positive
from nngan.commands.options import PICTURES, in_options, output
from nngan.threads import wait_asleep

# A word in the names of its contestants, its name, its package.
LIBRARIES = {
    "torch": ("PyTorch", "torch"),
    "Optax": ("Optax", "optax"),
    "JAX": ("JAX", "jax"),
    "TensorFlow": ("TensorFlow", "tensorflow"),
}
SWEEPS = {
    "batch": [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192],
    "width": [128, 256, 512, 1024, 2048, 4096],
    "depth": [1, 2, 3, 4, 6, 8],
}


def main() -> None:
    """Parse the options, run the cases, report."""
    args = parse_options()
    names = contestants(args)
    results: list[dict[str, Any]] = []
    machine = machine_line(args.backend, args.flush_denormals)
    report = {"machine": machine, "rounds": args.rounds, "results": results}
    print(report["machine"])
    for label, case in cases(args):
        results.append({"case": label, **vars(case), "contestants": race(case, names, args)})
        if args.busy:
            with neighbours(args.busy):
                results[-1]["busy"] = race(case, names, args)
        print_table(results[-1])
        if args.json:  # after each case: a sweep takes long
            args.json.write_text(json.dumps(report, indent=1) + "\n")
    if args.plot:
        plot(report, args)


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = OneSentenceParser(description=__doc__)
    parser.add_argument(
        "--backend", choices=BACKENDS, help="default: the fastest for the CPU that is installed"
    )
    parser.add_argument(
        "--recipe", choices=["tf_basic", "pytorch_mlp"], action="append",
        help="a case to time, may be repeated; default: both",
    )  # fmt: skip
    parser.add_argument("--sweep", choices=SWEEPS, help="time a series instead of the two cases")
    parser.add_argument(
        "--threads", type=positive(int), default=cores(), metavar="N", help="default: all cores"
    )
    parser.add_argument("--rounds", type=positive(int), default=15, metavar="N", help="default: 15")
    parser.add_argument(
        "--seconds", type=positive(float), default=0.4, metavar="X",
        help="length of a turn; default: 0.4",
    )  # fmt: skip
    parser.add_argument("--ours", action="store_true", help="time nngan's backends alone")
    parser.add_argument("--compile", action="store_true", help="torch.compile too (takes minutes)")
    parser.add_argument(
        "--busy", type=positive(int), metavar="N",
        help="race a second time, next to N processes that keep a core busy each",
    )  # fmt: skip
    parser.add_argument(
        "--flush-denormals", action="store_true",
        help="tell PyTorch to take subnormal numbers for zero (torch.set_flush_denormal)",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=output(), metavar="FILE", help="write all figures to this file"
    )
    parser.add_argument(
        "--plot", type=output(*PICTURES), metavar="FILE", help="draw them into this file"
    )
    args = parser.parse_args()
    if args.sweep and (args.recipe or args.compile):
        parser.error("--sweep has its own games and contestants: leave --recipe and --compile out")
    try:
        args.backend = args.backend or fastest_backend(("mkl", "numba"))[0].name
        get_backend(args.backend)
    except BackendUnavailable as error:
        parser.error(in_options(error, parser))
    return args


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def contestants(args: argparse.Namespace) -> list[str]:
    """Return the names of the contestants that can run here."""
    names = list(CONTESTANTS)
    if args.sweep:
        for name in ("nngan, simultaneous", "torch eager, same fakes", "torch fused, same fakes"):
            names.remove(name)
    if not args.backend.startswith("cupy"):
        names.remove("torch CUDA graph")
    if args.backend == "numpy" or args.sweep:
        names.remove("nngan, NumPy")
    if args.backend != "mkl" or args.sweep:
        names.remove("nngan, Numba")
    if not args.compile:
        names.remove("torch.compile")
    if args.ours:
        return [name for name in names if name.startswith("nngan") and "simultaneous" not in name]
    for word, (library, package) in LIBRARIES.items():
        if find_spec(package) is None and any(word in name for name in names):
            print(f"{library} is not installed and does not take part: pip install {package}")
            names = [name for name in names if word not in name]
    return names


def cases(args: argparse.Namespace) -> list[tuple[str, Case]]:
    """Return the games to time, each with a label."""
    common: dict[str, Any] = {
        "backend": args.backend, "threads": args.threads,
        "flush_denormals": args.flush_denormals,
    }  # fmt: skip
    if args.sweep == "batch":
        return [(f"batch {n}", Case("tf_basic", n, **common)) for n in SWEEPS["batch"]]
    if args.sweep == "width":
        return [(f"width {n}", Case("tf_basic", 100, width=n, **common)) for n in SWEEPS["width"]]
    if args.sweep == "depth":
        return [
            (f"depth {n}", Case("tf_basic", 100, width=256, depth=n, **common))
            for n in SWEEPS["depth"]
        ]
    batches = {"tf_basic": 100, "pytorch_mlp": 128}
    return [
        (f"{name}, batch {batches[name]}", Case(name, batches[name], **common))
        for name in args.recipe or batches
    ]


# -- the race -----------------------------------------------------------------------------------


def serve(name: str, case: Case, pipe: Connection) -> None:
    """Run the steps that the parent asks for and send the seconds; in the contestant's process."""
    try:
        step = CONTESTANTS[name](case)
        synchronize = _synchronizer(case.backend, name)

        def seconds(steps: int) -> float:
            start = time.perf_counter()
            for _ in range(steps):
                step()
            synchronize()
            return time.perf_counter() - start

        seconds(5)
        pipe.send(0.0)
        while steps := pipe.recv():
            # The threads of the previous process spin for a while after its turn, and the kernel
            # needs time to spread ours over the cores: neither is part of a step.
            seconds(steps)
            pipe.send(seconds(steps))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def race(case: Case, names: list[str], args: argparse.Namespace) -> dict[str, list[float]]:
    """Return milliseconds per step of each contestant, one number a round."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    # Libraries read their number of threads when they are loaded.
    for library in ("OPENBLAS", "MKL", "OMP", "NUMBA"):
        os.environ[f"{library}_NUM_THREADS"] = str(args.threads)
    for name in names:
        pipe, end = context.Pipe()
        with waiting_as_in_the_command(name):
            context.Process(target=serve, args=(name, case, end), daemon=True).start()
        end.close()  # the child has its own: recv raises EOFError when it dies
        pipes[name] = pipe

    def answer(name: str) -> float | None:
        """Return the contestant's answer; if it failed, drop it from the race and return None."""
        try:
            said = pipes[name].recv()
        except EOFError:
            said = "its process ended"
        if isinstance(said, str):
            print(f"{name} cannot run here: {said}", file=sys.stderr)
            del pipes[name]
            return None
        return float(said)

    def turn(name: str, steps: int) -> float | None:
        pipes[name].send(steps)
        return answer(name)

    for name in names:
        answer(name)
    steps: dict[str, int] = {}
    for name in list(pipes):
        if (seconds := turn(name, 5)) is not None:
            steps[name] = max(1, round(5 * args.seconds / seconds))
    if "nngan" not in pipes:
        sys.exit("nngan itself cannot run here, so there is nothing to compare with")
    times: dict[str, list[float]] = {name: [] for name in pipes}
    for i in range(args.rounds):
        order = list(pipes)
        for name in order[i % len(order) :] + order[: i % len(order)]:
            if (seconds := turn(name, steps[name])) is not None:
                times[name].append(1e3 * seconds / steps[name])
    for pipe in pipes.values():
        pipe.send(0)
    return {name: times[name] for name in pipes}  # without those that failed on the way


@contextlib.contextmanager
def waiting_as_in_the_command(name: str) -> Iterator[None]:
    """Give nngan's contestants the environment that the command nngan has, the others none."""
    before = dict(os.environ)
    if name.startswith(("nngan", "matrix products")):
        wait_asleep()
    yield
    os.environ.clear()
    os.environ.update(before)


@contextlib.contextmanager
def neighbours(n: int) -> Iterator[None]:
    """Keep n cores busy meanwhile, with a process each."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def _synchronizer(backend: str, name: str) -> Any:
    if not backend.startswith("cupy") or "NumPy" in name:
        return lambda: None
    if "torch" in name:
        import torch

        return torch.cuda.synchronize
    return get_backend("cupy").synchronize


# -- the report ---------------------------------------------------------------------------------


def quartiles(values: Any) -> tuple[float, float, float]:
    """Return the first quartile, the median and the third quartile."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(low), float(middle), float(high)


def ratios(times: dict[str, list[float]], name: str) -> tuple[float, float, float]:
    """Return the quartiles of (time of `name`) / (time of nngan), taken round by round."""
    return quartiles(np.array(times[name]) / np.array(times["nngan"]))


def print_table(result: dict[str, Any]) -> None:
    """Print the times of one case and their ratios to nngan's."""
    times = result["contestants"]
    print(f"\n{result['case']}: milliseconds per step; time over nngan's (median, quartiles)")
    for name in times:
        low, middle, high = quartiles(times[name])
        r_low, r, r_high = ratios(times, name)
        busy = ""
        if name in result.get("busy", ()):
            slower = quartiles(result["busy"][name])[1] / middle
            busy = f"   next to a busy process {slower:.1f} times as long"
        print(
            f"  {label(name, result['backend']):24} {middle:8.3f} ({low:.3f} to {high:.3f})   "
            f"{r:5.2f} ({r_low:.2f} to {r_high:.2f}){busy}"
        )


def machine_line(backend: str, flush_denormals: bool) -> str:
    """Return the machine and the versions that the figures belong to, in one line."""
    if backend.startswith("cupy"):
        import cupy

        device = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    else:
        cpuinfo = Path("/proc/cpuinfo")
        lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
        model = next((line.split(":")[1] for line in lines if "model name" in line), "")
        device = f"{model.strip() or platform.processor()}, {cores()} cores"
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    if find_spec("numba"):
        versions += f", Numba {version('numba')}"
    if backend == "mkl":
        versions += f", MKL {version('mkl')}"
    if find_spec("torch"):
        import torch

        versions += f", PyTorch {torch.__version__}"
        versions += " without subnormal numbers" * flush_denormals
    for library, package in LIBRARIES.values():
        if package != "torch" and find_spec(package):
            versions += f", {library} {version(package)}"
    return f"{device}; {versions}; {time.strftime('%Y-%m-%d')}"


def label(name: str, backend: str) -> str:
    """Return the name of a contestant in the report."""
    libraries = {"numpy": "NumPy", "numba": "Numba", "mkl": "MKL", "cupy": "CuPy",
                 "cupy-tf32": "CuPy, TF32"}  # fmt: skip
    return f"nngan, {libraries[backend]}" if name == "nngan" else name


def plot(report: dict[str, Any], args: argparse.Namespace) -> None:
    """Draw the report: bars of the ratios, or curves of a sweep."""
    import matplotlib

    matplotlib.use("Agg")
    (plot_sweep if args.sweep else plot_ratios)(report, args)


def plot_ratios(report: dict[str, Any], args: argparse.Namespace) -> None:
    """Draw the time of each contestant over nngan's, a panel for each case."""
    from matplotlib import pyplot as plt

    results = report["results"]
    fig, axes = plt.subplots(
        1, len(results), figsize=(1 + 3.8 * len(results), 3.8), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    # A contestant that failed in a case keeps its empty line there.
    names = list(dict.fromkeys(name for result in results for name in result["contestants"]))
    for ax, result in zip(axes[0], results, strict=True):
        times = result["contestants"]
        for name in times:
            low, middle, high = ratios(times, name)
            colour = "C0" if name.startswith("nngan") else "C1"
            if "products" in name:
                colour = "0.7"
            y = names.index(name)
            ax.barh(y, middle, xerr=[[middle - low], [high - middle]], color=colour, capsize=2)
            ax.text(high + 0.02, y, f"{middle:.2f}", va="center", fontsize="small")
        ax.set_xlim(0, 1.12 * max(ratios(times, name)[2] for name in times))
        ax.axvline(1, color="black", linewidth=0.8)
        ax.set_title(result["case"], fontsize="medium")
    labels = [label(name, args.backend) for name in names]
    axes[0][0].set_yticks(range(len(names)), labels)
    axes[0][0].invert_yaxis()
    fig.supxlabel(
        f"time of a step over that of {labels[0]} (grey: the floors, no whole steps)",
        fontsize="medium",
    )
    fig.suptitle(report["machine"], fontsize="small")
    fig.savefig(args.plot, dpi=120)


def plot_sweep(report: dict[str, Any], args: argparse.Namespace) -> None:
    """Draw the milliseconds of a step against the swept size."""
    from matplotlib import pyplot as plt

    results = report["results"]
    fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
    x = SWEEPS[args.sweep]
    for name, marker in zip(results[0]["contestants"], itertools.cycle("osD^vPX")):
        y = [quartiles(result["contestants"][name])[1] for result in results]
        line = ":" if "products" in name else "--" if "," in name else "-"
        colour = "tab:blue"
        for word, other in {"torch": "tab:orange", "JAX": "tab:green", "Tensor": "tab:red"}.items():
            colour = other if word in name else colour
        ax.plot(x, y, marker + line, color=colour, label=label(name, args.backend))
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(x, [str(n) for n in x])
    low, high = ax.get_ylim()
    ticks = [n * 10**k for k in range(-2, 5) for n in (1, 2, 5)]
    ax.set_yticks([y for y in ticks if low <= y <= high])
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("")
    ax.set_xlabel(
        {
            "batch": "samples per minibatch (networks of tf_basic)",
            "width": "width of the hidden layers (batch 100)",
            "depth": "hidden layers of 256 in each network (batch 100)",
        }[args.sweep]
    )
    ax.set_ylabel("milliseconds per training step")
    ax.legend(fontsize="small")
    ax.set_title(report["machine"].replace("; ", "\n", 1), fontsize="small")
    fig.savefig(args.plot, dpi=120)


if __name__ == "__main__":
    main()
