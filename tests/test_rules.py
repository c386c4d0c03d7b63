"""The rules of a game: frozen, checked once; and what cannot be loaded is refused at save."""

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict

import numpy as np
import pytest
from games import Still, batch

import nngan as nn
from nngan.checkpoint import CheckpointError
from nngan.game import Rules
from nngan.layers.base import Elementwise
from nngan.optim import Optimizer


def networks():
    return nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))


def game(**options):
    return nn.GAN(*networks(), **options)


def train(gan, epochs=1):
    x = np.random.default_rng(0).uniform(0, 1, (20, 3)).astype(np.float32)
    gan.fit(x, epochs, 5, progress=False)


OTHER = {
    "loss": "hinge", "label_smoothing": 0.1, "k": 2, "update": "simultaneous", "pack": 2,
    "classes": 3, "data_range": (-1.0, 1.0), "latent": "uniform", "categories": 2, "r1": 1.0,
    "r2": 1.0, "gradient_penalty": 1.0, "penalty_every": 2, "ema": 0.5, "seed": 4, "check": False,
}  # fmt: skip


def test_every_rule_has_another_value_here():
    default = asdict(Rules())
    assert list(OTHER) == list(default)
    assert all(OTHER[name] != value for name, value in default.items())


@pytest.mark.parametrize("name", OTHER)
def test_a_rule_is_read_from_the_game_and_cannot_change(name):
    gan = game()
    before = getattr(Rules(), name)
    assert getattr(gan, name) == getattr(gan.rules, name) == before
    with pytest.raises(AttributeError, match=rf"{name} is a rule .* new game with {name}="):
        setattr(gan, name, OTHER[name])
    with pytest.raises(FrozenInstanceError):
        setattr(gan.rules, name, OTHER[name])
    assert getattr(gan, name) == before


@pytest.mark.parametrize(
    "name", ["G", "D", "g_optimizer", "d_optimizer", "G_ema", "rules", "clock"]
)
def test_a_part_of_a_game_cannot_be_replaced(name):
    gan = game(ema=0.9)
    part = getattr(gan, name)
    with pytest.raises(AttributeError, match=f"{name} cannot be replaced in a game: make a new"):
        setattr(gan, name, copy.copy(part))
    assert getattr(gan, name) is part


def test_a_learning_rate_may_change():
    gan, slower = game(), game()
    slower.g_optimizer.lr = slower.d_optimizer.lr = 0.0
    before = slower.G.params.copy()
    train(gan)
    train(slower)
    np.testing.assert_array_equal(slower.G.params, before)
    assert (gan.G.params != before).any()


def test_a_name_that_a_game_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'GAN' object has no attribute 'r3'"):
        game().r3  # noqa: B018


def test_values_are_of_plain_types():
    rules = Rules(k=np.int64(2), r1=np.float32(0.5), data_range=[-1, np.float32(1)])
    assert (type(rules.k), type(rules.r1), rules.data_range) == (int, float, (-1.0, 1.0))


def test_a_refused_game_leaves_the_networks_alone(gpu):
    G, D = networks()
    with pytest.raises(ValueError, match="label_smoothing must be 0"):
        nn.GAN(G, D, loss="hinge", label_smoothing=0.1, backend=gpu)
    assert type(G.backend) is type(D.backend) is nn.NumpyBackend


class Lion(Optimizer):
    """The sign of a mean gradient, one line of it."""

    def __init__(self, lr, beta=0.9):
        self.lr, self.beta, self.schedule = lr, beta, None

    def initial_state(self):
        return {"m": self.network.backend.xp.zeros_like(self.network.params)}

    def step(self):
        m, network = self.state["m"], self.network
        m += (1 - self.beta) * (network.grads - m)
        network.params -= self.lr * network.backend.xp.sign(m)


def test_an_optimizer_of_your_own_is_saved_and_loaded(tmp_path):
    gan, path = game(g_optimizer=Lion(1e-3), d_optimizer=Lion(1e-3)), tmp_path / "gan.npz"
    train(gan)
    gan.save(path)
    again = nn.GAN.load(path, optimizers=[Lion])
    assert type(again.g_optimizer) is Lion
    np.testing.assert_array_equal(again.g_optimizer.state["m"], gan.g_optimizer.state["m"])
    train(gan)
    train(again)
    np.testing.assert_array_equal(again.G.params, gan.G.params)


def test_without_its_class_the_optimizer_is_named(tmp_path):
    path = tmp_path / "gan.npz"
    game(g_optimizer=Lion(1e-3)).save(path)
    with pytest.raises(ValueError, match=r"unknown optimizer '.*Lion': pass its class in optim"):
        nn.GAN.load(path)
    with pytest.raises(TypeError, match="optimizers must be a sequence of classes"):
        nn.GAN.load(path, optimizers=Lion)


