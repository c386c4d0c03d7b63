"""What a network is, in words that JSON can hold, and the network that such words describe.

These functions are methods of `Sequential`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import layers as _layers
from ..backend import Backend
from ..layers import Layer

if TYPE_CHECKING:
    from .sequential import Sequential


def config(network: Sequential) -> dict[str, Any]:
    """Return a description from which `Sequential.from_config` makes the same network."""
    layers = [{"type": _type_name(type(layer)), **layer.config()} for layer in network.layers]
    config = {"layers": layers, "seed": network.seed, "dtype": str(network.dtype)}
    name = _type_name(type(network))
    return config if name == "Sequential" else {"type": name, **config}


def from_config(
    cls: type[Sequential],
    config: dict[str, Any],
    backend: str | Backend = "numpy",
    layers: Sequence[type[Layer]] = (),
) -> Sequential:
    """Make the network that `config` described.

    Parameters
    ----------
    config : dict
        What `config()` returned.
    backend : str or Backend
        Where it shall live.
    layers : sequence of Layer subclasses
        Layers of your own that it uses, beside the library's.

    Raises
    ------
    ValueError
        When it names a layer that is neither the library's nor among `layers`.
    """
    library = _library()
    own = {kind.__name__: kind for kind in layers}

    def kind_of(entry: dict[str, Any]) -> type[Layer]:
        full_name = entry.pop("type", "Sequential")
        module, _, name = full_name.rpartition(".")
        kind = own.get(name) if module else library.get(name, own.get(name))
        if kind is None:
            raise ValueError(f"unknown layer {full_name!r}: pass its class in layers=[...]")
        return kind

    made: list[Layer] = []
    for entry in map(dict, config["layers"]):
        kind = kind_of(entry)
        if issubclass(kind, library["Sequential"]):
            made.append(cls.from_config({"type": _type_name(kind), **entry}, "numpy", layers))
        else:
            made.append(kind(**entry))
    network: Any = kind_of(dict(config))
    made_network: Sequential = network(
        *made, seed=config["seed"], dtype=config["dtype"], backend=backend
    )
    return made_network


def _library() -> dict[str, type[Layer]]:
    from .sequential import Sequential  # which has the functions above

    kinds = [kind for kind in vars(_layers).values() if isinstance(kind, type)]
    return {kind.__name__: kind for kind in (*kinds, Sequential) if issubclass(kind, Layer)}


def _type_name(kind: type[Layer]) -> str:
    """Return the name of a layer's class in a description; that of your own has its module's."""
    ours = kind in _library().values()
    return kind.__name__ if ours else f"{kind.__module__}.{kind.__qualname__}"
