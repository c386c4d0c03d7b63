"""Is this game learning, and if not, what is wrong with it? ``nn.diagnose(gan, x)`` says so."""

from .by_hand import diagnose_step
from .diagnose import diagnose
from .report import Finding, Measurement, Report

__all__ = ["Finding", "Measurement", "Report", "diagnose", "diagnose_step"]
