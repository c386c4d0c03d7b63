"""Algorithm 1 of Goodfellow et al. 2014: a step of D, a step of G, both in one; and G's average.

In all steps x is a minibatch of data, (N, features), and z one of noise, (N, latent_dim). In a game
with classes y holds the labels of x, one-hot, (N, classes), and the fakes get the same labels.
Losses and means are 0-d arrays, of the networks before the update.
"""

from __future__ import annotations

from typing import Any

from ..backend import Array, Backend, Stream, array_module, each, fused, loop_of, mean_of
from ..layers.activations import sigmoid
from ..penalties import add_penalty, one_centred, zero_centred
from .inputs import d_input, d_input_gradient, g_input
from .state import State


def discriminator_step(
    game: State, x: Array, z: Array, i: int = 0, *, y: Array | None = None, penalise: bool = True
) -> tuple[Array, Array, Array]:
    """Move D up the gradient of V: the inner loop of Algorithm 1.

    Parameters
    ----------
    game : State
    x, z, y : arrays
        Data, noise and labels; the head of this file has their shapes.
    i : int
        The number of this step among the k of a training step (dropout masks differ).
    penalise : bool
        Whether the game's penalties are due in this step.

    Returns
    -------
    loss, d_real, d_fake : 0-d arrays
        D's loss with its penalties, the mean of D(x) and the mean of D(G(z)).
    """
    G, D, rules = game.G, game.D, game.rules
    g_key, real_key, fake_key = game.keys(Stream.DISCRIMINATOR_STEP, 3, i)
    fake, _ = G.forward(g_input(rules, z, y), key=g_key)
    x, fake = d_input(rules, x, y), d_input(rules, fake, y)
    real_logits, real_cache = D.forward(x, key=real_key)
    fake_logits, fake_cache = D.forward(fake, key=fake_key)
    loss, d_real, d_fake = rules.objective.discriminator(
        real_logits, fake_logits, rules.label_smoothing
    )
    r1, r2 = (rules.r1, rules.r2) if penalise else (0.0, 0.0)
    loss = add_d_gradients(game, loss, real_logits, real_cache, d_real, r1, accumulate=False)
    loss = add_d_gradients(game, loss, fake_logits, fake_cache, d_fake, r2)
    if rules.gradient_penalty and penalise:
        loss += penalise_between(game, x, fake, i)
    game.d_optimizer.step()
    return loss, mean_of(sigmoid, real_logits), mean_of(sigmoid, fake_logits)


def add_d_gradients(
    game: State,
    loss: Array,
    logits: Array,
    cache: list[Any],
    dlogits: Array,
    gamma: float,
    accumulate: bool = True,
) -> Array:
    """Add the gradients of D's loss in one minibatch, and of R1 or R2 if gamma > 0, to D.grads.

    Return the loss, with the penalty.
    """
    if not gamma:
        game.D.backward(dlogits, cache, input_grad=False, accumulate=accumulate)
        return loss
    return loss + add_penalty(
        game.D, logits, cache, zero_centred(game.rules.penalty_every * gamma),
        dlogits=dlogits, accumulate=accumulate, columns=game.feature_columns,
    )  # fmt: skip


def penalise_between(game: State, x: Array, fake: Array, i: int = 0) -> Array:
    """Add the gradient of the Wasserstein penalty to D's: a third pass, between data and fakes.

    x_hat = e x + (1 - e) G(z), with one e ~ U(0, 1] for each row that D judges. (It is computed as
    G(z) + e (x - G(z)), so that a label that both have is exactly itself.) `x` and `fake` are the
    two inputs of D in this step, and `i` its number.

    References
    ----------
    Gulrajani et al., "Improved training of Wasserstein GANs", NIPS 2017, eq. 3, Algorithm 1.
    """
    D, rules = game.D, game.rules
    e_key, d_key = game.keys(Stream.BETWEEN, 2, i)
    e = game.backend.uniform(e_key, (len(x), 1), D.dtype)
    logits, cache = D.forward(fake + e * (x - fake), key=d_key)
    phi = one_centred(rules.penalty_every * rules.gradient_penalty)
    return add_penalty(D, logits, cache, phi, columns=game.feature_columns)


def joined_discriminator_step(
    game: State, x: Array, z: Array, i: int = 0, *, y: Array | None = None, penalise: bool = True
) -> tuple[Array, Array, Array]:
    """Do `discriminator_step` with data and fakes in one minibatch: one pass through D, not two.

    The gradient of a sum is the sum of the gradients, so only the rounding differs. `may_join` says
    when: no layer of D couples or draws anything, and neither R1 nor R2 is due.
    """
    G, D, rules, xp = game.G, game.D, game.rules, game.backend.xp
    g_key, d_key, _ = game.keys(Stream.DISCRIMINATOR_STEP, 3, i)
    fake, _ = G.forward(g_input(rules, z, y), key=g_key)
    x, fake = d_input(rules, x, y), d_input(rules, fake, y)
    n = len(x)
    logits, cache = D.forward(both(x, fake), key=d_key)
    real_logits, fake_logits = logits[:n], logits[n:]
    loss, *dlogits = rules.objective.discriminator(real_logits, fake_logits, rules.label_smoothing)
    D.backward(xp.concatenate(dlogits), cache, input_grad=False, accumulate=False)
    if rules.gradient_penalty and penalise:
        loss += penalise_between(game, x, fake, i)
    game.d_optimizer.step()
    return loss, mean_of(sigmoid, real_logits), mean_of(sigmoid, fake_logits)


