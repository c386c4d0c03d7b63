"""Is this game learning, and if not, what is wrong with it? ``nn.diagnose(gan, x)`` says so."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .by_hand import diagnose_step
from .diagnose import diagnose
from .report import Finding, Measurement, Report

__all__ = ["Finding", "Measurement", "Report", "diagnose", "diagnose_step"]


class _CallablePackage(ModuleType):
    """A package that can be called like its function.

    Python makes an imported package an attribute of the package around it: ``nn.diagnose`` is this
    package as soon as anything imports it, and must be the function too.
    """

    def __call__(self, *args: Any, **options: Any) -> Report:
        return diagnose(*args, **options)


sys.modules[__name__].__class__ = _CallablePackage
