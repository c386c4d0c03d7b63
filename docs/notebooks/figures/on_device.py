"""Arrays that behave as those of a GPU in what matters for the notebook on GPUs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class OnDevice(NDArrayOperatorsMixin):
    """An array that takes part in arithmetic, counts what is read back, and meets no NumPy array.

    Examples
    --------
    >>> x = OnDevice([3.0, 4.0])
    >>> float((x * x).sum() ** 0.5)
    5.0
    >>> OnDevice.reads
    1
    """

    reads = 0
    may_read = True

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> OnDevice:
        for value in inputs:
            if isinstance(value, np.ndarray):
                raise TypeError("an array of the host meets one of the device")
        values = [x.values if isinstance(x, OnDevice) else x for x in inputs]
        return OnDevice(getattr(ufunc, method)(*values, **options))

    def __getitem__(self, key: Any) -> OnDevice:
        return OnDevice(self.values[key])

    def sum(self) -> OnDevice:
        return OnDevice(self.values.sum())

    def read(self) -> Any:
        """Return the values on the host; refused while a step is recorded."""
        if not OnDevice.may_read:
            raise RuntimeError("a copy from the device to the host, while a step is recorded")
        OnDevice.reads += 1
        return self.values

    def __float__(self) -> float:
        return float(self.read())

    def __int__(self) -> int:
        return int(self.read())

    def __bool__(self) -> bool:
        return bool(self.read())
