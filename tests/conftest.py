"""One test body for every backend: the fixtures `backend` and `gpu`; and no network.

`backend` is NumPy, NumPy with Numba's kernels, that with MKL's products, and CuPy; `gpu` is CuPy.
All but NumPy are skipped, with the reason, where they cannot run: CuPy needs a GPU, or the one that
is not there (tests/fake_gpu/README.md). Tests hand a backend NumPy arrays through `backend.asarray`
and compare what comes back from `backend.to_numpy`.
"""

import contextlib
import os
import signal
import socket

# The matrices of the tests are small, and threads that wait for each other make them slower.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # alone, the threads of MKL and of the loops are tested
    os.environ.setdefault("MKL_NUM_THREADS", "1")

import pytest

from nngan.backend import BackendUnavailable, get_backend


def pytest_configure(config):
    """Set up other packages, where they are: in a browser they are not."""
    with contextlib.suppress(ImportError):
        from hypothesis import HealthCheck, settings

        # That a machine is slow is no fault of a test.
        checks = [HealthCheck.too_slow]
        settings.register_profile("slow", deadline=None, suppress_health_check=checks)
        settings.load_profile("slow")
    if not hasattr(config, "workerinput"):
        # Matplotlib looks for fonts once: processes that do it at once wait, and complain.
        with contextlib.suppress(ImportError):
            import matplotlib.font_manager  # noqa: F401


@pytest.fixture(autouse=True)
def _signals_are_handled_as_before():
    """Undo what a program that a test has run in this process does with Ctrl-C and SIGTERM."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def backend_or_skip(name):
    try:
        return get_backend(name)
    except BackendUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(
    scope="session",
    params=["numpy", "numba", "mkl", pytest.param("cupy", marks=pytest.mark.gpu)],
)
def backend(request):
    return backend_or_skip(request.param)


@pytest.fixture(scope="session")
def gpu():
    return backend_or_skip("cupy")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if "gpu" in item.fixturenames:
            item.add_marker(pytest.mark.gpu)


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
