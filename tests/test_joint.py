"""Layers that run as one operation on a GPU compute what they compute one by one."""

import numpy as np
import pytest

import nngan as nn
from nngan.backend import Key, NumpyBackend, get_backend
from nngan.backend.columns import Code
from nngan.layers import activations
from nngan.layers.joint import FORMULAS, Above, Joint, joint_layers, through_mask

ACTIVATIONS = [nn.ReLU(), nn.LeakyReLU(0.1), nn.Sigmoid(), nn.Tanh()]
DERIVATIVES = [derivative for _, derivative in FORMULAS.values()]


class Joining(NumpyBackend):
    """NumPy, where layers are joined all the same."""

    joins_layers = True


class Apart(NumpyBackend):
    pass


def pairs_of(backend):
    """A backend that joins layers, and the same without; the other is NumPy, to the bit."""
    if backend == "numpy":
        return Joining(), Apart()
    joining, apart = get_backend(backend), get_backend(backend)
    apart.joins_layers = False
    return joining, apart


@pytest.fixture(params=["numpy", pytest.param("cupy", marks=pytest.mark.gpu)])
def both(request):
    if request.param == "cupy":
        request.getfixturevalue("gpu")
    return pairs_of(request.param)


def network(backend, activation, rate):
    last = [nn.Dropout(rate)] if rate else []
    return nn.Sequential(
        nn.Linear(5, 35), activation, *last, nn.Linear(35, 3), nn.Tanh(), seed=1, backend=backend
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"input_grad": False, "accumulate": False},
        {"param_grads": False},
        {"sample_weight": np.linspace(1, 2, 33, dtype="float32")[:, None]},
    ],
    ids=str,
)
@pytest.mark.parametrize(("rate", "training"), [(0, True), (0.4, True), (0.4, False)])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_joint_layers_are_the_layers(both, activation, rate, training, options):
    results = []
    for backend in both:
        net = network(backend, activation, rate)
        net.params += 0.1  # biases too
        net.grads.fill(0.5)
        rng = np.random.default_rng(0)
        x, dy = (backend.asarray(rng.standard_normal((33, n)), "float32") for n in (5, 3))
        moved = {k: backend.asarray(v) if k == "sample_weight" else v for k, v in options.items()}
        y, caches = net.forward(x, training, Key(7))
        assert len(caches) == len(net.layers)
        dx = net.backward(dy[:, ::-1], caches, **moved)
        arrays = [y, net.grads, *(cache for cache in caches if cache is not None)]
        results.append([backend.to_numpy(a) for a in arrays + ([] if dx is None else [dx])])
    for ours, theirs in zip(*results, strict=True):
        if isinstance(both[0], NumpyBackend):
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


def test_a_gradient_of_another_shape_is_refused(both):
    net = network(both[0], nn.ReLU(), 0)
    x = both[0].asarray(np.ones((4, 5), "float32"))
    for shape, message in [((1, 3), "of its output's shape"), ((4, 2), "of its output's shape")]:
        _, caches = net.forward(x)
        with pytest.raises(ValueError, match=message):
            net.backward(both[0].asarray(np.ones(shape, "float32")), caches)
    with pytest.raises(ValueError, match=r"wants x of shape \(N, 5\)"):
        net.forward(x[:, :4])


class OwnReLU(nn.ReLU):
    pass


def test_what_is_joined():
    layers = [nn.Linear(2, 3), nn.ReLU(), nn.Dropout(0.1), nn.Linear(3, 3), OwnReLU()]
    layers += [nn.Linear(3, 2), nn.Tanh()]
    joint = joint_layers(layers, Joining())
    assert joint.keys() == {0, 1, 2, 5, 6}  # a class of one's own may compute anything
    assert [type(joint[i]) for i in joint] == [Joint, Above, Above, Joint, Above]
    assert joint_layers(layers, NumpyBackend()) == {}


@pytest.mark.parametrize("name", ["forward", "backward"])
@pytest.mark.parametrize("i", [0, 1, 2])
def test_a_pass_that_somebody_has_replaced_is_called(i, name):
    """As the diagnosis of a step does, which watches layers."""
    net, called = network(Joining(), nn.ReLU(), 0.5), []
    original = getattr(net.layers[i], name)
    vars(net.layers[i])[name] = lambda *args, **options: (
        called.append(name) or original(*args, **options)
    )
    y, caches = net.forward(np.ones((4, 5), "float32"))
    net.backward(np.ones_like(y), caches)
    assert called == [name]


# -- the kernel with the sums of its columns -------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("formula", DERIVATIVES, ids=lambda formula: formula.__name__)
def test_the_text_of_a_formula_computes_it(formula, dtype):
    """C's arithmetic, as far as it is Python's."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(50).astype(dtype) for _ in range(3)]
    numbers = {"slope": 0.3} if "leaky" in formula.__name__ else {}
    inputs = [Code(f"in{i}[i]") for i in range(3)]
    text = through_mask.__wrapped__(*inputs, derivative=formula.__wrapped__, **numbers)
    names = {f"in{i}": array for i, array in enumerate(arrays)} | {"T": np.dtype(dtype).type}
    computed = [eval(str(text), {**names, "i": i}) for i in range(50)]
    assert {value.dtype for value in computed} == {np.dtype(dtype)}
    np.testing.assert_array_equal(computed, formula(arrays[0] * arrays[2], arrays[1], **numbers))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (128, 33), (250, 1024), (3, 32)])
def test_a_formula_with_its_sums(backend, shape, dtype):
    rng = np.random.default_rng(0)
    dy, y = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    expected = activations.leaky_relu_backward(dy, y, 0.2)
    sums = backend.asarray(np.ones(shape[1], dtype))
    for accumulate in (True, False):
        dx = backend.with_row_sums(
            activations.leaky_relu_backward, [backend.asarray(dy), backend.asarray(y.T.copy()).T],
            sums, accumulate, slope=0.2,
        )  # fmt: skip
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(backend.to_numpy(dx), expected, rtol=4 * eps)
        size = abs(expected).sum(axis=0).max() + 1
        of_rows = expected.sum(axis=0, dtype="float64") + accumulate
        np.testing.assert_allclose(backend.to_numpy(sums), of_rows, rtol=0, atol=8 * eps * size)
