"""The same game in PyTorch: gradients, whole training runs, and each part alone.

PyTorch differentiates by itself, so it shares no formula with this library. Its side is written
the way its users write it; parameters, minibatches and noise are copied, dropout is left out, and
all is float64. Errors are measured for each array on its own, relative to its largest element, so
that a wrong bias cannot hide behind a large weight matrix.
"""

import numpy as np
import pytest
from numerical import relative_error

import nngan as nn
from nngan.losses import OBJECTIVES, softplus
from nngan.optim import optimizer_from_config
from nngan.recipes import RECIPES

torch = pytest.importorskip(
    "torch",
    reason="PyTorch is not installed: pip install torch (a CPU build will do) to compare with it",
)
F = torch.nn.functional

# Measured with PyTorch 2.13 (MKL) and NumPy 2.4 (OpenBLAS), the largest of all arrays and games.
# One function of the same numbers: 4e-16.
FORMULA = 1e-14
# One step: 2e-14, in D's last bias, whose gradient E[D(G(z))] - E[1 - D(x)] nearly cancels where
# D is at chance; 3e-15 in every other array.
GRADIENT = 1e-12
# 200 steps of Adam: 5e-14, and 1e-12 in the worst of ten seeds. There PyTorch is 6e-13 from itself
# where hidden units and minibatches come in another order, so that every sum rounds differently:
# in the first step the gradient of one bias of D cancels from 5e-3 to 1e-9, and Adam's
# lr g / (|g| + eps) magnifies the rounding error of such a g by lr / eps = 20 000.
# At every width of the recipes, 784 features and their batch sizes (minutes): 6e-13.
TRAINED = 1e-9


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Two libraries that both want every core wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# -- the game as a user of PyTorch writes it ---------------------------------------------------


def tf_basic(latent_dim, features, h=256):
    G = torch.nn.Sequential(
        torch.nn.Linear(latent_dim, h), torch.nn.ReLU(),
        torch.nn.Linear(h, features), torch.nn.ReLU(),
    )  # fmt: skip
    D = torch.nn.Sequential(torch.nn.Linear(features, h), torch.nn.ReLU(), torch.nn.Linear(h, 1))
    return G, D, {"lr": 2e-4, "betas": (0.9, 0.999)}


def pytorch_mlp(latent_dim, features, h=256):
    G = torch.nn.Sequential(
        torch.nn.Linear(latent_dim, h), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(h, 2 * h), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(2 * h, 4 * h), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(4 * h, features), torch.nn.Tanh(),
    )  # fmt: skip
    D = torch.nn.Sequential(
        torch.nn.Linear(features, 4 * h), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(4 * h, 2 * h), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(2 * h, h), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(h, 1),
    )  # fmt: skip
    return G, D, {"lr": 2e-4, "betas": (0.5, 0.999)}


TWINS = {"tf_basic": tf_basic, "pytorch_mlp": pytorch_mlp}


def discriminator_loss(real_logits, fake_logits, label_smoothing):
    bce = torch.nn.BCEWithLogitsLoss()
    return bce(real_logits, torch.full_like(real_logits, 1 - label_smoothing)) + bce(
        fake_logits, torch.zeros_like(fake_logits)
    )


def minimax(fake_logits):
    # ln(1 - sigmoid(o)). Not -softplus(o): PyTorch's is o itself above 20, 2e-9 off.
    return F.logsigmoid(-fake_logits).mean()


def non_saturating(fake_logits):
    return torch.nn.BCEWithLogitsLoss()(fake_logits, torch.ones_like(fake_logits))


def least_squares(real_logits, fake_logits, label_smoothing):
    real = F.mse_loss(real_logits, torch.full_like(real_logits, 1 - label_smoothing))
    return (real + F.mse_loss(fake_logits, torch.zeros_like(fake_logits))) / 2


def hinge(real_logits, fake_logits, _):
    return (F.relu(1 - real_logits) + F.relu(1 + fake_logits)).mean()


def wasserstein(real_logits, fake_logits, _):
    return -torch.mean(real_logits) + torch.mean(fake_logits)


def relativistic(real_logits, fake_logits, _):
    return -F.logsigmoid(real_logits - fake_logits).mean()


