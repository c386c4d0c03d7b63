"""How the threads of other libraries wait for each other, when the command line starts.

A thread that has nothing to do first waits by looking again and again, in case there is something
soon, and then sleeps. GNU's OpenMP, on whose threads the backend mkl computes, looks for some
milliseconds. If another program uses the core meanwhile, all threads wait for the one that has no
core, and a step takes a hundred times as long.
"""

import os

# Read by the libraries when they are loaded: before NumPy and Numba are.
LOOKS = {"GOMP_SPINCOUNT": "1000"}
OF_THE_USER = "OMP_WAIT_POLICY", *LOOKS


def wait_asleep() -> None:
    """Let waiting threads sleep soon, unless the environment sets how they wait."""
    if not any(name in os.environ for name in OF_THE_USER):
        os.environ.update(LOOKS)
