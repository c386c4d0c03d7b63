"""The output of forward at given values of any array, with and without a gradient."""

import numpy as np
import pytest

import nngan as nn
from nngan.gradcheck.process.remote import outputs
from nngan.gradcheck.process.values import NoSuchArray, output_at
from nngan.gradcheck.styles.made import Settings
from nngan.gradcheck.subject import Broken

X, W = np.random.default_rng(0).standard_normal((5, 4)), np.arange(12.0).reshape(4, 3)


class Holder:
    """y = x W, where W is somewhere; it has no backward."""

    def __init__(self, where, read):
        self.where, self.read = where, read

    def forward(self, x):
        return x @ self.read(self.where), x


@pytest.mark.parametrize(
    ("where", "read", "label"),
    [
        (np.ones((4, 3)), lambda w: w, "where"),
        ({"W": np.ones((4, 3))}, lambda w: w["W"], "where['W']"),
        ([np.ones((4, 3))], lambda w: w[0], "where[0]"),
        ((np.ones((4, 3)), 1.0), lambda w: w[0], "where[0]"),
        (np.ones((4, 3), int), lambda w: w, "where"),
    ],
)
def test_an_array_is_set_wherever_it_is(where, read, label):
    holder = Holder(where, read)
    assert np.array_equal(output_at(holder, [X], {"x": 2 * X, label: W}), 2 * X @ W)
    assert np.array_equal(read(holder.where), W)  # no copy, which may know that it is one


def test_an_array_that_forward_makes():
    class Lazy:
        def forward(self, x):
            if not hasattr(self, "W"):
                self.W = np.ones((x.shape[1], 3))
            return x @ self.W

    assert np.array_equal(output_at(Lazy(), [X], {"W": W}), X @ W)


def test_functions_and_a_layer_of_the_library():
    def forward(inputs, w):
        return inputs @ w, None

    assert np.array_equal(output_at((forward, None), [X, 0 * W], {"w": W}), X @ W)
    layer = nn.Sequential(nn.Linear(4, 3), dtype="float64")
    values = {"layers[0].W": W, "layers[0].b": np.ones(3)}
    assert np.allclose(output_at(layer, [X], values), X @ W + 1)


def test_what_is_not_there_is_named():
    holder = Holder(np.ones((4, 3)), lambda w: w)
    with pytest.raises(NoSuchArray) as error:
        output_at(holder, [X], {"V": W})
    assert (error.value.label, error.value.has_shape) == ("V", False)
    assert "where" in error.value.found
    with pytest.raises(NoSuchArray) as error:
        output_at(holder, [X], {"where": W.T})
    assert (error.value.found, error.value.has_shape) == ("(4, 3)", True)
    with pytest.raises(Broken, match="ValueError"):
        output_at(holder, [X.T], {})
    with pytest.raises(Broken, match="must be an array of floats, got str"):
        output_at((lambda x: "y", None), [X], {})


AFTER_BACKWARD = """import numpy as np
class Layer:
    is_checked = False
    def forward(self, x):
        return (3 * x if self.is_checked else x), x
    def backward(self, dy, x):
        self.is_checked = True
        return 3 * dy
"""
IN_A_COPY = """import numpy as np
class Layer:
    is_copy = False
    def __deepcopy__(self, memo):
        copy = Layer()
        copy.is_copy = True
        return copy
    def forward(self, x):
        return (x if self.is_copy else 3 * x), x
    def backward(self, dy, x):
        return 3 * dy
"""


@pytest.mark.parametrize("source", [AFTER_BACKWARD, IN_A_COPY], ids=["after backward", "in a copy"])
def test_the_outputs_are_those_of_the_forward_that_was_checked(source, tmp_path):
    file = tmp_path / "layer.py"
    file.write_text(source)
    (answer,) = outputs(file, "Layer", Settings(), 15.0, [{"x": X}])
    assert np.array_equal(answer, 3 * X)
