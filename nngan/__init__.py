"""nngan: a generative adversarial network by hand, on NumPy and on CuPy.

Its names and submodules are loaded when they are first used, so that the command line can say how
the threads of NumPy's library shall wait before NumPy is loaded (`nngan.threads`).
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from .version import __version__ as __version__

if TYPE_CHECKING:
    from . import (
        backend,
        checkpoint,
        commands,
        datasets,
        diagnosis,
        distributed,
        estimator,
        game,
        gradcheck,
        latent,
        layers,
        losses,
        metrics,
        mistakes,
        penalties,
        plotting,
        recipes,
        runs,
        training,
    )
    from .backend import Backend as Backend
    from .backend import BackendUnavailable as BackendUnavailable
    from .backend import CupyBackend as CupyBackend
    from .backend import MklBackend as MklBackend
    from .backend import NumbaBackend as NumbaBackend
    from .backend import NumpyBackend as NumpyBackend
    from .diagnosis.diagnose import diagnose as diagnose
    from .gan import GAN as GAN
    from .gradcheck import assert_gradients as assert_gradients
    from .gradcheck import check_gradients as check_gradients
    from .layers import *  # noqa: F403 (the names in layers.__all__)
    from .losses import bce as bce
    from .losses import bce_with_logits as bce_with_logits
    from .network import Sequential as Sequential
    from .optim import SGD as SGD
    from .optim import Adam as Adam
    from .optim import Optimizer as Optimizer

# Where each name is, but for the layers, whose list is `nngan.layers.__all__`.
NAMES = {
    "GAN": "gan", "Sequential": "network", "SGD": "optim", "Adam": "optim", "Optimizer": "optim",
    "Backend": "backend", "BackendUnavailable": "backend", "CupyBackend": "backend",
    "MklBackend": "backend", "NumbaBackend": "backend", "NumpyBackend": "backend",
    "assert_gradients": "gradcheck", "check_gradients": "gradcheck", "diagnose": "diagnosis",
    "bce": "losses", "bce_with_logits": "losses",
}  # fmt: skip
MODULES = "datasets", "metrics", "penalties"  # what ``from nngan import *`` has besides


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return [*NAMES, *MODULES, *import_module(".layers", __name__).__all__]
    if name in NAMES:
        value = getattr(import_module(f".{NAMES[name]}", __name__), name)
    elif not name.startswith("_") and find_spec(f"{__name__}.{name}"):
        value = import_module(f".{name}", __name__)
    elif not name.startswith("_") and name in import_module(".layers", __name__).__all__:
        value = getattr(import_module(".layers", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    modules = [module.name for module in iter_modules(__path__)]  # noqa: F405
    return sorted({*globals(), *__getattr__("__all__"), *modules})
