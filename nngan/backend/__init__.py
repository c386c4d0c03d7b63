"""NumPy or CuPy, as one small object: arrays, products, random numbers, ``compile(step)``.

`NumpyBackend` is the complete reference. `CupyBackend` overrides what a GPU does differently and
imports CuPy when it is made, not before. There is no module-level switch: a network is handed a
backend, and formulas that need only element-wise functions take them from the array itself,
through `array_module`, so that networks on NumPy and on CuPy live side by side.
"""

from .keys import Array, Key, Stream
from .on_cupy import BackendUnavailable, CupyBackend
from .on_numpy import NumpyBackend, Step, array_module

__all__ = [
    "Array",
    "BackendUnavailable",
    "CupyBackend",
    "Key",
    "NumpyBackend",
    "Step",
    "Stream",
    "array_module",
    "get_backend",
]


def get_backend(backend: str | NumpyBackend) -> NumpyBackend:
    """Return the backend called "numpy" or "cupy"; a backend object is returned as it is."""
    if isinstance(backend, NumpyBackend):
        return backend
    backends = {"numpy": NumpyBackend, "cupy": CupyBackend}
    if not isinstance(backend, str) or backend not in backends:
        raise ValueError(f"backend must be one of {', '.join(backends)}, got {backend!r}")
    return backends[backend]()