class Forgetful(Elementwise):
    """A layer whose config() says something else than its constructor takes."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, x, training=True, key=None):
        return x * self.factor, None

    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        return dy * self.factor


class WrongNames(Forgetful):
    def config(self):
        return {"scale": self.factor}


class LostDigits(Forgetful):
    def config(self):
        return {"factor": round(self.factor) + 1}


class Late(nn.SGD):
    """An optimizer that makes an array in its first step, not in initial_state()."""

    def step(self):
        super().step()
        self.state["late"] = self.network.params * 0


class WrongOptimizer(Lion):
    def config(self):
        return {**super().config(), "gamma": 1}


@pytest.mark.parametrize(
    "gan",
    [
        lambda: nn.GAN(
            nn.Sequential(nn.Linear(2, 3), WrongNames(2.5)), nn.Sequential(nn.Linear(3, 1))
        ),
        lambda: nn.GAN(
            nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), LostDigits(2.5))),
            nn.Sequential(nn.Linear(3, 1)),
        ),
        lambda: game(d_optimizer=WrongOptimizer(1e-3)),
    ],
    ids=["names", "values", "optimizer"],
)
def test_what_could_not_be_loaded_is_refused_at_save(gan, tmp_path):
    path = tmp_path / "gan.npz"
    path.write_bytes(b"the old file")
    with pytest.raises(CheckpointError, match=r"could not be loaded again .*config\(\) of a layer"):
        gan().save(path)
    assert path.read_bytes() == b"the old file"


def test_an_array_that_an_optimizer_makes_late_is_refused_at_save(tmp_path):
    gan = game(d_optimizer=Late(0.1))
    gan.save(tmp_path / "gan.npz")
    train(gan)
    with pytest.raises(CheckpointError, match=r"initial_state\(\) all arrays that an optimizer"):
        gan.save(tmp_path / "gan.npz")


def test_an_array_that_the_game_does_not_have_is_refused(tmp_path):
    path = tmp_path / "gan.npz"
    game().save(path)
    with np.load(path) as file:
        np.savez(path, **file, **{"D.optimizer.u": np.zeros(3)})
    with pytest.raises(CheckpointError, match=r"this game has no 'D\.optimizer\.u'"):
        nn.GAN.load(path)


def test_a_layer_in_a_network_in_a_network_is_saved_and_loaded(tmp_path):
    G = nn.Sequential(nn.Linear(2, 3), nn.Sequential(Forgetful(2.0), nn.Tanh()))
    gan, path = nn.GAN(G, nn.Sequential(nn.Linear(3, 1))), tmp_path / "gan.npz"
    gan.save(path)
    again = nn.GAN.load(path, layers=[Forgetful])
    np.testing.assert_array_equal(again.sample(3), gan.sample(3))


# -- copies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda gan: pickle.loads(pickle.dumps(gan))])
def test_a_copy_of_a_game_goes_on_like_the_game(copied):
    gan = game(ema=0.5, d_optimizer=nn.SGD(0.1, 0.9))
    train(gan)
    twin = copied(gan)
    assert twin.G.params is not gan.G.params
    assert np.shares_memory(twin.G.layers[0].W, twin.G.params)
    train(gan)
    train(twin)
    for network in ("G", "D", "G_ema"):
        ours, theirs = getattr(twin, network), getattr(gan, network)
        np.testing.assert_array_equal(ours.params, theirs.params)
    assert twin.history == gan.history


def test_a_subclass_may_replace_a_step():
    class Patient(nn.GAN):
        """G moves in every second step only."""

        def generator_step(self, z, x=None, *, y=None):
            still, lr = int(self.clock[0]) % 2 == 0, self.g_optimizer.lr
            self.g_optimizer.lr = 0.0 if still else lr
            loss = super().generator_step(z, x, y=y)
            self.g_optimizer.lr = lr
            moved.append(still)
            return loss

    moved = []
    train(Patient(*networks()))
    assert moved == [True, False, True, False]


def test_a_layer_that_forgets_its_return_is_named():
    class Forgets(nn.Tanh):
        def backward(self, dy, cache, *, input_grad=True, param_grads=True):
            super().backward(dy, cache)

    net = nn.Sequential(nn.Linear(2, 2), Forgets(), nn.Linear(2, 1))
    y, cache = net.forward(np.ones((3, 2), np.float32))
    with pytest.raises(TypeError, match=r"Forgets.backward must return dL/dx, got None"):
        net.backward(np.ones_like(y), cache)


def test_a_pass_that_comes_from_a_mixin_has_no_flags():
    class Plain:
        def backward(self, dy, cache, *, input_grad=True, param_grads=True):
            return super().backward(dy, cache, input_grad=input_grad, param_grads=param_grads)

    class Mixed(Plain, nn.Linear):
        pass

    assert nn.Linear.overwrites
    assert not Mixed.overwrites
    assert not Mixed.weighs_samples
    train(nn.GAN(nn.Sequential(Mixed(2, 3)), nn.Sequential(nn.Linear(3, 1))))


class Unweighed(nn.Linear):
    """A layer that can overwrite its gradients but knows no weights of samples."""

    weighs_samples = False

    def backward(self, dy, cache, *, input_grad=True, param_grads=True, accumulate=True):
        return super().backward(
            dy, cache, input_grad=input_grad, param_grads=param_grads, accumulate=accumulate
        )

    def backward_tangent(self, dy_dot, x_dot, cache, *, accumulate=True):
        return super().backward_tangent(dy_dot, x_dot, cache, accumulate=accumulate)

    overwrites = True


def test_a_penalty_keeps_the_gradient_of_the_loss_in_a_layer_that_overwrites():
    gradients = []
    for kind in (nn.Linear, Unweighed):
        D = nn.Sequential(kind(6, 4), nn.Tanh(), kind(4, 1), seed=2, dtype="float64")
        G = nn.Sequential(nn.Linear(3, 6), nn.Sigmoid(), seed=1, dtype="float64")
        gan = nn.GAN(G, D, r1=1.0, d_optimizer=Still(), seed=3)
        x, z = batch()
        D.grads.fill(7.0)  # of the step before
        gan.discriminator_step(x, z)
        gradients.append(D.grads.copy())
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-12)