LOSSES = {
    "minimax": (discriminator_loss, minimax),
    "non_saturating": (discriminator_loss, non_saturating),
    "least_squares": (
        least_squares,
        lambda fake_logits: F.mse_loss(fake_logits, torch.ones_like(fake_logits)) / 2,
    ),
    "hinge": (hinge, lambda fake_logits: -fake_logits.mean()),
    "wasserstein": (wasserstein, lambda fake_logits: -fake_logits.mean()),
    "relativistic": (
        relativistic,
        lambda fake_logits, real_logits: relativistic(fake_logits, real_logits, 0.0),
    ),
}
# Where there are labels, every array of gradients is far from zero. Elsewhere that of D's last bias
# is a sum which cancels: a score has no zero.
LABELLED = [name for name in OBJECTIVES if OBJECTIVES[name].labels]
SCORES = [name for name in OBJECTIVES if not OBJECTIVES[name].labels]


class TorchGAN:
    def __init__(self, G, D, g_optimizer, d_optimizer, loss, label_smoothing):
        self.G, self.D = G, D
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.discriminator_loss, self.generator_loss = LOSSES[loss]
        self.label_smoothing = label_smoothing

    def discriminator_step(self, x, z):
        self.d_optimizer.zero_grad()
        fake = self.G(z).detach()
        real_logits, fake_logits = self.D(x), self.D(fake)
        loss = self.discriminator_loss(real_logits, fake_logits, self.label_smoothing)
        loss.backward()
        self.d_optimizer.step()
        d_real, d_fake = torch.sigmoid(real_logits).mean(), torch.sigmoid(fake_logits).mean()
        return loss.item(), d_real.item(), d_fake.item()

    def generator_step(self, z, x=None):
        self.g_optimizer.zero_grad()
        real = [] if x is None else [self.D(x)]
        loss = self.generator_loss(self.D(self.G(z)), *real)
        loss.backward()  # adds to D's gradients too; D's next step begins with zero_grad
        self.g_optimizer.step()
        return loss.item()


# -- the same game twice -----------------------------------------------------------------------


def make(recipe, loss, features, *, h=256, bias=0.0, label_smoothing=0.0, momentum=None, **rules):
    """Return the recipe's game here and its twin in PyTorch, with the same parameters.

    `h` stands in for hidden width 256 (twice `h` for 512, and so on). Biases are drawn within
    +-bias: at zero, where they begin, a forgotten one does not show. With `momentum` both play
    with SGD, else with the recipe's Adam.
    """
    r = RECIPES[recipe]
    layers = r.generator(r.latent_dim, features), r.discriminator(features)
    G, D = (
        nn.Sequential(*resized(some, h), seed=seed, dtype="float64")
        for seed, some in enumerate(layers, 1)
    )
    rng = np.random.default_rng(3)
    for linear in linears(G) + linears(D):
        linear.b[...] = rng.uniform(-bias, bias, linear.b.shape)
    twin_G, twin_D, adam = TWINS[recipe](r.latent_dim, features, h)
    if momentum is None:
        ours = [optimizer_from_config(r.optimizer) for _ in "GD"]
        theirs = [torch.optim.Adam(net.parameters(), **adam) for net in (twin_G, twin_D)]
    else:
        ours = [nn.SGD(0.1, momentum) for _ in "GD"]
        theirs = [torch.optim.SGD(n.parameters(), 0.1, momentum) for n in (twin_G, twin_D)]
    copy_parameters(G, twin_G.double())
    copy_parameters(D, twin_D.double())
    gan = nn.GAN(
        G, D, loss=loss, label_smoothing=label_smoothing, g_optimizer=ours[0], d_optimizer=ours[1],
        **rules,
    )  # fmt: skip
    return gan, TorchGAN(twin_G, twin_D, *theirs, loss, label_smoothing)


