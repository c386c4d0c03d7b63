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

from .base import INSTEAD, BackendUnavailable, NumpyBackend, negligible
from .keys import Array
from .loops import LOOPS


class NumbaBackend(NumpyBackend):
    """NumPy, with the formulas of `update_in_place` as compiled loops (`nngan.backend.loops`).

    A loop computes the same in the same order, to the same bits: parameters, losses and samples are
    NumPy's. Only a moment without any gradient becomes zero a little sooner, as soon as it is
    `negligible`; in NumPy it becomes zero when it underflows.

    Raises
    ------
    BackendUnavailable
        If Numba is missing.

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
                f"Numba cannot be imported ({error}): pip install numba{INSTEAD}"
            ) from error

    def update_in_place(
        self, formula: Callable[..., None], arrays: Sequence[Array], *numbers: float | Array
    ) -> None:
        loop = LOOPS.get(formula)
        if loop is None:
            super().update_in_place(formula, arrays, *numbers)
            return
        if len({array.shape for array in arrays}) > 1:  # a compiled loop would go past their ends
            raise ValueError(f"arrays of one shape are wanted, got {[a.shape for a in arrays]}")
        # A number in double precision would draw the whole loop into it.
        dtype = arrays[0].dtype.type
        in_dtype = (dtype(np.asarray(number).item()) for number in numbers)
        compiled(loop, self.parallel)(*arrays, *in_dtype, negligible(dtype))


@functools.cache
def compiled(loop: Callable[..., None], parallel: bool) -> Any:
    """Return a loop as machine code, made when it is first called with a dtype.

    `parallel` divides it among the cores.
    """
    import numba

    if parallel:
        bound = {**loop.__globals__, "each": numba.prange}
        loop = types.FunctionType(loop.__code__, bound, loop.__name__)
    # Python's own error model would look for division by zero.
    return numba.njit(error_model="numpy", parallel=parallel)(loop)
