"""All thresholds of a diagnosis, each with the measurement that it comes from.

`docs/diagnose.md` has the table of what was measured on healthy and on broken games.
"""

from __future__ import annotations

# Fewer steps are no training: of the outcome nothing is said.
EARLY_STEPS = 200
# G may begin with samples that are all alike, as `pytorch_mlp` does, and has to spread.
OUTCOME_STEPS = 1_000

# -- players: `players.py` ------------------------------------------------------------------------

WON_REAL, WON_FAKE = 0.995, 0.005  # means of D(x) and D(G(z)) when D is sure of all
LOST_GRADIENT = 1e-3  # of G's loss in its output, times the spread of the data
CHANCE = 0.05  # D's AUC may be as far from 1/2 and is still at chance
WORSE, SURELY = 0.45, 0.9  # AUC of a D that is behind G, and of a classifier that has no doubt
CLEARLY = 0.8  # AUC of a fresh classifier that tells data and fakes apart
LEARNS = 0.65  # AUC that D reaches in a few steps of its own, if it can learn
MIXED_LOSS = 0.2  # AUC that D loses if data and fakes are normalised together

# -- samples: `samples.py` ------------------------------------------------------------------------

MISSING_RATE = 0.1  # a mode with fewer samples than this share of its part in the data is missing
CLASS_RATE = 0.25  # the same of a class, which a classifier takes for another now and then
MISSING_MASS = 0.3  # of the data, in modes that are missing
PAIRWISE = 0.4  # distance of two samples, against that of two rows of the data
NEIGHBOURS = 0.07  # distance of a sample to the next of 200, against that of the data
LABEL_EFFECT = 0.05  # movement of a sample with its label, against that with z
LABEL_ACCURACY = 0.1  # of the way from chance to the accuracy on real data
COPY_RATIO = 0.4  # a copy is so much nearer to one row than to the next
COPIES = 0.25  # share of samples that are copies, above that of real rows

UNLIKE = 0.12  # energy distance above that of the data's halves, in distances of two rows
UNLIKE_NEAREST = 0.25  # the same of the distance to the nearest row; a healthy game had 0.18

LIKE, LIKE_NEAREST = 0.02, 0.05  # the same of samples that are like the data
STEEP = 3.0  # |dD/dx| of a Wasserstein critic: `critic.py`

# -- data and inference: `data.py`, `inference.py` -------------------------------------------------

TINY = 0.05  # range of the data, against that of G's output
TINY_SPREAD, WIDE_SPREAD = 0.02, 50.0  # of data, for a G whose output has no bounds
FEW = 200  # rows, which D can know by heart
MODES_APART = 1.6  # distance of two samples in inference, against training; and its inverse
STATISTICS_APART = 0.03  # energy distance of samples in inference to those in training, as UNLIKE

# -- motion: `motion.py`, `gradients.py` ----------------------------------------------------------

GRADIENT_ERROR = 0.05  # relative error of a gradient against the numerical one
FAST = 0.5  # movement of a layer's weights in a step, against their size
SLOW = 1e-6
AVERAGE_LAGS = 2.0  # energy distance of the average's samples, against those of the weights of now

# -- penalties: `motion.py` -----------------------------------------------------------------------

PENALTY_STRONG = 3.0  # size of the penalty's gradient, against that of the loss
PENALTY_IDLE = 1e-5

# -- units: `units.py` ----------------------------------------------------------------------------

DEAD = 0.95  # share of a layer's ReLU units that never work
SATURATED = 0.5  # share of a layer's outputs whose slope is below 1/100 of the largest

# -- trends: `trends.py` --------------------------------------------------------------------------

GROWN = 10.0  # size of a network's weights, against their start
SWING = 0.15  # typical change of the mean of D(x) or D(G(z)) from epoch to epoch
EPOCHS = 8  # of history that a trend needs
EXPLODED = 1e3  # a loss

# -- a game that is stepped by hand: `stepped/` ---------------------------------------------------

CLIMBS = -0.05  # cosine of a turned gradient's effect; an optimizer that descends has more than 0
MIXED, FLIPPED = 0.4, 0.7  # share of data that D is told are data, less that of fakes
CHANGED = 0.05  # of the spread: of data or fakes that D sees changed
TINY_CHANGE = 0.02  # in the distance to the nearest row, in distances of two rows
BIASED = 1.5  # energy distance of a minibatch to the data, against the most of random ones
NEARER = 0.85  # distance of two rows of a minibatch, against two of the data
LABELS_APART, LABELS_SOMEWHAT = 0.5, 0.25  # difference of the shares of classes
PAIRED = 0.8  # share of rows that have their own label