def resized(layers, h):
    """Return a recipe's layers without dropout, hidden widths multiplied by h / 256."""
    kept = [layer for layer in layers if not isinstance(layer, nn.Dropout)]
    first, *_, last = (layer for layer in kept if isinstance(layer, nn.Linear))
    for i, layer in enumerate(kept):
        if isinstance(layer, nn.Linear):
            n_in = layer.n_in if layer is first else layer.n_in * h // 256
            n_out = layer.n_out if layer is last else layer.n_out * h // 256
            kept[i] = nn.Linear(n_in, n_out, layer.weight_init)
    return kept


def linears(net):
    return [layer for layer in net.layers if isinstance(layer, nn.Linear)]


def torch_linears(net):
    return [module for module in net if isinstance(module, torch.nn.Linear)]


def copy_parameters(net, twin):
    with torch.no_grad():
        for ours, theirs in zip(linears(net), torch_linears(twin), strict=True):
            assert ours.W.T.shape == theirs.weight.shape  # copy_ would broadcast in silence
            theirs.weight.copy_(torch.from_numpy(ours.W.T))
            theirs.bias.copy_(torch.from_numpy(ours.b))


def batches(recipe, steps, n, features, seed=4):
    """Yield, for each step, a minibatch of data and one of noise for each player."""
    r = RECIPES[recipe]
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        x = rng.uniform(*r.game.get("data_range", (0, 1)), (n, features))
        yield x, rng.standard_normal((n, r.latent_dim)), rng.standard_normal((n, r.latent_dim))


def d_step(gan, twin, x, z):
    """Play D's step on both sides; return the relative error of each number it reports."""
    ours = gan.discriminator_step(x, z)
    theirs = twin.discriminator_step(torch.from_numpy(x), torch.from_numpy(z))
    return dict(zip(("d_loss", "d_real", "d_fake"), map(relative, ours, theirs), strict=True))


def g_step(gan, twin, z):
    return {"g_loss": relative(gan.generator_step(z), twin.generator_step(torch.from_numpy(z)))}


def relative(ours, theirs):
    return abs(float(ours) - theirs) / abs(theirs)


def parameters(net, twin):
    """Return the relative error of each array of parameters."""
    return compare(net, twin, "", lambda tensor: tensor.detach())


def gradients(net, twin):
    """Return the relative error of each array of gradients."""
    return compare(net, twin, "d", lambda tensor: tensor.grad)


def compare(net, twin, prefix, read):
    errors = {}
    for i, (ours, theirs) in enumerate(zip(linears(net), torch_linears(twin), strict=True)):
        for name, tensor in ((prefix + "W", theirs.weight), (prefix + "b", theirs.bias)):
            a, b = getattr(ours, name), read(tensor).numpy().T
            assert a.shape == b.shape
            assert np.abs(b).max() > 0
            errors[f"{name}{i}"] = float(relative_error(a, b))
    return errors


def assert_below(limit, errors):
    assert all(error < limit for error in errors.values()), errors


def test_both_recipes_and_every_objective_have_a_twin():
    assert set(TWINS) <= set(RECIPES)
    assert set(LOSSES) == set(OBJECTIVES)


# -- whole games -------------------------------------------------------------------------------


@pytest.mark.parametrize(("bias", "label_smoothing"), [(0.0, 0.0), (0.1, 0.1)])
@pytest.mark.parametrize("loss", LABELLED)
@pytest.mark.parametrize("recipe", TWINS)
def test_every_gradient_of_one_step(recipe, loss, bias, label_smoothing):
    """The recipe's own widths and batch size, on 784 features.

    Parameters after Adam's first step are held to TRAINED only, see there: 1e-10 occurs, because a
    bias that began at zero is then no larger than lr.
    """
    gan, twin = make(recipe, loss, 784, bias=bias, label_smoothing=label_smoothing)
    [(x, z_d, z_g)] = batches(recipe, 1, RECIPES[recipe].batch_size, 784)
    assert_below(GRADIENT, d_step(gan, twin, x, z_d))
    assert_below(GRADIENT, gradients(gan.D, twin.D))
    assert_below(GRADIENT, g_step(gan, twin, z_g))
    assert_below(GRADIENT, gradients(gan.G, twin.G))
    assert_below(TRAINED, parameters(gan.D, twin.D))
    assert_below(TRAINED, parameters(gan.G, twin.G))


