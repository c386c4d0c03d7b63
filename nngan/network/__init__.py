"""Networks: `sequential` is one over flat buffers, `tangents` its passes for gradient penalties."""

from .sequential import Sequential

__all__ = ["Sequential"]