def both(x: Array, fake: Array) -> Array:
    """Return data and fakes, each as D takes them, as one minibatch."""
    if x.shape[1:] != fake.shape[1:]:
        raise ValueError(f"x must be as wide as the samples of G: D gets {x.shape}, {fake.shape}")
    joined: Array = array_module(x).concatenate([x, fake])
    return joined


def may_join(game: State, penalise: bool) -> bool:
    """Tell whether `joined_discriminator_step` does the same as `discriminator_step`."""
    penalised = penalise and (game.rules.r1 or game.rules.r2)
    return not (penalised or game.D.couples_samples or game.D.is_random)


def generator_step(
    game: State, z: Array, x: Array | None = None, *, y: Array | None = None
) -> Array:
    """Move G down the gradient of its loss: the outer loop of Algorithm 1.

    The gradient goes through D to D's input, which is G's output, and on into G. D does not move:
    its parameters and its `grads` stay as they are.

    x and y are the minibatch that D has just learned from. Only an objective that compares fakes
    with data needs x: D has moved, so x passes through it again. With y, G is asked for the classes
    of that minibatch. G's loss is returned.
    """
    G, D, rules = game.G, game.D, game.rules
    g_key, fake_key, real_key = game.keys(Stream.GENERATOR_STEP, 3)
    fake, g_cache = G.forward(g_input(rules, z, y), key=g_key)
    fake_logits, d_cache = D.forward(d_input(rules, fake, y), key=fake_key)
    paired = []
    if rules.objective.pairs:
        if x is None:
            raise ValueError(f"loss={rules.loss!r} pairs fakes with data: pass x too")
        paired = [D.forward(d_input(rules, x, y), key=real_key)[0]]
    loss, d_fake_logits = rules.objective.generator(fake_logits, *paired)
    d_fake = d_input_gradient(rules, D.input_gradient(d_fake_logits, d_cache))
    G.backward(d_fake, g_cache, input_grad=False, accumulate=False)
    game.g_optimizer.step()
    update_average(game)
    return loss


def simultaneous_step(
    game: State, x: Array, z: Array, *, y: Array | None = None
) -> tuple[Array, Array, Array, Array]:
    """Move both players at once, each against the other as it was, with one pass through D.

    D keeps samples apart, so its backward pass carries one gradient per sample: do_n/dx_n times
    any factor of that sample's logit o_n. It is run with ones. The gradient in D's parameters is
    then the sum over n of each sample's part times dL_D/do_n, and the gradient that G needs is
    do_n/dx_n times dL_G/do_n. Nothing is divided by, so that no logit is too large;
    `docs/mathematics.md` derives it. Both losses, the mean of D(x) and the mean of D(G(z)) are
    returned.
    """
    G, D, rules, xp = game.G, game.D, game.rules, game.backend.xp
    g_key, d_key = game.keys(Stream.DISCRIMINATOR_STEP, 2)
    fake, g_cache = G.forward(g_input(rules, z, y), key=g_key)
    x, fake = d_input(rules, x, y), d_input(rules, fake, y)
    n = len(x)
    logits, d_cache = D.forward(both(x, fake), key=d_key)
    real_logits, fake_logits = logits[:n], logits[n:]
    d_loss, *dlogits = rules.objective.discriminator(
        real_logits, fake_logits, rules.label_smoothing
    )
    paired = [real_logits] if rules.objective.pairs else []
    g_loss, g_dlogits = rules.objective.generator(fake_logits, *paired)
    ones = xp.ones_like(logits)
    weights = xp.concatenate(dlogits)
    do_dx: Any = D.backward(ones, d_cache, accumulate=False, sample_weight=weights)
    d_fake = d_input_gradient(rules, g_dlogits * do_dx[n:])
    G.backward(d_fake, g_cache, input_grad=False, accumulate=False)
    game.d_optimizer.step()
    game.g_optimizer.step()
    update_average(game)
    return d_loss, g_loss, mean_of(sigmoid, real_logits), mean_of(sigmoid, fake_logits)


def update_average(game: State) -> None:
    """Move the average of G's weights, if the game keeps one, towards the weights that G has now.

    average = d average + (1 - d) params, with d = min(ema, (1 + t) / (10 + t)) at step t: the first
    averages are short, as with ``num_updates`` of ``tf.train.ExponentialMovingAverage``.

    The running averages of BatchNorm are averaged with the weights. A mean of activations is linear
    in the weights of the layer before, so that they fit the averaged network to first order.

    References
    ----------
    Yazici et al., "The unusual effectiveness of averaging in GAN training", ICLR 2019;
    Karras et al., "Progressive growing of GANs", ICLR 2018, appendix A.
    """
    if game.G_ema is None:
        return
    share = share_of_new(game.clock, ema=game.rules.ema, dtype=game.G.dtype)
    for mean, new in ((game.G_ema.params, game.G.params), (game.G_ema.buffers, game.G.buffers)):
        game.backend.update_in_place(moving_average, (mean, new), share)


@fused
def share_of_new(clock: Array, *, ema: float, dtype: Any) -> Array:
    """Return 1 - d of `update_average`, (1,)."""
    d: Array = array_module(clock).minimum((1 + clock) / (10 + clock), ema)
    return (1 - d).astype(dtype)


def moving_average(backend: Backend, mean: Array, new: Array, share: Array) -> None:
    """Move each mean, of shape (n,), by a share of the way to the new number, in place."""
    change = new - mean
    change *= share
    mean += change


@loop_of(moving_average)
def moving_average_loop(mean: Array, new: Array, share: float, least: float) -> None:
    """Compute `moving_average` in one pass."""
    for i in each(mean.size):
        mean[i] += (new[i] - mean[i]) * share
