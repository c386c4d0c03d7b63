"""One test body for every backend: the fixtures `backend` and `strict`; and no network.

`backend` is NumPy, NumPy with Numba's kernels, that with MKL's products, CuPy's code on the strict
stand-in (tests/strict_cupy.py), and CuPy itself; Numba, MKL and CuPy are skipped, with the reason,
where they cannot run. Tests hand it NumPy arrays through `backend.asarray` and compare what comes
back from `backend.to_numpy`.
"""

import os
import socket
import sys

# The matrices of the tests are small, and threads that wait for each other make them slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # alone, the threads of MKL and of the loops are tested
    os.environ.setdefault("MKL_NUM_THREADS", "1")

import philox
import pytest
import strict_cupy
from fake_cublas import FakeCublas

from nngan.backend import BackendUnavailable, CupyBackend, cublas, get_backend

strict_cupy.RawKernel.twins["philox4x64"] = philox.kernel


class StrictBackend(CupyBackend):
    """CuPy's backend on the stand-ins for CuPy and cuBLAS. All of its code runs."""

    def __init__(self):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "cupy", strict_cupy)
            patch.setattr(cublas, "load_library", FakeCublas)
            super().__init__()


@pytest.fixture(scope="session")
def strict():
    return StrictBackend()


@pytest.fixture(
    scope="session",
    params=["numpy", "numba", "mkl", "strict", pytest.param("cupy", marks=pytest.mark.gpu)],
)
def backend(request, strict):
    if request.param == "strict":
        return strict
    try:
        return get_backend(request.param)
    except BackendUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def _no_kernel_is_loaded(monkeypatch):
    """Each test starts as a fresh process does: what warms a step up is its own first calls."""
    monkeypatch.setattr(strict_cupy, "loaded", set())


@pytest.fixture(scope="session", autouse=True)
def _no_network():
    """Make every way to another machine fail, loudly: not with an OSError that code may expect."""

    def local_only(function, host_of):
        def guarded(*args, **options):
            if host_of(*args) not in (None, "127.0.0.1", "::1", "localhost"):
                raise RuntimeError(f"a test must not reach the network: {host_of(*args)}")
            return function(*args, **options)

        return guarded

    def host_of(_socket, address):
        return address[0] if isinstance(address, tuple) else None  # a Unix socket has a path

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, local_only(getattr(socket.socket, name), host_of))
        patch.setattr(socket, "getaddrinfo", local_only(socket.getaddrinfo, lambda host, *_: host))
        yield
