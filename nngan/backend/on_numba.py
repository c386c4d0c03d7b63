"""NumPy with its longest element-wise formulas compiled, by Numba.

NumPy goes through memory once for each operation: ten times for a step of Adam. A compiled loop
goes once, and the processor's vector units wait for memory no more. Everything else is NumPy's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .keys import Array
from .on_numpy import BackendUnavailable, NumpyBackend


class NumbaBackend(NumpyBackend):
    """NumPy, where a formula that has a kernel below is one compiled loop instead.

    A kernel has the name of its formula, its arrays and its numbers, and computes the same in the
    same order, so that a run differs from NumPy's by rounding at most.

    Raises
    ------
    BackendUnavailable
        When Numba is missing.

    References
    ----------
    Lam, Pitrou and Seibert, "Numba: a LLVM-based Python JIT compiler", LLVM-HPC 2015.
    """

    name = "numba"

    def __init__(self) -> None:
        try:
            import numba  # noqa: F401
        except ImportError as error:
            raise BackendUnavailable(
                f"Numba cannot be imported ({error}): pip install 'nngan[numba]', or use "
                'backend="numpy"'
            ) from error

    def elementwise(
        self, formula: Callable[..., None], arrays: Sequence[Array], *numbers: float | Array
    ) -> None:
        kernel = KERNELS.get(formula.__name__)
        if kernel is None:
            super().elementwise(formula, arrays, *numbers)
            return
        # A number in double precision would draw the whole loop into it.
        dtype = arrays[0].dtype.type
        least = dtype(2**20 * np.finfo(dtype).tiny)
        compiled(kernel)(*arrays, *(dtype(np.asarray(n).item()) for n in numbers), least)


@functools.cache
def compiled(kernel: Callable[..., None]) -> Any:
    """Return a kernel as machine code, made when it is first called with a dtype."""
    import numba

    return numba.njit(error_model="numpy")(kernel)  # Python's would look for division by zero


# -- kernels: what becomes smaller than `least` is zero, as in `NumpyBackend.decay` ---------------


def adam(
    params: Array,
    g: Array,
    m: Array,
    v: Array,
    rate: float,
    eps: float,
    beta1: float,
    beta2: float,
    least: float,
) -> None:
    """`nngan.optim.adam`."""
    zero = least - least  # of the arrays' dtype
    for i in range(params.size):
        mean, square = beta1 * m[i], beta2 * v[i]
        mean = (zero if abs(mean) < least else mean) + g[i]
        square = (zero if square < least else square) + g[i] * g[i]
        m[i], v[i] = mean, square
        params[i] -= mean / (np.sqrt(square) + eps) * rate


def sgd(params: Array, g: Array, v: Array, lr: float, momentum: float, least: float) -> None:
    """`nngan.optim.sgd`."""
    zero = least - least
    for i in range(params.size):
        velocity = momentum * v[i]
        velocity = (zero if abs(velocity) < least else velocity) + g[i]
        v[i] = velocity
        params[i] -= lr * velocity


def moving_average(mean: Array, new: Array, share: float, least: float) -> None:
    """`nngan.gan.steps.moving_average`."""
    for i in range(mean.size):
        mean[i] += (new[i] - mean[i]) * share


KERNELS = {kernel.__name__: kernel for kernel in (adam, sgd, moving_average)}
