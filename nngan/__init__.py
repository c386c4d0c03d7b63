"""nngan: a generative adversarial network by hand, on NumPy and on CuPy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import layers, losses, penalties, training
from .backend import (
    Backend,
    BackendUnavailable,
    CupyBackend,
    MklBackend,
    NumbaBackend,
    NumpyBackend,
)
from .gan import GAN
from .layers import *  # noqa: F403 (the names in layers.__all__)
from .losses import bce, bce_with_logits
from .network import Sequential
from .optim import SGD, Adam, Optimizer
from .version import __version__ as __version__

if TYPE_CHECKING:
    from . import (
        checkpoint,
        datasets,
        diagnosis,
        distributed,
        estimator,
        game,
        gradcheck,
        latent,
        metrics,
        mistakes,
        plotting,
        recipes,
        runs,
    )
    from .diagnosis.diagnose import diagnose
    from .gradcheck import assert_gradients, check_gradients

__all__ = [
    "GAN",
    "SGD",
    "Adam",
    "Backend",
    "BackendUnavailable",
    "CupyBackend",
    "MklBackend",
    "NumbaBackend",
    "NumpyBackend",
    "Optimizer",
    "Sequential",
    "assert_gradients",
    "bce",
    "bce_with_logits",
    "check_gradients",
    "datasets",
    "diagnose",
    "metrics",
    "penalties",
]
__all__ += layers.__all__

# Imported when they are first used, so that ``import nngan`` stays light.
LAZY = {
    "assert_gradients": "gradcheck",
    "check_gradients": "gradcheck",
    "diagnose": "diagnosis",
    **{
        name: name
        for name in (
            "command_line", "commands", "datasets", "diagnosis", "distributed", "estimator",
            "gradcheck", "latent", "metrics", "mistakes", "plotting", "recipes", "runs",
        )
    },
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{LAZY[name]}", __name__)
    return module if name == LAZY[name] else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *LAZY})


def _run_folder(name: str) -> Any:
    """Find `nngan.runs.RunFolder` as ``nngan.training.RunFolder`` too, where users look for it."""
    if name == "RunFolder":
        return import_module(".runs", __name__).RunFolder
    raise AttributeError(f"module {training.__name__!r} has no attribute {name!r}")


vars(training)["__getattr__"] = _run_folder  # from here, because `runs` is above `training`
