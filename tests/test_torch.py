"""The same game in PyTorch: gradients, whole training runs, and each part alone.

PyTorch differentiates by itself, so it shares no formula with this library. Its side is written
the way its users write it; weights, minibatches and noise are copied, dropout is left out, and all
is float64. Errors are measured for each array on its own, relative to its largest element, so that
a wrong bias cannot hide behind a large weight matrix.

Measured with PyTorch 2.13 and NumPy 2.4 on x86-64, the largest over all arrays and games below:

- gradients of one step: ONE_STEP_MEASURED, target 1e-12;
- parameters after 200 steps with Adam: TRAINED_MEASURED, target 1e-9.
"""

import numpy as np
import pytest
from numerical import relative_error

import nngan as nn
from nngan.layers import sigmoid
from nngan.losses import OBJECTIVES, softplus
from nngan.optim import optimizer_from_config
from nngan.recipes import RECIPES

torch = pytest.importorskip(
    "torch", reason="compares with PyTorch, which is not installed: pip install torch"
)
F = torch.nn.functional

GRADIENT = 1e-12
TRAINED = 1e-9
FORMULA = 1e-14  # one function, evaluated once: the two round differently, no more


# -- the game as a user of PyTorch writes it ---------------------------------------------------


def tf_basic(latent_dim, features):
    G = torch.nn.Sequential(
        torch.nn.Linear(latent_dim, 256), torch.nn.ReLU(),
        torch.nn.Linear(256, features), torch.nn.ReLU(),
    )  # fmt: skip
    D = torch.nn.Sequential(
        torch.nn.Linear(features, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1)
    )
    return G, D, {"lr": 2e-4, "betas": (0.9, 0.999)}


