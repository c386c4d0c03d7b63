"""Adversarial objectives: the losses that D and G minimise, as functions of D's output.

Throughout, o is D's output ("logit"), r_n = o(x_n) that of real data and f_n = o(G(z_n)) that of
fakes, and E the mean over the N of a minibatch. Under ``minimax`` and ``non_saturating`` o is the
log-odds that a sample is real; under ``least_squares`` it is the label itself; elsewhere it is a
score, of which only differences, or the sign, mean something. The "d_real" and "d_fake" of a
training history are the means of sigmoid(o) under all of them: comparable, but a probability under
the first two alone.

================== ==================================== ===================== ==================
name               D minimises                          G minimises           at chance: D, G
================== ==================================== ===================== ==================
``minimax``        E softplus(-r) + E softplus(f)       -E softplus(f)        2 ln 2, -ln 2
``non_saturating`` the same                             E softplus(-f)        2 ln 2, ln 2
``least_squares``  1/2 E (r - 1)**2 + 1/2 E f**2        1/2 E (f - 1)**2      1/4, 1/8
``hinge``          E max(0, 1 - r) + E max(0, 1 + f)    -E f                  2, any
``wasserstein``    -E r + E f                           -E f                  0, any
``relativistic``   E softplus(-(r - f))                 E softplus(r - f)     ln 2, ln 2
================== ==================================== ===================== ==================

The numbers in brackets below are these papers:

- [1] Goodfellow et al., "Generative adversarial nets", NIPS 2014.
- [2] Salimans et al., "Improved techniques for training GANs", NIPS 2016.
- [3] Mao et al., "Least squares generative adversarial networks", ICCV 2017.
- [4] Arjovsky, Chintala and Bottou, "Wasserstein generative adversarial networks", ICML 2017.
- [5] Lim and Ye, "Geometric GAN", 2017.
- [6] Miyato et al., "Spectral normalization for generative adversarial networks", ICLR 2018.
- [7] Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard
  GAN", ICLR 2019.
- [8] Sun, Fang and Schwing, "Towards a better global loss landscape of GANs", NeurIPS 2020.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ..backend import Array, array_module, mean_of
from ..layers.activations import sigmoid
from .bce import bce_with_logits, softplus


class Objective(NamedTuple):
    """The two losses of an adversarial game, both to be minimised.

    Attributes
    ----------
    discriminator : callable
        ``(real_logits, fake_logits, label_smoothing) -> (loss, d_real_logits, d_fake_logits)``.
    generator : callable
        ``(fake_logits) -> (loss, d_fake_logits)``, or, if `pairs`,
        ``(fake_logits, real_logits) -> (loss, d_fake_logits)``.
    d_chance, g_chance : float or None
        The losses if D answers 1/2 to everything (scores all samples alike), without penalties.
        None if that leaves G's loss open: a score whose zero is arbitrary.
    labels : bool
        Whether real data have a label, which `label_smoothing` can move; else it must be 0.
    logits : bool
        Whether the losses take the sigmoid of D's output, so that D must not end in one.
    pairs : bool
        Whether G's loss compares fakes with real data, which takes a pass of real data through D.
    """

    discriminator: Callable[[Array, Array, float], tuple[Array, Array, Array]]
    generator: Callable[..., tuple[Array, Array]]
    d_chance: float
    g_chance: float | None
    labels: bool = True
    logits: bool = False
    pairs: bool = False


def discriminator_bce(
    real_logits: Array, fake_logits: Array, label_smoothing: float = 0.0
) -> tuple[Array, Array, Array]:
    """Loss of D: -E ln D(x) - E ln(1 - D(G(z))), the negative of equation 1 in [1].

    One-sided label smoothing ([2], section 3.4) replaces the label 1 of real data by
    1 - label_smoothing, and leaves the label 0 of fakes alone: smoothed too, it would make the best
    D flat in regions with fakes alone, so that no gradient tells them where to go.
    """
    real_loss, d_real = bce_with_logits(real_logits, 1 - label_smoothing)
    fake_loss, d_fake = bce_with_logits(fake_logits, 0.0)
    return real_loss + fake_loss, d_real, d_fake


def generator_minimax(fake_logits: Array) -> tuple[Array, Array]:
    """Loss of G in equation 1 of [1]: E ln(1 - D(G(z))).

    Its gradient in the logits is -sigmoid(o) / N: nearly zero where D is sure of a fake, which is
    where G begins.
    """
    loss, dlogits = bce_with_logits(fake_logits, 0.0)
    return -loss, -dlogits


def generator_non_saturating(fake_logits: Array) -> tuple[Array, Array]:
    """Loss of G in practice ([1], end of section 3): -E ln D(G(z)).

    Its gradient in the logits is (sigmoid(o) - 1) / N: largest where D is sure of a fake.
    """
    return bce_with_logits(fake_logits, 1.0)


def discriminator_least_squares(
    real_logits: Array, fake_logits: Array, label_smoothing: float = 0.0
) -> tuple[Array, Array, Array]:
    """Loss of D: 1/2 E (r - 1)**2 + 1/2 E f**2 ([3], equation 2 with a = 0, b = 1).

    dL/dr_n = (r_n - 1) / N and dL/df_n = f_n / N. The best D is p / (p + p_G) as in [1], without a
    sigmoid. Label smoothing replaces 1 by 1 - label_smoothing.
    """
    real_loss, d_real = _half_square(real_logits, 1 - label_smoothing)
    fake_loss, d_fake = _half_square(fake_logits, 0.0)
    return real_loss + fake_loss, d_real, d_fake


def generator_least_squares(fake_logits: Array) -> tuple[Array, Array]:
    """Loss of G: 1/2 E (f - 1)**2 ([3], equation 9 with c = 1), with dL/df_n = (f_n - 1) / N.

    It grows with the distance from the label, on either side: a fake far on the wrong side of D
    has a large gradient, and one far on the right side is pulled back.
    """
    return _half_square(fake_logits, 1.0)


def discriminator_wasserstein(
    real_logits: Array, fake_logits: Array, label_smoothing: float = 0.0
) -> tuple[Array, Array, Array]:
    """Loss of the critic: E f - E r ([4], equation 2), with dL/dr_n = -1/N and dL/df_n = 1/N.

    Its negative, maximised over all functions with a Lipschitz constant of at most 1, is the
    Wasserstein-1 distance of data and fakes. This loss does not keep D to such functions: without a
    penalty on its gradient its scores grow without end.
    """
    xp = array_module(real_logits)
    loss = fake_logits.mean() - real_logits.mean()
    d_real = xp.full_like(real_logits, -1 / real_logits.size)
    d_fake = xp.full_like(fake_logits, 1 / fake_logits.size)
    return loss, d_real, d_fake


def generator_score(fake_logits: Array) -> tuple[Array, Array]:
    """Loss of G against a critic ([4]) or a hinge ([6]): -E f, with dL/df_n = -1/N."""
    xp = array_module(fake_logits)
    return -fake_logits.mean(), xp.full_like(fake_logits, -1 / fake_logits.size)


def discriminator_hinge(
    real_logits: Array, fake_logits: Array, label_smoothing: float = 0.0
) -> tuple[Array, Array, Array]:
    """Loss of D: E max(0, 1 - r) + E max(0, 1 + f), as in a support vector machine ([5], [6]).

    dL/dr_n = -[r_n < 1] / N and dL/df_n = [f_n > -1] / N: a sample beyond its margin counts no
    more. At the kinks r_n = 1 and f_n = -1 we take 0.
    """
    xp = array_module(real_logits)
    real_gap, fake_gap = xp.maximum(1 - real_logits, 0), xp.maximum(1 + fake_logits, 0)
    d_real = (real_gap > 0).astype(real_logits.dtype) / -real_logits.size
    d_fake = (fake_gap > 0).astype(fake_logits.dtype) / fake_logits.size
    return real_gap.mean() + fake_gap.mean(), d_real, d_fake


def discriminator_relativistic(
    real_logits: Array, fake_logits: Array, label_smoothing: float = 0.0
) -> tuple[Array, Array, Array]:
    """Loss of D: E softplus(-(r - f)), that a real sample scores above the fake of its pair.

    That is -E ln sigmoid(r_n - f_n) ([7]), and because softplus' = sigmoid,
    dL/dr_n = -sigmoid(f_n - r_n) / N and dL/df_n = sigmoid(f_n - r_n) / N. Pairs leave no mode
    out ([8]).
    """
    loss, d_real = _pairs(real_logits, fake_logits)
    return loss, d_real, -d_real


def generator_relativistic(fake_logits: Array, real_logits: Array) -> tuple[Array, Array]:
    """Loss of G: E softplus(-(f - r)), that each fake scores above the real sample of its pair.

    dL/df_n = -sigmoid(r_n - f_n) / N. The real scores r do not depend on G; they only say how high
    a fake must score.
    """
    return _pairs(fake_logits, real_logits)


def _half_square(outputs: Array, label: float) -> tuple[Array, Array]:
    """Return 1/2 E (o - label)**2 and its gradient (o - label) / N."""
    error = outputs - label
    return 0.5 * (error * error).mean(), error / outputs.size


def _pairs(above: Array, below: Array) -> tuple[Array, Array]:
    """Return E softplus(below - above) and its gradient in `above`."""
    if above.shape != below.shape:
        raise ValueError(
            "a relativistic loss pairs real and fake logits and needs as many of each, got "
            f"{above.shape} and {below.shape}"
        )
    gap = below - above
    return mean_of(softplus, gap), sigmoid(gap) / -gap.size


_LN2 = math.log(2)

OBJECTIVES = {
    "minimax": Objective(discriminator_bce, generator_minimax, 2 * _LN2, -_LN2, logits=True),
    "non_saturating": Objective(
        discriminator_bce, generator_non_saturating, 2 * _LN2, _LN2, logits=True
    ),
    "least_squares": Objective(discriminator_least_squares, generator_least_squares, 1 / 4, 1 / 8),
    "hinge": Objective(discriminator_hinge, generator_score, 2.0, None, labels=False),
    "wasserstein": Objective(discriminator_wasserstein, generator_score, 0.0, None, labels=False),
    "relativistic": Objective(
        discriminator_relativistic,
        generator_relativistic,
        _LN2,
        _LN2,
        labels=False,
        logits=True,
        pairs=True,
    ),
}
