"""Networks: `sequential` is one over flat buffers, `tangents` its passes for gradient penalties.

`checks` says which layers may make one, `description` what it is in words.
"""

from .sequential import Sequential

__all__ = ["Sequential"]