@pytest.mark.parametrize("loss", LABELLED)
@pytest.mark.parametrize(("recipe", "h"), [("tf_basic", 256), ("pytorch_mlp", 64)])
def test_200_steps_with_adam(recipe, h, loss):
    """On 64 features and batches of 32; tf_basic at its own widths, pytorch_mlp at a quarter."""
    gan, twin = make(recipe, loss, 64, h=h)
    for x, z_d, z_g in batches(recipe, 200, 32, 64):
        assert_below(TRAINED, d_step(gan, twin, x, z_d))
        assert_below(TRAINED, g_step(gan, twin, z_g))
    assert_below(TRAINED, parameters(gan.D, twin.D))
    assert_below(TRAINED, parameters(gan.G, twin.G))


@pytest.mark.parametrize("loss", LABELLED)
@pytest.mark.parametrize("recipe", TWINS)
def test_three_steps_of_sgd_with_momentum(recipe, loss):
    """Three, because the first does not know momentum. No Adam: nothing magnifies rounding."""
    gan, twin = make(recipe, loss, 64, momentum=0.9, bias=0.1, label_smoothing=0.1)
    for x, z_d, z_g in batches(recipe, 3, 32, 64):
        assert_below(GRADIENT, d_step(gan, twin, x, z_d))
        assert_below(GRADIENT, gradients(gan.D, twin.D))
        assert_below(GRADIENT, g_step(gan, twin, z_g))
        assert_below(GRADIENT, gradients(gan.G, twin.G))
    assert_below(GRADIENT, parameters(gan.D, twin.D))
    assert_below(GRADIENT, parameters(gan.G, twin.G))


@pytest.mark.parametrize("loss", SCORES)
def test_one_step_without_labels(loss):
    """Gradients relative to the largest of the network: that of D's last bias is zero."""
    gan, twin = make("pytorch_mlp", loss, 64, h=64, bias=0.1)
    [(x, z_d, z_g)] = batches("pytorch_mlp", 1, 32, 64)
    assert_below(GRADIENT, d_step(gan, twin, x, z_d))
    assert_below_largest(GRADIENT, gan.D, twin.D)
    t = [torch.from_numpy(a) for a in ((z_g, x) if loss == "relativistic" else (z_g,))]
    ours, theirs = gan.generator_step(z_g, x), twin.generator_step(*t)
    assert relative(ours, theirs) < 1e-10  # Adam has moved D's last bias by lr times noise
    assert_below_largest(1e-10, gan.G, twin.G)


def assert_below_largest(limit, net, twin):
    largest = np.abs(net.grads).max()
    for ours, theirs in zip(linears(net), torch_linears(twin), strict=True):
        for mine, tensor in ((ours.dW.T, theirs.weight), (ours.db, theirs.bias)):
            assert np.abs(mine - tensor.grad.numpy()).max() < limit * largest


# -- each part alone ---------------------------------------------------------------------------


def leaf(a):
    return torch.tensor(a, requires_grad=True)


@pytest.mark.parametrize("n_out", [1, 3])
def test_linear(n_out):
    """Two passes without `zero_grad` between them: gradients add up on both sides."""
    rng = np.random.default_rng(0)
    layer = nn.Linear(5, n_out, dtype="float64")
    layer.b[...] = rng.standard_normal(n_out)
    weight, bias = leaf(layer.W.T), leaf(layer.b)
    for _ in range(2):
        x, dy = rng.standard_normal((7, 5)), rng.standard_normal((7, n_out))
        y, cache = layer.forward(x)
        dx = layer.backward(dy, cache)
        t = leaf(x)
        expected = F.linear(t, weight, bias)
        expected.backward(torch.from_numpy(dy))
        assert relative_error(y, expected.detach().numpy()) < FORMULA
        assert relative_error(dx, t.grad.numpy()) < FORMULA
    assert relative_error(layer.dW, weight.grad.numpy().T) < FORMULA
    assert relative_error(layer.db, bias.grad.numpy()) < FORMULA


