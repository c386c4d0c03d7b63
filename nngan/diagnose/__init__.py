"""Is this game learning, and if not, what is wrong with it?"""

from .report import Finding, Measurement, Report

__all__ = ["Finding", "Measurement", "Report"]