def pytorch_mlp(latent_dim, features):
    G = torch.nn.Sequential(
        torch.nn.Linear(latent_dim, 256), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(256, 512), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(512, 1024), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(1024, features), torch.nn.Tanh(),
    )  # fmt: skip
    D = torch.nn.Sequential(
        torch.nn.Linear(features, 1024), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(1024, 512), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(512, 256), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(256, 1),
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


LOSSES = {
    "minimax": (discriminator_loss, minimax),
    "non_saturating": (discriminator_loss, non_saturating),
}


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
        return loss, torch.sigmoid(real_logits).mean(), torch.sigmoid(fake_logits).mean()

    def generator_step(self, z):
        self.g_optimizer.zero_grad()
        loss = self.generator_loss(self.D(self.G(z)))
        loss.backward()  # adds to D's gradients too; D's next step begins with zero_grad
        self.g_optimizer.step()
        return loss


# -- the same game twice -----------------------------------------------------------------------


def make(recipe, loss, features, *, momentum=None, label_smoothing=0.0, bias=0.0):
    """Return the recipe's game here and its twin in PyTorch, with the same parameters."""
    r = RECIPES[recipe]
    G = nn.Sequential(*r.generator(r.latent_dim, features), seed=1, dtype="float64")
    layers = [layer for layer in r.discriminator(features) if not isinstance(layer, nn.Dropout)]
    D = nn.Sequential(*layers, seed=2, dtype="float64")
    rng = np.random.default_rng(3)
    for linear in linears(G) + linears(D):
        linear.b[...] = rng.uniform(-bias, bias, linear.b.shape)
    twin_G, twin_D, adam = TWINS[recipe](r.latent_dim, features)
    copy_parameters(G, twin_G.double())
    copy_parameters(D, twin_D.double())
    if momentum is None:
        ours = [optimizer_from_config(r.optimizer) for _ in "GD"]
        theirs = [torch.optim.Adam(net.parameters(), **adam) for net in (twin_G, twin_D)]
    else:
        ours = [nn.SGD(0.1, momentum) for _ in "GD"]
        theirs = [
            torch.optim.SGD(net.parameters(), lr=0.1, momentum=momentum) for net in (twin_G, twin_D)
        ]
    gan = nn.GAN(
        G, D, loss=loss, label_smoothing=label_smoothing, g_optimizer=ours[0], d_optimizer=ours[1]
    )
    return gan, TorchGAN(twin_G, twin_D, *theirs, loss, label_smoothing)


def linears(net):
    return [layer for layer in net.layers if isinstance(layer, nn.Linear)]


def torch_linears(net):
    return [module for module in net if isinstance(module, torch.nn.Linear)]


def copy_parameters(net, twin):
    assert len(net.layers) == len(twin)
    with torch.no_grad():
        for ours, theirs in zip(linears(net), torch_linears(twin), strict=True):
            theirs.weight.copy_(torch.from_numpy(ours.W.T))
            theirs.bias.copy_(torch.from_numpy(ours.b))


def batches(recipe, n, features, seed=4):
    """Yield minibatches of data and, for each player, of noise."""
    r = RECIPES[recipe]
    rng = np.random.default_rng(seed)
    while True:
        x = rng.uniform(*r.data_range, (n, features))
        yield x, rng.standard_normal((n, r.latent_dim)), rng.standard_normal((n, r.latent_dim))


def errors(net, twin, which):
    """Return the relative error of each array, the parameters or (which="d") the gradients."""
    found = {}
    for i, (ours, theirs) in enumerate(zip(linears(net), torch_linears(twin), strict=True)):
        for name, tensor in (("W", theirs.weight), ("b", theirs.bias)):
            a = getattr(ours, which + name)
            b = (tensor.grad if which else tensor.detach()).numpy().T
            assert a.shape == b.shape
            assert np.abs(b).max() > 0
            found[f"{which}{name}{i}"] = float(relative_error(a, b))
    return found


def assert_below(limit, found):
    assert all(error < limit for error in found.values()), found


def relative(a, b):
    return abs(float(a) - float(b)) / abs(float(b))


def step(gan, twin, x, z_d, z_g):
    """Play one step on both sides; return the errors of what it returns and of the gradients."""
    tensors = [torch.from_numpy(a) for a in (x, z_d, z_g)]
    metrics = dict(
        zip(
            ("d_loss", "d_real", "d_fake"),
            map(relative, gan.discriminator_step(x, z_d), twin.discriminator_step(*tensors[:2])),
            strict=True,
        )
    )
    d_gradients = errors(gan.D, twin.D, "d")
    metrics["g_loss"] = relative(gan.generator_step(z_g), twin.generator_step(tensors[2]))
    return metrics, d_gradients, errors(gan.G, twin.G, "d")


def test_every_objective_and_both_recipes_have_a_twin():
    assert set(LOSSES) == set(OBJECTIVES)
    assert set(TWINS) <= set(RECIPES)


# -- whole games -------------------------------------------------------------------------------


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("bias", [0.0, 0.1])
@pytest.mark.parametrize("loss", OBJECTIVES)
@pytest.mark.parametrize("recipe", TWINS)
def test_every_gradient_of_one_step(recipe, loss, bias, label_smoothing):
    """The recipe's full size, on 784 features. Biases begin at zero, which hides a forgotten b."""
    gan, twin = make(recipe, loss, 784, bias=bias, label_smoothing=label_smoothing)
    data = batches(recipe, RECIPES[recipe].batch_size, 784)
    metrics, d_gradients, g_gradients = step(gan, twin, *next(data))
    assert_below(GRADIENT, metrics)
    assert_below(GRADIENT, d_gradients)
    assert_below(GRADIENT, g_gradients)


@pytest.mark.parametrize("loss", OBJECTIVES)
@pytest.mark.parametrize("recipe", TWINS)
def test_200_steps_with_adam(recipe, loss):
    gan, twin = make(recipe, loss, 64)
    start = gan.D.params.copy(), gan.G.params.copy()
    for _, arrays in zip(range(200), batches(recipe, 16, 64), strict=False):
        metrics, _, _ = step(gan, twin, *arrays)
        assert_below(TRAINED, metrics)
    assert_below(TRAINED, errors(gan.D, twin.D, ""))
    assert_below(TRAINED, errors(gan.G, twin.G, ""))
