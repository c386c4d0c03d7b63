"""A formula and the sums of its result over the rows as one kernel, which ``cupy.fuse`` cannot do.

The middle of the kernel is the formula itself, called with the names of C's variables.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from .keys import Array

# Each block sums 32 columns, with 16 threads for each. The order of the additions is fixed.
COLUMNS, THREADS = 32, 16
KERNEL = """
typedef %(type)s T;
extern "C" __global__ void %(name)s(
    %(inputs)s, T* result, T* sums, long long rows, long long columns, bool accumulate
) {
    __shared__ T part[%(threads)d][%(columns)d];
    const long long column = (long long)blockIdx.x * %(columns)d + threadIdx.x;
    T sum = 0;
    if (column < columns) {
        for (long long row = threadIdx.y; row < rows; row += %(threads)d) {
            const long long i = row * columns + column;
            sum += result[i] = %(formula)s;
        }
    }
    part[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < columns) {
        for (int j = 1; j < %(threads)d; ++j) sum += part[j][threadIdx.x];
        sums[column] = accumulate ? sums[column] + sum : sum;
    }
}
"""


def with_row_sums(
    xp: Any,
    formula: Callable[..., Any],
    arrays: Sequence[Array],
    sums: Array,
    accumulate: bool,
    **numbers: Any,
) -> Array:
    """Do `Backend.with_row_sums`; `xp` is ``cupy``."""
    arrays = [xp.ascontiguousarray(array) for array in arrays]
    rows, columns = arrays[0].shape
    result: Array = xp.empty_like(arrays[0])
    kernel = _kernel(xp, formula, len(arrays), result.dtype.name, **numbers)
    grid, block = (-(-columns // COLUMNS),), (COLUMNS, THREADS)
    kernel(grid, block, (*arrays, result, sums, rows, columns, accumulate))
    return result


@functools.cache
def _kernel(xp: Any, formula: Callable[..., Any], n: int, dtype: str, /, **numbers: Any) -> Any:
    """Return the kernel for `n` arrays."""
    numbers = {name: inspect.unwrap(v) if callable(v) else v for name, v in numbers.items()}
    inputs = (Code(f"in{i}[i]") for i in range(n))
    source = KERNEL % {
        "type": {"float32": "float", "float64": "double"}[dtype],
        "name": formula.__name__,
        "inputs": ", ".join(f"const T* in{i}" for i in range(n)),
        "formula": inspect.unwrap(formula)(*inputs, **numbers),
        "columns": COLUMNS,
        "threads": THREADS,
    }
    return xp.RawKernel(source, formula.__name__)


class Code:
    """An expression of C that is written by computing with it."""

    dtype = "T"

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def astype(self, dtype: Any) -> Code:
        """Return the expression as a number of the arrays' dtype."""
        return Code(f"T({self})")


def _operator(sign: str, reflected: bool = False) -> Callable[[Code, Any], Code]:
    def apply(a: Code, b: Any) -> Code:
        other = b if isinstance(b, Code) else f"T({b!r})"
        return Code(f"({other} {sign} {a})" if reflected else f"({a} {sign} {other})")

    return apply


for _name, _sign in {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}.items():
    setattr(Code, f"__{_name}__", _operator(_sign))
    setattr(Code, f"__r{_name}__", _operator(_sign, reflected=True))
for _name, _sign in {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}.items():
    setattr(Code, f"__{_name}__", _operator(_sign))
