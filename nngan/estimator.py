"""A small game as an estimator of scikit-learn: it can be cloned, piped and searched over."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from .backend import Array
from .checks import boolean, positive_int
from .gan import GAN
from .layers import Layer, LeakyReLU, Linear, ReLU, Tanh
from .metrics.energy import energy_distance
from .network import Sequential
from .optim import Adam

try:
    from sklearn.base import BaseEstimator
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "nngan.estimator needs scikit-learn: install it with `pip install scikit-learn`"
    ) from error
try:
    from sklearn.utils.validation import validate_data
except ImportError:  # before scikit-learn 1.6 this was a method

    def validate_data(estimator: Any, X: Any, y: Any = "no_validation", **checks: Any) -> Any:
        """Call the method that older versions of scikit-learn have."""
        return estimator._validate_data(X, y, **checks)


SCORE_SAMPLES = 1_000  # samples that `score` compares with the data
FLOATS = (np.float64, np.float32)  # the first is that of whole numbers


class MLPGAN(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A generative adversarial network of two multilayer perceptrons, as an estimator.

    Data can have any range: `fit` maps each feature linearly from its range in the training data to
    (-1, 1), the range of G's last layer, Tanh, and `sample` maps back. So no sample lies outside
    the range of the training data, and a feature that is constant there is constant in the samples.
    The hidden layers of G are ReLU, those of D LeakyReLU(0.2). Adam trains both networks; its
    learning rate falls linearly to 0.

    `score` makes `GridSearchCV` possible. There is no `score_samples`: D's logit is no density.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Units of the hidden layers of both networks. D has the same layers as G in reverse order.
    latent_dim : int
        Features of the latent vectors z.
    loss : str
        "non_saturating", "relativistic" or another loss of `nngan.GAN`.
    lr : float
        Learning rate of both optimizers at the first step.
    r1 : float
        Strength of the penalty on D's gradient at the data, in the mapped features; 0 for none.
    ema : float
        Decay of the moving average of G's weights that samples are drawn from; 0 for none.
    epochs : int
        Passes through the data.
    batch_size : int
        Samples per minibatch. All samples, if there are fewer.
    conditional : bool
        Whether `fit` needs the classes `y`, and `sample` can be asked for one. False: `y` is
        ignored.
    backend : str
        "numpy", "numba", "mkl", "cupy" or "cupy-tf32". A pickle is loaded onto the same backend.
    progress : bool
        Whether `fit` shows a progress bar and lines of losses.
    random_state : None, int or RandomState
        `fit` draws the seed of the game from it. An int gives the same game each time.

    Attributes
    ----------
    gan_ : GAN
        The trained game, with its history. It takes and samples features in [0, 1].
    data_min_, data_max_ : array of shape (features,)
        The range of each feature in the training data.
    classes_ : array of shape (n_classes,)
        The sorted classes in `y`, if the game is conditional.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : array of shape (features,)
        Their names, if `X` was a data frame.

    Notes
    -----
    A pickle holds the bytes of the file that `GAN.save` writes, next to the parameters.

    Examples
    --------
    >>> import nngan as nn
    >>> x, _ = nn.datasets.digits()
    >>> gan = nn.estimator.MLPGAN(epochs=2, random_state=0).fit(x)
    >>> gan.sample(5).shape
    (5, 64)
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (128, 128),
        *,
        latent_dim: int = 16,
        loss: str = "non_saturating",
        lr: float = 3e-3,
        r1: float = 0.3,
        ema: float = 0.999,
        epochs: int = 200,
        batch_size: int = 32,
        conditional: bool = False,
        backend: str = "numpy",
        progress: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.latent_dim = latent_dim
        self.loss = loss
        self.lr = lr
        self.r1 = r1
        self.ema = ema
        self.epochs = epochs
        self.batch_size = batch_size
        self.conditional = conditional
        self.backend = backend
        self.progress = progress
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> MLPGAN:
        """Train a new game on `X`.

        Parameters
        ----------
        X : array-like of shape (n, features)
            Numbers of any range, n >= 2.
        y : array-like of shape (n,), optional
            The class of each sample, numbers or texts, if the game is conditional.

        Returns
        -------
        MLPGAN
            The estimator itself.

        Raises
        ------
        ValueError
            If `X` or `y` are no such arrays, or a parameter has no such value.
        TrainingDiverged
            If a loss became NaN or infinite. `GridSearchCV` goes on with the next candidate.
        """
        self.__dict__.pop("gan_", None)  # the old game does not fit what is kept of this data
        labels = None
        if boolean("conditional", self.conditional):
            if y is None:
                raise ValueError(
                    "y must hold the class of each sample, because conditional=True; got None"
                )
            X, y = validate_data(self, X, y, dtype=FLOATS, ensure_min_samples=2)
            check_classification_targets(y)
            self.classes_, labels = np.unique(y, return_inverse=True)
        else:
            X = validate_data(self, X, dtype=FLOATS, ensure_min_samples=2)
        self.data_min_, self.data_max_ = X.min(axis=0), X.max(axis=0)
        batch_size = min(positive_int("batch_size", self.batch_size), len(X))
        steps = positive_int("epochs", self.epochs) * (len(X) // batch_size)
        gan = self._game(X.shape[1], 0 if labels is None else len(self.classes_), steps)
        gan.fit(self._mapped(X), self.epochs, batch_size, labels=labels, progress=self.progress)
        self.gan_ = gan
        return self

    def sample(
        self,
        n_samples: int = 1,
        y: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> Array:
        """Return samples of G, mapped back to the range of the data.

        Parameters
        ----------
        n_samples : int
            How many, at least 1.
        y : class or sequence of classes, optional
            In a conditional game: the class of all samples, or of each. If left out, classes are
            drawn with their frequencies in the training data.
        random_state : None, int or RandomState
            The latent vectors are drawn from it. None: other samples in each call.

        Returns
        -------
        array of shape (n_samples, features)
            Of the dtype of the training data, float64 if they were whole numbers.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        ValueError
            If `y` holds a class that was not in the training data, or the game has no classes.
        """
        check_is_fitted(self, "gan_")
        n = positive_int("n_samples", n_samples)
        seed = _seed(random_state)
        x = self.gan_.sample(n, labels=None if y is None else self._labels(y, n), seed=seed)
        low, half = self._low_and_half()
        samples: Array = 2 * (low / 2 + half * x.astype(low.dtype))
        return samples.clip(low, self.data_max_)  # the last digit may be rounded up

    def score(self, X: Any, y: Any = None) -> float:
        """Return minus the energy distance between `X` and 1,000 samples; higher is better.

        The distance is `nngan.metrics.energy_distance`, in the features mapped to [0, 1], so that
        each feature counts, whatever its range. The best value to expect is that of real data: a
        little below 0, the further the fewer rows `X` has. The samples are the same in each call.

        Parameters
        ----------
        X : array-like of shape (n, features)
            Data, n >= 1. Time grows with (n + 1,000)^2.
        y : object, optional
            Ignored: samples of all classes are compared with `X`.
        """
        check_is_fitted(self, "gan_")
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        samples = self.gan_.sample(SCORE_SAMPLES).astype(X.dtype)
        _, half = self._low_and_half()  # a constant feature is mapped to 0
        return -energy_distance(samples * (half > 0), self._mapped(X))

    # -- parts -------------------------------------------------------------------------------------

    def _game(self, features: int, classes: int, steps: int) -> GAN:
        """Make the game, with a seed that is drawn from `random_state`."""
        sizes = self.hidden_layer_sizes
        hidden = [
            positive_int("hidden_layer_sizes", n)
            for n in (sizes if isinstance(sizes, Sequence | np.ndarray) else [sizes])
        ]
        latent_dim = positive_int("latent_dim", self.latent_dim)
        G = _mlp([latent_dim + classes, *hidden, features], ReLU)
        D = _mlp([features + classes, *reversed(hidden), 1], lambda: LeakyReLU(0.2))
        seed = 3 * _seed(self.random_state)  # three seeds, which no other game shares
        adam: dict[str, Any] = {"lr": self.lr, "beta1": 0.5, "beta2": 0.99}
        adam["schedule"] = ("linear", steps)
        return GAN(
            Sequential(*G, Tanh(), seed=seed + 1),
            Sequential(*D, seed=seed + 2),
            g_optimizer=Adam(**adam),
            d_optimizer=Adam(**adam),
            loss=self.loss,
            classes=classes,
            r1=self.r1,
            ema=self.ema,
            data_range=(-1.0, 1.0),
            check=False,  # the data are mapped to what G makes; constant ones are no mistake here
            seed=seed,
            backend=self.backend,
        )

    def _low_and_half(self) -> tuple[Array, Array]:
        """Return the minimum of each feature and half its range; the whole range may overflow."""
        return self.data_min_, self.data_max_ / 2 - self.data_min_ / 2

    def _mapped(self, X: Array) -> Array:
        """Return `X` as the game takes it: the training data lie in [0, 1]."""
        low, half = self._low_and_half()
        mapped: Array = (X / 2 - low / 2) / np.where(half > 0, half, 1)
        return mapped

    def _labels(self, y: Any, n: int) -> Array:
        """Return the labels 0, 1, ... of `n` classes in `classes_`, or of one for all."""
        if not self.gan_.rules.classes:
            raise ValueError("y is for a game with classes: fit MLPGAN(conditional=True)")
        y = np.asarray(y)
        if y.shape not in ((), (n,)):
            raise ValueError(
                f"y must be one class, or {n}, one for each sample, got shape {y.shape}"
            )
        labels = {c: label for label, c in enumerate(self.classes_.tolist())}
        classes = np.broadcast_to(y, n).tolist()
        wrong = [c for c in classes if c not in labels]
        if wrong:
            raise ValueError(f"y must be of the classes {list(labels)}, got {wrong[0]!r}")
        return np.array([labels[c] for c in classes])

    # -- pickles -----------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "gan_" in state:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "gan.npz"
                self.gan_.save(path)
                state["gan_"] = path.read_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "gan_" in state:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "gan.npz"
                path.write_bytes(state["gan_"])
                state = {**state, "gan_": GAN.load(path, state["backend"])}
        super().__setstate__(state)


def _seed(random_state: int | np.random.RandomState | None) -> int:
    """Draw a seed of the game from scikit-learn's kind of seed."""
    return int(check_random_state(random_state).randint(2**31 - 1))


def _mlp(sizes: Sequence[int], activation: Callable[[], Layer]) -> list[Layer]:
    """Return linear layers of these sizes with activations between them."""
    layers: list[Layer] = []
    for n_in, n_out in pairwise(sizes[:-1]):
        layers += [Linear(n_in, n_out, "he"), activation()]
    return [*layers, Linear(sizes[-2], sizes[-1])]
