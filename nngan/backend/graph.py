"""A step as one CUDA graph: recorded once, replayed with a single launch.

A training step is some hundred small kernels, and launching them one by one takes longer than
computing them. A capture records the launches instead of running them: kernels, addresses and the
numbers of the host, all frozen. Hence the contract of `Backend.compile`: a step takes no
arguments, reads nothing back and updates its state in place, on the device.
"""

from __future__ import annotations

import contextlib
import gc
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from ..checks import one_line

# Kernels are compiled and loaded at their first launch, which must not be in a capture: the first
# call makes them all or, where it makes the step's state, the second. The third is a reserve.
WARM_UP_CALLS = 3


class CudaGraph:
    """A function that does the same as `step`: call by call at first, then replayed as a graph.

    The graph knows the addresses of the arrays that `step` had when it was captured, and is good
    for these alone. Capture in one thread at a time.

    Parameters
    ----------
    cupy : module
    step : callable
        Without arguments; see the contract above.

    Warns
    -----
    RuntimeWarning
        Once, with the reason, when the step cannot be captured. It goes on call by call, and
        nothing is lost: a capture computes nothing, and the step keeps no state on the host.

    References
    ----------
    CUDA C++ Programming Guide, "CUDA Graphs"; cupy issue 9655, on steps that are not in place.
    """

    def __init__(self, cupy: Any, step: Callable[[], object]) -> None:
        self._cupy, self._step = cupy, step
        self._warm_up = WARM_UP_CALLS
        self._run: Callable[[], object] | None = None

    def __call__(self) -> None:
        """Run the step once, on the current stream."""
        if self._warm_up:
            self._warm_up -= 1
            self._step()
            return
        if self._run is None:
            self._run = self._step  # unless the capture succeeds
            # Temporaries of the capture are freed in it, and the graph goes on writing to them.
            # From the common pool other arrays would get this memory; a pool of its own never
            # hands it out. What the warm-up left in the common pool is given back first: the step
            # would take its memory twice.
            self._cupy.cuda.get_current_stream().synchronize()
            self._cupy.get_default_memory_pool().free_all_blocks()
            pool = self._cupy.cuda.MemoryPool()
            reason = None
            try:
                self._run = self._capture(pool).launch
                weakref.finalize(self, pool.free_all_blocks).atexit = False  # until then it is kept
            except Exception as error:  # CuPy and CUDA refuse with many types
                reason = one_line(f"{type(error).__name__}: {error}")
            if reason:  # the error is gone, and with it the arrays that its frames held
                pool.free_all_blocks()
                warnings.warn(
                    "the step cannot be captured as a CUDA graph and runs call by call, slower "
                    f"but to the same result ({reason})",
                    RuntimeWarning,
                    stacklevel=2,
                )
        self._run()

    def _capture(self, pool: Any) -> Any:
        """Return the recorded step, a ``cupy.cuda.Graph``. Nothing is computed."""
        cuda = self._cupy.cuda
        stream = cuda.Stream(non_blocking=True)  # the default stream cannot be captured
        with _no_garbage_collection(), stream, cuda.using_allocator(pool.malloc):
            stream.begin_capture()
            try:
                self._step()
            except BaseException:
                with contextlib.suppress(Exception):  # it may raise too: the capture is spoilt
                    stream.end_capture()
                raise
            return stream.end_capture()


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect no garbage meanwhile: to free another graph during a capture would spoil it."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
