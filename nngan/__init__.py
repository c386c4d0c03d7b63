"""nngan: a generative adversarial network by hand, on NumPy and on CuPy.

Every name is imported when it is first used. So the import of nngan takes no time, and a program
can do something before NumPy is imported (`nngan.interrupts`, `nngan.threads`).
"""

from __future__ import annotations

from .lazy import names
from .version import __version__ as __version__

TYPE_CHECKING = False  # type checkers know this name; typing itself takes time to import
if TYPE_CHECKING:
    from . import (
        backend,
        checkpoint,
        checks,
        command_line,
        commands,
        datasets,
        description,
        diagnosis,
        distributed,
        estimator,
        files,
        game,
        gan,
        gradcheck,
        interrupts,
        latent,
        layers,
        lazy,
        losses,
        metrics,
        mistakes,
        network,
        optim,
        penalties,
        plotting,
        recipes,
        runs,
        stored,
        threads,
        training,
        version,
        views,
    )
    from .backend import (
        Backend,
        BackendUnavailable,
        CupyBackend,
        MklBackend,
        NumbaBackend,
        NumpyBackend,
    )
    from .diagnosis.diagnose import diagnose
    from .gan import GAN
    from .gradcheck import assert_gradients, check_gradients
    from .layers import (
        BatchNorm,
        Dropout,
        Layer,
        LeakyReLU,
        Linear,
        Maxout,
        ReLU,
        Sigmoid,
        Tanh,
    )
    from .losses import bce, bce_with_logits
    from .network import Sequential
    from .optim import SGD, Adam, Optimizer

__getattr__ = names(
    __name__,
    {
        "backend": "Backend BackendUnavailable CupyBackend MklBackend NumbaBackend NumpyBackend",
        "diagnosis": "diagnose",
        "gan": "GAN",
        "gradcheck": "assert_gradients check_gradients",
        "layers": "BatchNorm Dropout Layer LeakyReLU Linear Maxout ReLU Sigmoid Tanh",
        "losses": "bce bce_with_logits",
        "network": "Sequential",
        "optim": "SGD Adam Optimizer",
    },
)

__all__ = [
    "GAN",
    "SGD",
    "Adam",
    "Backend",
    "BackendUnavailable",
    "BatchNorm",
    "CupyBackend",
    "Dropout",
    "Layer",
    "LeakyReLU",
    "Linear",
    "Maxout",
    "MklBackend",
    "NumbaBackend",
    "NumpyBackend",
    "Optimizer",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "assert_gradients",
    "bce",
    "bce_with_logits",
    "check_gradients",
    "datasets",
    "diagnose",
    "metrics",
    "penalties",
]


def __dir__() -> list[str]:
    from pkgutil import iter_modules

    return sorted({*globals(), *__all__, *(module.name for module in iter_modules(__path__))})
