"""How good the samples are: each metric with its paper, its protocol and the score of real data.

All metrics take arrays of either backend. Use several: each can be fooled in its own way.
"""

from .classes import class_kl, confident_share, histogram, kl_divergence
from .energy import energy_distance
from .estimate import Estimate, jackknife
from .frechet import frechet_distance
from .judge import Judge, JudgeError, judge_path, load_judge
from .modes import Modes, count_modes, over_runs
from .neighbours import PRDC, nearest, nearest_other, prdc
from .parzen import Parzen, log_density, parzen_log_likelihood
from .scores import (
    PIXEL_TITLES,
    TITLES,
    all_scores,
    pixel_scores,
    quick_scores,
    reference_scores,
)

__all__ = [
    "PIXEL_TITLES",
    "PRDC",
    "TITLES",
    "Estimate",
    "Judge",
    "JudgeError",
    "Modes",
    "Parzen",
    "all_scores",
    "class_kl",
    "confident_share",
    "count_modes",
    "energy_distance",
    "frechet_distance",
    "histogram",
    "jackknife",
    "judge_path",
    "kl_divergence",
    "load_judge",
    "log_density",
    "nearest",
    "nearest_other",
    "over_runs",
    "parzen_log_likelihood",
    "pixel_scores",
    "prdc",
    "quick_scores",
    "reference_scores",
]
