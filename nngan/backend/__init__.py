"""NumPy, or more, as one small object: arrays, products, random numbers, ``compile(step)``.

`Backend` is the base of all, and `NumpyBackend` the reference. `NumbaBackend` compiles its longest
formulas; `MklBackend` leaves the matrix products to Intel's library as well; `CupyBackend` has the
operations that differ on a GPU. Each imports its library when it is made, not before. There is
no module-level switch: a network is handed a backend, and formulas that need only element-wise
functions take them from the array itself, through `array_module`, so that networks on NumPy and on
CuPy live side by side.
"""

from collections.abc import Sequence

import numpy as np

from ..checks import one_line, one_of
from .base import INSTEAD, Backend, BackendUnavailable, NumpyBackend, Shard, Step
from .cupy import CupyBackend, Tf32Backend
from .formulas import array_module, fused, mean_of, multiply_add, on_host
from .keys import Array, Key, Stream
from .loops import each, loop_of
from .mkl import MklBackend
from .numba import NumbaBackend

__all__ = [
    "BACKENDS",
    "Array",
    "Backend",
    "BackendUnavailable",
    "CupyBackend",
    "Key",
    "MklBackend",
    "NumbaBackend",
    "NumpyBackend",
    "Shard",
    "Step",
    "Stream",
    "Tf32Backend",
    "array_module",
    "each",
    "fastest_backend",
    "fused",
    "get_backend",
    "loop_of",
    "mean_of",
    "multiply_add",
    "on_host",
]


KINDS = NumpyBackend, NumbaBackend, MklBackend, CupyBackend, Tf32Backend
BACKENDS: dict[str, type[Backend]] = {kind.name: kind for kind in KINDS}


def get_backend(backend: str | Backend) -> Backend:
    """Return the backend of that name, one of BACKENDS; a backend object is returned as it is."""
    if isinstance(backend, Backend):
        return backend
    return BACKENDS[one_of("backend", backend, BACKENDS)]()


def fastest_backend(names: Sequence[str] = ("cupy", "numba")) -> tuple[Backend, list[str]]:
    """Return the first of some backends that computes here, and what is wrong with those before it.

    A library that is not installed is passed over in silence.

    Parameters
    ----------
    names : sequence of str
        The fastest first. Where none of them computes, it is NumPy.
    """
    faults: list[str] = []
    for name in names:
        one_of("names", name, BACKENDS)
        try:
            backend = get_backend(name)
            if _multiplies(backend):
                return backend, faults
            faults.append(f"{name} computes wrong products")
        except Exception as error:  # of a broken driver or library: whatever it raises
            cause = error.__cause__
            if not (isinstance(cause, ModuleNotFoundError) and cause.name == name):
                faults.append(one_line(error).removesuffix(INSTEAD))
    return NumpyBackend(), faults


def _multiplies(backend: Backend) -> bool:
    """Return whether a product comes back right: a device may be listed and not answer."""
    a = np.array([[1, 2], [3, 4]], np.float32)
    product = backend.to_numpy(backend.matmul(backend.asarray(a), backend.asarray(a)))
    return bool(np.array_equal(product, a @ a))
