"""Check a backward pass, and name its mistakes.

`check_gradients` checks a layer, a network, a loss, or a pair of functions; the report names the
mistake. ``python -m nngan.gradcheck file.py`` does the same for the classes in a file.
"""

from ..lazy import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .check import assert_gradients, check_gradients
    from .report import ArrayResult, Finding, Report

__getattr__ = names(
    __name__,
    {"check": "assert_gradients check_gradients", "report": "ArrayResult Finding Report"},
)

__all__ = ["ArrayResult", "Finding", "Report", "assert_gradients", "check_gradients"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
