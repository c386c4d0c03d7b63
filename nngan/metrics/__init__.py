"""How good are the samples? Each measure with its paper, its protocol and what real data score.

All take arrays of either backend. No single one decides: each can be fooled, each by other means.
"""

from .classes import class_kl, confident_share, histogram, kl_divergence
from .estimate import Estimate, jackknife
from .frechet import frechet_distance
from .judge import Judge, JudgeError, judge_path, load_judge
from .modes import Modes, count_modes, over_runs
from .neighbours import PRDC, nearest, prdc
from .parzen import Parzen, log_density, parzen_log_likelihood
from .table import TITLES, evaluate, quick, real_data

__all__ = [
    "PRDC",
    "TITLES",
    "Estimate",
    "Judge",
    "JudgeError",
    "Modes",
    "Parzen",
    "class_kl",
    "confident_share",
    "count_modes",
    "evaluate",
    "frechet_distance",
    "histogram",
    "jackknife",
    "judge_path",
    "kl_divergence",
    "load_judge",
    "log_density",
    "nearest",
    "over_runs",
    "parzen_log_likelihood",
    "prdc",
    "quick",
    "real_data",
]
