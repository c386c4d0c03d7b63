"""The names that the gradient of a parameter usually has."""

from __future__ import annotations

import re
from typing import Any

GRADIENTS = ("grads", "gradients", "grad", "gradient", "d", "deltas", "diffs")
WHOLE: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("params", "parameters", "param", "weights", "theta", "trainable", "variables"), GRADIENTS
)
WHOLE |= dict.fromkeys(
    ("data", "value", "val", "values", "array", "w"), ("grad", "gradient", "diff")
)
WHOLE["p"] = (*GRADIENTS, "g")


def plain(tokens: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the names without the underscores of a private name."""
    return tuple(
        re.sub(r"^_([A-Za-z0-9]+_)?_|^_+|_+$", "", t) if isinstance(t, str) else t for t in tokens
    )


def lower(tokens: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the names in lower case."""
    return tuple(t.lower() if isinstance(t, str) else t for t in tokens)


def partner_names(p: str) -> list[str]:
    """Return the names that the gradient of p may have, next to it."""
    names = [f"d{p}", f"{p}_grad", f"grad_{p}", f"d_{p}", f"{p}grad", f"grad{p}", f"{p}_gradient",
             f"gradient_{p}", f"g_{p}", f"{p}_g", f"delta_{p}", f"nabla_{p}", f"dl_d{p}",
             f"dld{p}", f"{p}_d", f"{p}_delta"]  # fmt: skip
    head, underscore, tail = p.rpartition("_")
    if underscore:
        names.append(f"{head}_d{tail}")
    return [*names, *WHOLE.get(p.lower(), ())]
