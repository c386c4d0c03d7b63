"""NumPy with its longest element-wise formulas compiled, by Numba.

NumPy goes through memory once for each operation: ten times for a step of Adam. A compiled loop
goes once. Everything else is NumPy's.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .keys import Array
from .on_numpy import BackendUnavailable, NumpyBackend, negligible


class NumbaBackend(NumpyBackend):
    """NumPy, where a formula that has a kernel in its file is one compiled loop instead.

    A kernel has its formula's name, arrays and numbers and computes the same in the same order, to
    the same bits: parameters, losses and samples are NumPy's. Only a moment that nobody feeds is
    zero a little sooner, as soon as it is `negligible`; NumPy waits for one that underflows.

    Raises
    ------
    BackendUnavailable
        When Numba is missing.

    References
    ----------
    Lam, Pitrou and Seibert, "Numba: a LLVM-based Python JIT compiler", LLVM-HPC 2015.
    """

    name = "numba"
    parallel = False  # OpenBLAS's idle threads spin for a while, and would have to be waited for

    def __init__(self) -> None:
        try:
            import numba  # noqa: F401
        except ImportError as error:
            raise BackendUnavailable(
                f"Numba cannot be imported ({error}): pip install 'nngan[{self.name}]', or use "
                'backend="numpy"'
            ) from error

    def elementwise(
        self, formula: Callable[..., None], arrays: Sequence[Array], *numbers: float | Array
    ) -> None:
        kernel = KERNELS.get(f"{formula.__module__}.{formula.__qualname__}")
        if kernel is None:
            super().elementwise(formula, arrays, *numbers)
            return
        if len({array.shape for array in arrays}) > 1:  # a compiled loop would go past their ends
            raise ValueError(f"arrays of one shape are wanted, got {[a.shape for a in arrays]}")
        # A number in double precision would draw the whole loop into it.
        dtype = arrays[0].dtype.type
        in_dtype = (dtype(np.asarray(number).item()) for number in numbers)
        compiled(kernel, self.parallel)(*arrays, *in_dtype, negligible(dtype))


@functools.cache
def compiled(kernel: Callable[..., None], parallel: bool) -> Any:
    """Return a kernel as machine code, made when it is first called with a dtype.

    `parallel` divides its loop among the cores.
    """
    import numba

    if parallel:
        bound = {**kernel.__globals__, "each": numba.prange}
        kernel = types.FunctionType(kernel.__code__, bound, kernel.__name__)
    # Python's own error model would look for division by zero.
    return numba.njit(error_model="numpy", parallel=parallel)(kernel)


# -- kernels: each with the numbers of its formula, and `least`, below which a moment is zero -----

each = range  # Numba's `prange` where the elements are divided among the cores


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
    for i in each(params.size):
        mean, square = beta1 * m[i], beta2 * v[i]
        mean = (zero if abs(mean) < least else mean) + g[i]
        square = (zero if square < least else square) + g[i] * g[i]
        m[i], v[i] = mean, square
        params[i] -= mean / (np.sqrt(square) + eps) * rate


def sgd(params: Array, g: Array, v: Array, lr: float, momentum: float, least: float) -> None:
    """`nngan.optim.sgd`."""
    zero = least - least
    for i in each(params.size):
        velocity = momentum * v[i]
        velocity = (zero if abs(velocity) < least else velocity) + g[i]
        v[i] = velocity
        params[i] -= lr * velocity


def moving_average(mean: Array, new: Array, share: float, least: float) -> None:
    """`nngan.gan.steps.moving_average`."""
    for i in each(mean.size):
        mean[i] += (new[i] - mean[i]) * share


KERNELS = {
    "nngan.optim.adam": adam,
    "nngan.optim.sgd": sgd,
    "nngan.gan.steps.moving_average": moving_average,
}