ACTIVATIONS = {
    "ReLU": (nn.ReLU(), F.relu),
    "LeakyReLU": (nn.LeakyReLU(0.2), lambda x: F.leaky_relu(x, 0.2)),
    "Sigmoid": (nn.Sigmoid(), F.sigmoid),
    "Tanh": (nn.Tanh(), F.tanh),
}
SPECIAL = [0.0, -0.0, 1e-300, -1e-300, 1e-8, -1e-8, 40.0, -40.0, 700.0, -700.0, 1e4, -1e4]


@pytest.mark.parametrize(("layer", "function"), ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_activations(layer, function):
    """At the kinks too: there PyTorch takes the derivative of the left side, and so do we."""
    rng = np.random.default_rng(0)
    x = np.concatenate([SPECIAL, 3 * rng.standard_normal(88)]).reshape(20, 5)
    dy = rng.uniform(0.5, 1, x.shape)
    y, cache = layer.forward(x)
    dx = layer.backward(dy, cache)
    t = leaf(x)
    expected = function(t)
    expected.backward(torch.from_numpy(dy))
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=FORMULA, atol=0)
    assert relative_error(dx, t.grad.numpy()) < FORMULA


def test_maxout():
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((7, 12)), rng.standard_normal((7, 4))
    layer = nn.Maxout(4, 3)
    y, cache = layer.forward(x)
    t = leaf(x)
    expected = t.reshape(7, 3, 4).amax(dim=1)
    expected.backward(torch.from_numpy(dy))
    np.testing.assert_array_equal(y, expected.detach().numpy())
    np.testing.assert_array_equal(layer.backward(dy, cache), t.grad.numpy())


def test_batchnorm():
    """Three minibatches while learning, then one sample in inference."""
    rng = np.random.default_rng(0)
    layer = nn.BatchNorm(5, momentum=0.2, dtype="float64")
    twin = torch.nn.BatchNorm1d(5, momentum=0.2).double()
    layer.gamma[...], layer.beta[...] = rng.standard_normal((2, 5))
    with torch.no_grad():
        twin.weight.copy_(torch.from_numpy(layer.gamma))
        twin.bias.copy_(torch.from_numpy(layer.beta))
    for n in (8, 2, 30, 1):
        twin.train(n > 1)
        x, dy = 3 + rng.standard_normal((n, 5)), rng.standard_normal((n, 5))
        y, cache = layer.forward(x, training=n > 1)
        dx = layer.backward(dy, cache)
        t = leaf(x)
        expected = twin(t)
        expected.backward(torch.from_numpy(dy))
        assert relative_error(y, expected.detach().numpy()) < FORMULA
        # Of two samples dx is the millionth part that eps leaves of numbers which cancel.
        np.testing.assert_allclose(dx, t.grad.numpy(), rtol=1e-12, atol=1e-14)
        for ours, theirs in (
            (layer.dgamma, twin.weight.grad),
            (layer.dbeta, twin.bias.grad),
            (layer.running_mean, twin.running_mean),
            (layer.running_var, twin.running_var),
        ):
            assert relative_error(ours, theirs.numpy()) < FORMULA


TARGETS = {
    "zeros": 0.0,
    "ones": 1.0,
    "smoothed": 0.9,
    "soft": np.random.default_rng(1).uniform(0, 1, (50, 1)),
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize(
    ("loss", "function", "inputs"),
    [
        (nn.bce, F.binary_cross_entropy, np.random.default_rng(0).uniform(1e-6, 1, (50, 1))),
        (
            nn.bce_with_logits,
            F.binary_cross_entropy_with_logits,
            5 * np.random.default_rng(0).standard_normal((50, 1)),
        ),
    ],
    ids=["bce", "bce_with_logits"],
)
def test_losses(loss, function, inputs, target):
    value, gradient = loss(inputs, target)
    t = leaf(inputs)
    expected = function(t, torch.from_numpy(np.broadcast_to(target, inputs.shape).copy()))
    expected.backward()
    assert relative(value, expected.item()) < FORMULA
    assert relative_error(gradient, t.grad.numpy()) < FORMULA


@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("logit", SPECIAL)
def test_bce_with_logits_at_one_extreme_logit(logit, target):
    """One at a time: in a mean the loss of a large logit hides that of a small one.

    Against logsigmoid: PyTorch's own loss with logits loses ln(1 + exp(-40)) beside 40.
    """
    value, gradient = nn.bce_with_logits(np.array([[logit]]), target)
    t = leaf([[np.float64(logit)]])
    expected = -(target * F.logsigmoid(t) + (1 - target) * F.logsigmoid(-t))
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=FORMULA, atol=0)
    # p - target cannot be better than the spacing of floats at 1.
    np.testing.assert_allclose(gradient, t.grad.numpy(), rtol=FORMULA, atol=2.3e-16)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("loss", OBJECTIVES)
