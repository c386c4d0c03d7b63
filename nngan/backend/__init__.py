"""NumPy, or more, as one small object: arrays, products, random numbers, ``compile(step)``.

`NumpyBackend` is the complete reference. `NumbaBackend` is the same with the longest formulas
compiled; `MklBackend` leaves the matrix products to Intel's library as well; `CupyBackend`
overrides what a GPU does differently. Each imports its library when it is made, not before. There
is no module-level switch: a network is handed a backend, and formulas that need only element-wise
functions take them from the array itself, through `array_module`, so that networks on NumPy and on
CuPy live side by side.
"""

from ..options import one_of
from .keys import Array, Key, Stream
from .on_cupy import CupyBackend
from .on_mkl import MklBackend
from .on_numba import NumbaBackend
from .on_numpy import BackendUnavailable, NumpyBackend, Step, array_module

__all__ = [
    "BACKENDS",
    "Array",
    "BackendUnavailable",
    "CupyBackend",
    "Key",
    "MklBackend",
    "NumbaBackend",
    "NumpyBackend",
    "Step",
    "Stream",
    "array_module",
    "get_backend",
]


BACKENDS = {kind.name: kind for kind in (NumpyBackend, NumbaBackend, MklBackend, CupyBackend)}


def get_backend(backend: str | NumpyBackend) -> NumpyBackend:
    """Return the backend of that name, one of BACKENDS; a backend object is returned as it is."""
    if isinstance(backend, NumpyBackend):
        return backend
    return BACKENDS[one_of("backend", backend, BACKENDS)]()
