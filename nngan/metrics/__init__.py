"""How good are the samples? Each measure with its paper, its protocol and what real data score.

All take arrays of either backend. No single one decides: each can be fooled, each by other means.
"""

from .classes import class_kl, confident_share, histogram, kl_divergence
from .estimate import Estimate, jackknife
from .evaluate import TITLES, evaluate, quick, real_data
from .frechet import frechet_distance
from .judge import Judge, JudgeError, judge, judge_path
from .modes import Modes, modes, over_runs
from .neighbours import PRDC, nearest, prdc
from .parzen import Parzen, log_density, parzen

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
    "evaluate",
    "frechet_distance",
    "histogram",
    "jackknife",
    "judge",
    "judge_path",
    "kl_divergence",
    "log_density",
    "modes",
    "nearest",
    "over_runs",
    "parzen",
    "prdc",
    "quick",
    "real_data",
]