def test_objectives(loss, label_smoothing):
    rng = np.random.default_rng(0)
    real, fake = 5 * rng.standard_normal((2, 40, 1))
    objective, (discriminator, generator) = OBJECTIVES[loss], LOSSES[loss]
    value, d_real, d_fake = objective.discriminator(real, fake, label_smoothing)
    t, u = leaf(real), leaf(fake)
    expected = discriminator(t, u, label_smoothing)
    expected.backward()
    assert relative(value, expected.item()) < FORMULA
    assert relative_error(d_real, t.grad.numpy()) < FORMULA
    assert relative_error(d_fake, u.grad.numpy()) < FORMULA
    paired = [real] if objective.pairs else []
    value, d_fake = objective.generator(fake, *paired)
    u = leaf(fake)
    expected = generator(u, *map(torch.from_numpy, paired))
    expected.backward()
    assert relative(value, expected.item()) < FORMULA
    assert relative_error(d_fake, u.grad.numpy()) < FORMULA


def test_softplus():
    x = np.linspace(-700, 19.9, 1000)  # above 20 PyTorch's is x itself, 2e-9 off
    expected = F.softplus(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(softplus(x), expected, rtol=FORMULA, atol=0)


OPTIMIZERS = {
    "Adam": (lambda: nn.Adam(), lambda p: torch.optim.Adam(p, lr=2e-4, betas=(0.5, 0.999))),
    "Adam, all options": (
        lambda: nn.Adam(3e-3, 0.8, 0.99, 1e-5),
        lambda p: torch.optim.Adam(p, lr=3e-3, betas=(0.8, 0.99), eps=1e-5),
    ),
    "SGD": (lambda: nn.SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "SGD with momentum": (
        lambda: nn.SGD(0.1, 0.9),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    ),
}


@pytest.mark.parametrize(("ours", "theirs"), OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers(ours, theirs):
    """On the same gradients, each element of a size of its own: some far below Adam's eps."""
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(9, 10), dtype="float64")
    net.params.fill(0)  # an element that hardly moves would vanish beside its first value
    size = 10 ** rng.uniform(-12, 0, net.params.size)
    size[:3] = 0
    parameter = torch.nn.Parameter(torch.from_numpy(net.params.copy()))
    ours, theirs = ours().bind(net), theirs([parameter])
    for _ in range(50):
        net.grads[...] = size * rng.uniform(0.5, 1, size.shape)
        parameter.grad = torch.from_numpy(net.grads.copy())
        ours.step()
        theirs.step()
    np.testing.assert_allclose(net.params, parameter.detach().numpy(), rtol=1e-13, atol=0)
    assert (net.params[3:] < 0).all()


# -- gradient penalties: by hand here, by differentiating twice there --------------------------


def input_gradient(D, x):
    (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return g


TORCH_PENALTIES = {
    "r1": lambda g: 3.0 / 2 * g.square().sum(dim=1).mean(),
    "gradient_penalty": lambda g: 3.0 * (g.norm(dim=1) - 1).square().mean(),
}
HIDDEN = {
    "ReLU": (nn.ReLU, torch.nn.ReLU),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), lambda: torch.nn.LeakyReLU(0.2)),
    "Sigmoid": (nn.Sigmoid, torch.nn.Sigmoid),
    "Tanh": (nn.Tanh, torch.nn.Tanh),
}


@pytest.mark.parametrize("penalty", TORCH_PENALTIES)
@pytest.mark.parametrize("first", HIDDEN)
@pytest.mark.parametrize("second", HIDDEN)
def test_gradient_penalties(first, second, penalty):
    """D's gradient in every array, and the second derivative in x along a direction."""
    (one, torch_one), (two, torch_two) = HIDDEN[first], HIDDEN[second]
    D = nn.Sequential(
        nn.Linear(30, 40), one(), nn.Linear(40, 20), two(), nn.Linear(20, 1),
        seed=1, dtype="float64",
    )  # fmt: skip
    twin = torch.nn.Sequential(
        torch.nn.Linear(30, 40), torch_one(), torch.nn.Linear(40, 20), torch_two(),
        torch.nn.Linear(20, 1),
    ).double()  # fmt: skip
    rng = np.random.default_rng(0)
    for linear in linears(D):
        linear.b[...] = rng.uniform(-0.1, 0.1, linear.b.shape)
    copy_parameters(D, twin)
    x, v = rng.standard_normal((2, 16, 30))
    value = getattr(nn.penalties, penalty)(D, x, 3.0)
    t = leaf(x)
    expected = TORCH_PENALTIES[penalty](input_gradient(twin, t))
    expected.backward()
    assert relative(value, expected.item()) < GRADIENT
    for ours, theirs in zip(linears(D), torch_linears(twin), strict=True):
        assert relative_error(ours.dW, theirs.weight.grad.numpy().T) < GRADIENT
        if theirs.bias.grad is None:  # of the last one, and of all where nothing is curved
            assert (ours.db == 0).all()
        else:
            assert relative_error(ours.db, theirs.bias.grad.numpy()) < GRADIENT
    y, cache = D.forward(x)
    hessian_v = D.backward_tangent(np.ones_like(y), v, cache)
    if hessian_v is not None:
        (expected,) = torch.autograd.grad(input_gradient(twin, t), t, torch.from_numpy(v))
        assert relative_error(hessian_v, expected.numpy()) < GRADIENT
    assert (hessian_v is not None) == bool({first, second} & {"Sigmoid", "Tanh"})


@pytest.mark.parametrize("recipe", TWINS)
@pytest.mark.parametrize(("r1", "r2"), [(10.0, 0.0), (2.0, 3.0)])
def test_a_penalised_step(recipe, r1, r2):
    gan, twin = make(recipe, "non_saturating", 784, bias=0.1, r1=r1, r2=r2)
    ((x, z, _),) = batches(recipe, 1, 8, 784)
    loss, *_ = gan.discriminator_step(x, z)
    real, fake = leaf(x), twin.G(torch.from_numpy(z)).detach().requires_grad_()
    expected = discriminator_loss(twin.D(real), twin.D(fake), 0.0)
    for gamma, samples in ((r1, real), (r2, fake)):
        expected = expected + gamma / 2 * input_gradient(twin.D, samples).square().sum(1).mean()
    expected.backward()
    assert relative(loss, expected.item()) < GRADIENT
    assert_below(GRADIENT, gradients(gan.D, twin.D))


# -- where weights begin -----------------------------------------------------------------------

INITS = {
    "fan_in": lambda weight: None,  # what torch.nn.Linear begins with
    "glorot": torch.nn.init.xavier_uniform_,
    "he": torch.nn.init.kaiming_normal_,
    "normal": lambda weight: torch.nn.init.normal_(weight, std=0.01),
    "uniform": lambda weight: torch.nn.init.uniform_(weight, -0.01, 0.01),
}


@pytest.mark.parametrize("name", INITS)
def test_initial_weights_follow_pytorchs_law(name):
    """Two samples of 80 000 weights: their quantiles, and the bounds of the uniform laws."""
    init = (name, 0.01) if name in ("normal", "uniform") else name
    net = nn.Sequential(nn.Linear(100, 800, init), seed=0, dtype="float64")
    torch.manual_seed(0)
    twin = torch.nn.Linear(100, 800).double()
    INITS[name](twin.weight)
    a, b = net.layers[0].W.ravel(), twin.weight.detach().numpy().ravel()
    levels = np.linspace(0.01, 0.99, 99)
    assert relative_error(np.quantile(a, levels), np.quantile(b, levels)) < 0.02
    if name not in ("he", "normal"):
        assert relative_error(np.abs(a).max(), np.abs(b).max()) < 1e-3
