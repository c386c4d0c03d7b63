"""What decides the last bits of a run, besides its settings: backend, threads, versions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from ..backend import Backend
from ..version import __version__

CUPY = "cupy-cuda12x", "cupy-cuda13x"
LIBRARIES = {"numba": ("numba",), "mkl": ("numba", "mkl"), "cupy": CUPY, "cupy-tf32": CUPY}
# Of the environment: with how many threads a user lets matrices be multiplied.
THREADS = {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"}


def surroundings(backend: Backend) -> dict[str, str]:
    """Return the backend, the number of threads that multiply matrices, and the versions."""
    there = {"backend": backend.name, "BLAS threads": _blas_threads(backend.name)}
    there |= {"nngan": __version__, "numpy": np.__version__}
    for library in LIBRARIES.get(backend.name, ()):
        try:
            there[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return there


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return in a sentence what has changed since a run was saved; "" if nothing has."""
    names = [name for name in (*before, *now) if before.get(name) != now.get(name)]
    said = [f"{n} {before.get(n, 'none')}, now {now.get(n, 'none')}" for n in dict.fromkeys(names)]
    if not said:
        return ""
    return (
        f"The run was saved with {'; '.join(said)}: its numbers may differ in the last digits from "
        "those of a run that was not interrupted."
    )


def take_threads(before: Mapping[str, str]) -> None:
    """Multiply matrices on as many threads as a run did, if there are more, from now on.

    Nothing happens if the environment sets their number.
    """
    from threadpoolctl import threadpool_limits

    then, now = before.get("BLAS threads", ""), _blas_threads(before.get("backend", "numpy"))
    if THREADS & os.environ.keys() or not (then.isdecimal() and now.isdecimal()):
        return
    if int(then) < int(now):
        threadpool_limits(int(then), user_api="blas")


def _blas_threads(backend: str) -> str:
    from threadpoolctl import threadpool_info

    pools: list[dict[str, Any]] = [p for p in threadpool_info() if p["user_api"] == "blas"]
    if backend == "mkl":
        pools = [p for p in pools if p["internal_api"] == "mkl"]
    else:  # other libraries, such as SciPy, may have brought another BLAS
        pools = [p for p in pools if "numpy" in p["filepath"]] or pools
    return "/".join(sorted({str(p["num_threads"]) for p in pools})) or "unknown"
