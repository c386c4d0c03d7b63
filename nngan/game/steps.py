"""Algorithm 1 of Goodfellow et al. 2014: the step of D, that of G, both in one; and G's average.

These functions are methods of `GAN`: the game is their first argument.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..backend import Array, Backend, Stream, each, loop_of
from ..layers import sigmoid
from ..penalties import add_penalty, one_centred, zero_centred
from .inputs import for_discriminator, for_generator, from_discriminator

if TYPE_CHECKING:
    from .game import GAN


def discriminator_step(
    gan: GAN, x: Array, z: Array, i: int = 0, *, y: Array | None = None, penalise: bool = True
) -> tuple[Array, Array, Array]:
    """Move D up the gradient of V: the inner loop of Algorithm 1.

    Parameters
    ----------
    x : array of shape (N, features)
        A minibatch of data.
    z : array of shape (N, latent_dim)
        A minibatch of noise.
    i : int
        Which of the k steps this is (dropout masks differ).
    y : array of shape (N, classes), optional
        The labels of x, one-hot, in a game with classes; the fakes get them too.
    penalise : bool
        Whether the penalties that the game has are due in this step.

    Returns
    -------
    loss, d_real, d_fake : 0-d arrays
        D's loss with its penalties, the mean of D(x) and the mean of D(G(z)), before the
        update.
    """
    G, D = gan.G, gan.D
    z = for_generator(gan, z, y)
    fake, _ = G.forward(z, key=gan._key(Stream.DISCRIMINATOR_STEP, 3 * i))
    x, fake = for_discriminator(gan, x, y), for_discriminator(gan, fake, y)
    # One pass over both minibatches, unless a layer must know which of the two it sees.
    gammas = [gan.penalty_every * gamma * penalise for gamma in (gan.r1, gan.r2)]
    joined = not (D.couples_samples or D.draws or any(gammas))
    join = gan.backend.stack
    passes = [
        D.forward(batch, key=gan._key(Stream.DISCRIMINATOR_STEP, 3 * i + 1 + j))
        for j, batch in enumerate([join([x, fake])] if joined else [x, fake])
    ]
    logits = join([logits for logits, _ in passes])
    real_logits, fake_logits = logits[: len(x)], logits[len(x) :]
    loss, d_real_logits, d_fake_logits = gan.objective.discriminator(
        real_logits, fake_logits, gan.label_smoothing
    )
    dlogits = [d_real_logits, d_fake_logits]
    if joined:
        dlogits = [join(dlogits)]
    penalty = partial(add_penalty, D, columns=gan.feature_columns)
    for j, (o, cache) in enumerate(passes):
        if gammas[j]:
            phi = zero_centred(gammas[j])
            loss += penalty(o, cache, phi, dlogits=dlogits[j], accumulate=j > 0)
        else:
            D.backward(dlogits[j], cache, input_grad=False, accumulate=j > 0)
    if gan.gradient_penalty and penalise:
        loss += penalise_between(gan, x, fake, i)
    gan.d_optimizer.step()
    return loss, sigmoid(real_logits).mean(), sigmoid(fake_logits).mean()


def penalise_between(gan: GAN, x: Array, fake: Array, i: int = 0) -> Array:
    """Add the gradient of the Wasserstein penalty to D's: a third pass, between data and fakes.

    x_hat = e x + (1 - e) G(z), with one e ~ U(0, 1] for each row that D judges. (It is computed as
    G(z) + e (x - G(z)), so that a label that both have is exactly itself.)

    Parameters
    ----------
    x, fake : array of shape (N / pack, pack * (features + classes))
        What D saw.
    i : int
        As in `discriminator_step`.

    Returns
    -------
    penalty : 0-d array

    References
    ----------
    Gulrajani et al., "Improved training of Wasserstein GANs", NIPS 2017, eq. 3, Algorithm 1.
    """
    e = gan.backend.uniform(gan._key(Stream.BETWEEN, 2 * i), (len(x), 1), gan.D.dtype)
    x_hat = fake + e * (x - fake)
    logits, cache = gan.D.forward(x_hat, key=gan._key(Stream.BETWEEN, 2 * i + 1))
    phi = one_centred(gan.penalty_every * gan.gradient_penalty)
    return add_penalty(gan.D, logits, cache, phi, columns=gan.feature_columns)


def generator_step(gan: GAN, z: Array, x: Array | None = None, *, y: Array | None = None) -> Array:
    """Move G down the gradient of its loss: the outer loop of Algorithm 1.

    The gradient goes through D to its input, which is G's output, and on into G. D takes no
    part: its parameters and its `grads` stay as they are.

    Parameters
    ----------
    z : array of shape (N, latent_dim)
        A minibatch of noise.
    x : array of shape (N, features)
        A minibatch of data, for an objective that pairs fakes with it: the one that D learned
        from last, seen anew because D has moved since. Others do not look at it.
    y : array of shape (N, classes), optional
        One-hot labels in a game with classes: those of that minibatch, so that G is asked for each
        class as often as the data have it.

    Returns
    -------
    loss : 0-d array
        G's loss, before the update.
    """
    G, D = gan.G, gan.D
    z = for_generator(gan, z, y)
    fake, g_cache = G.forward(z, key=gan._key(Stream.GENERATOR_STEP, 0))
    fake = for_discriminator(gan, fake, y)
    fake_logits, d_cache = D.forward(fake, key=gan._key(Stream.GENERATOR_STEP, 1))
    logits = [fake_logits]
    if gan.objective.pairs:
        if x is None:
            raise ValueError(f"loss={gan.loss!r} pairs fakes with data: pass x too")
        real, key = for_discriminator(gan, x, y), gan._key(Stream.GENERATOR_STEP, 2)
        logits.append(D.forward(real, key=key)[0])
    loss, d_fake_logits = gan.objective.generator(*logits)
    d_input = D.backward(d_fake_logits, d_cache, param_grads=False)
    assert d_input is not None
    d_fake = from_discriminator(gan, d_input)
    G.backward(d_fake, g_cache, input_grad=False, accumulate=False)
    gan.g_optimizer.step()
    average(gan)
    return loss


def simultaneous_step(
    gan: GAN, x: Array, z: Array, *, y: Array | None = None
) -> tuple[Array, Array, Array, Array]:
    """Move both players at once, each against the other as it was, with one pass through D.

    Samples do not mix in D, so that its backward pass carries one signal per sample: do_n/dx_n
    times whatever multiplies that sample's logit o_n. It is run with ones. The gradient in D's
    parameters is then the sum over n of each sample's part times dL_D/do_n, and the gradient
    that G needs is do_n/dx_n times dL_G/do_n. Nothing is divided by, so that no logit is too
    large; `docs/performance.md` derives it.

    Parameters
    ----------
    x : array of shape (N, features)
        A minibatch of data.
    z : array of shape (N, latent_dim)
        A minibatch of noise.
    y : array of shape (N, classes), optional
        The labels of x, one-hot, in a game with classes; the fakes get them too.

    Returns
    -------
    d_loss, g_loss, d_real, d_fake : 0-d arrays
        Both losses, the mean of D(x) and the mean of D(G(z)), before the update.
    """
    G, D, n = gan.G, gan.D, len(x) // gan.pack
    xp = gan.backend.xp
    z = for_generator(gan, z, y)
    fake, g_cache = G.forward(z, key=gan._key(Stream.DISCRIMINATOR_STEP, 0))
    x, fake = for_discriminator(gan, x, y), for_discriminator(gan, fake, y)
    logits, d_cache = D.forward(
        gan.backend.stack([x, fake]), key=gan._key(Stream.DISCRIMINATOR_STEP, 1)
    )
    real_logits, fake_logits = logits[:n], logits[n:]
    d_loss, *dlogits = gan.objective.discriminator(real_logits, fake_logits, gan.label_smoothing)
    paired = [real_logits] if gan.objective.pairs else []
    g_loss, g_dlogits = gan.objective.generator(fake_logits, *paired)
    do_dx = D.backward(
        xp.ones_like(logits),
        d_cache,
        input_rows=slice(n, None),
        accumulate=False,
        sample_weight=gan.backend.stack(dlogits),
    )
    assert do_dx is not None
    d_fake = from_discriminator(gan, g_dlogits * do_dx)
    G.backward(d_fake, g_cache, input_grad=False, accumulate=False)
    gan.d_optimizer.step()
    gan.g_optimizer.step()
    average(gan)
    return d_loss, g_loss, sigmoid(real_logits).mean(), sigmoid(fake_logits).mean()


def average(gan: GAN) -> None:
    """Move the average towards the weights that G has now.

    average = d average + (1 - d) params, with d = min(ema, (1 + t) / (10 + t)) at step t: the
    first averages are short, because a long one would consist of the initial weights. (The ramp
    is that of ``num_updates`` in TensorFlow's ``tf.train.ExponentialMovingAverage``.)

    What is averaged is every number of G, the running averages of BatchNorm with the weights:
    a mean of activations is linear in the weights of the layer before, so that the mean over
    the same steps with the same shares is, to first order, that of the averaged network.

    References
    ----------
    Yazici et al., "The unusual effectiveness of averaging in GAN training", ICLR 2019;
    Karras et al., "Progressive growing of GANs", ICLR 2018, appendix A.
    """
    if gan.G_ema is None:
        return
    G, dtype = gan.G, gan.G.dtype
    share = 1 - gan.backend.xp.minimum((1 + gan.clock) / (10 + gan.clock), gan.ema)
    share = share.astype(dtype)
    for mean, new in ((gan.G_ema.params, G.params), (gan.G_ema.state, G.state)):
        gan.backend.update_in_place(moving_average, (mean, new), share)


def moving_average(backend: Backend, mean: Array, new: Array, share: Array) -> None:
    """Move every mean by its share of the way to the new number, in place.

    Parameters
    ----------
    mean, new : array of shape (n,)
    share : array of shape (1,)
    """
    change = new - mean
    change *= share
    mean += change


@loop_of(moving_average)
def moving_average_loop(mean: Array, new: Array, share: float, least: float) -> None:
    """Compute `moving_average` in one pass."""
    for i in each(mean.size):
        mean[i] += (new[i] - mean[i]) * share
