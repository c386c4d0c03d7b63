"""Check a backward pass, and name its mistakes.

`check_gradients` checks a layer, a network, a loss, or a pair of functions; the report names the
mistake. ``python -m nngan.gradcheck file.py`` does the same for the classes in a file.
"""

from .check import assert_gradients, check_gradients
from .report import ArrayResult, Finding, Report

__all__ = ["ArrayResult", "Finding", "Report", "assert_gradients", "check_gradients"]
