"""MLPGAN: scikit-learn's own checks, what its tools do with it, and what it adds."""

import copy
import io
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import nngan as nn
from nngan.estimator import MLPGAN

QUICK = {"hidden_layer_sizes": 16, "epochs": 3, "random_state": 0}


def data(n=200):
    """Return a table: a large offset, a tail, a constant."""
    rng = np.random.default_rng(0)
    return np.column_stack([rng.normal(1e4, 50, n), rng.exponential(1e-3, n), np.full(n, 0.1)])


def texts(n=200):
    return np.where(np.arange(n) % 4 == 0, "a", "b")


@pytest.fixture(scope="module")
def gan():
    return MLPGAN(**QUICK).fit(data())


@pytest.fixture(scope="module")
def conditional():
    x = np.where(texts() == "a", 10.0, -10.0) + np.random.default_rng(0).normal(size=200)
    return MLPGAN(conditional=True, epochs=50, random_state=0).fit(x[:, None], texts())


@parametrize_with_checks([MLPGAN(random_state=0)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


# -- what scikit-learn does with it ----------------------------------------------------------------


def test_a_clone_is_untrained_and_has_the_parameters(gan):
    assert not hasattr(clone(gan), "gan_")
    assert clone(gan).get_params() == gan.get_params()
    assert MLPGAN(**gan.get_params()).set_params(lr=1).lr == 1


def test_a_grid_search_finds_the_learning_rate_that_learns():
    x = np.random.default_rng(0).normal(5, 1, (300, 2))
    grid = {"mlpgan__lr": [1e-7, 3e-3]}
    pipe = make_pipeline(StandardScaler(), MLPGAN((32,), epochs=60, random_state=0))
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(x, np.arange(300) % 2)
    assert search.best_params_ == {"mlpgan__lr": 3e-3}
    bad, good = search.cv_results_["mean_test_score"]
    assert bad < good - 0.04 < 0
    best = search.best_estimator_
    samples = best[:-1].inverse_transform(best[-1].sample(1000, random_state=0))
    assert abs(samples.mean() - 5) < 0.5


def test_a_grid_search_goes_on_after_a_loss_that_is_not_finite():
    search = GridSearchCV(MLPGAN(**QUICK), {"lr": [1e30, 1e-3]}, cv=2)
    with pytest.warns((FitFailedWarning, UserWarning)) as warned:  # fits, then scores
        search.fit(data())
    assert "the loss is no longer finite" in str(warned[0].message)
    assert search.best_params_ == {"lr": 1e-3}


@pytest.mark.parametrize("keep", [
    lambda gan, path: pickle.loads(pickle.dumps(gan)),
    lambda gan, path: joblib.load(joblib.dump(gan, path / "gan.joblib")[0]),
    lambda gan, path: copy.deepcopy(gan),
], ids=["pickle", "joblib", "deepcopy"])  # fmt: skip
def test_what_is_kept_comes_back_whole(keep, gan, tmp_path):
    again = keep(gan, tmp_path)
    np.testing.assert_array_equal(again.sample(5, random_state=1), gan.sample(5, random_state=1))
    assert again.score(data()) == gan.score(data())
    assert again.gan_ is not gan.gan_
    assert again.gan_.history == gan.gan_.history
    more = copy.deepcopy(gan.gan_)  # both go on alike: optimizers and clock are kept too
    for game in (again.gan_, more):
        game.fit(np.zeros((128, 3)), 1, progress=False)
    np.testing.assert_array_equal(again.gan_.G.params, more.G.params)


def test_a_pickle_holds_the_bytes_of_a_checkpoint(gan, tmp_path):
    state = gan.__getstate__()
    gan.gan_.save(tmp_path / "gan.npz")
    assert state["gan_"] == (tmp_path / "gan.npz").read_bytes()
    with np.load(io.BytesIO(state["gan_"]), allow_pickle=False) as file:
        assert {name: file[name] for name in file.files}
    assert isinstance(gan.gan_, nn.GAN)  # that of the estimator is still there
    assert pickle.loads(pickle.dumps(MLPGAN())).get_params() == MLPGAN().get_params()


# -- what it adds ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8"])
def test_samples_have_the_range_and_dtype_of_the_data(dtype):
    x = (np.random.default_rng(0).random((200, 2)) * 200 + 20).astype(dtype)
    samples = MLPGAN(epochs=100, random_state=0).fit(x).sample(500, random_state=0)
    assert samples.dtype == (dtype if "float" in dtype else "float64")
    assert (samples.min(axis=0) >= x.min(axis=0)).all()
    assert (samples.max(axis=0) <= x.max(axis=0)).all()
    assert abs(samples.mean(axis=0) - 120).max() < 20
    assert samples.std(axis=0).min() > 40  # that of the data is 58


def test_a_constant_feature_stays_and_one_near_the_largest_float_does_not_overflow(gan):
    assert (gan.sample(100)[:, 2] == 0.1).all()
    x = np.array([[-1.7e308], [1.7e308], [1e308], [0.0]])
    gan = MLPGAN(**QUICK).fit(x)
    assert np.isfinite(gan.sample(100)).all()
    assert np.isfinite(gan.score(x))


def test_the_score_is_the_energy_distance_of_the_mapped_features(gan):
    low, high = data().min(axis=0)[:2], data().max(axis=0)[:2]

    def mapped(x):
        return np.column_stack([(x[:, :2] - low) / (high - low), 0 * x[:, 2]])

    seed = np.random.default_rng(1).normal(size=(50, 3))  # any data, of another mean
    x = data()[:50] + seed * [100, 1e-3, 0]
    samples = gan.gan_.sample(1000) * [1, 1, 0]
    expected = -nn.metrics.energy_distance(samples, mapped(x))
    assert gan.score(x) == pytest.approx(expected, rel=1e-6)
    assert gan.score(x) == gan.score(x)
    assert gan.score(x[:1]) < 0  # one row is enough
    assert not hasattr(gan, "score_samples")


def test_the_seed_is_drawn_in_fit():
    def params(random_state):
        return MLPGAN(**{**QUICK, "random_state": random_state}).fit(data()).gan_.G.params

    assert (params(0) == params(0)).all()
    assert (params(0) != params(1)).any()
    assert (params(None) != params(None)).any()
    state = np.random.RandomState(0)
    assert (params(state) == params(0)).all()
    assert (params(state) != params(0)).any()  # the state has moved on


def test_sample_takes_a_seed_of_its_own(gan):
    assert (gan.sample(3, random_state=1) == gan.sample(3, random_state=1)).all()
    assert (gan.sample(3)[:, 0] != gan.sample(3)[:, 0]).any()
    assert gan.sample().shape == (1, 3)


def test_a_conditional_game_draws_the_class_that_is_asked_for(conditional):
    assert list(conditional.classes_) == ["a", "b"]
    assert conditional.sample(50, y="a", random_state=0).min() > 0
    assert conditional.sample(50, y="b", random_state=0).max() < 0
    signs = np.sign(conditional.sample(3, y=["a", "b", "a"], random_state=0)).ravel()
    assert list(signs) == [1, -1, 1]
    share = (conditional.sample(1000, random_state=0) > 0).mean()
    assert 0.2 < share < 0.3  # that of the data is a quarter
    again = pickle.loads(pickle.dumps(conditional))
    assert (again.sample(5, y="a", random_state=0) > 0).all()


def test_y_is_ignored_where_the_game_has_no_classes(gan):
    again = MLPGAN(**QUICK).fit(data(), np.random.default_rng(0).normal(size=200))
    assert (again.gan_.G.params == gan.gan_.G.params).all()


def test_importing_nngan_imports_no_scikit_learn():
    program = "import sys, nngan as nn; assert 'sklearn' not in sys.modules; nn.estimator.MLPGAN"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_missing_scikit_learn_is_said_with_the_next_step():
    program = "import sys; sys.modules['sklearn'] = None; import nngan as nn; nn.estimator"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    last = result.stderr.splitlines()[-1]
    assert last == (
        "ModuleNotFoundError: nngan.estimator needs scikit-learn: install it with "
        "`pip install scikit-learn`"
    )


def fit(x=None, y=None, **parameters):
    return MLPGAN(**{**QUICK, **parameters}).fit(data() if x is None else x, y)


MISTAKES = {
    "hidden_layer_sizes must be a positive whole number, got 0": lambda: fit(
        hidden_layer_sizes=(8, 0)
    ),
    "hidden_layer_sizes must be a positive whole number, got 'many'": lambda: fit(
        hidden_layer_sizes=["many"]
    ),
    "latent_dim must be a positive": lambda: fit(latent_dim=0),
    "epochs must be a positive": lambda: fit(epochs=1.5),
    "batch_size must be a positive": lambda: fit(batch_size=0),
    "lr must be": lambda: fit(lr=-1),
    "loss must be one of minimax, non_saturating": lambda: fit(loss="squares"),
    "ema must lie in": lambda: fit(ema=1),
    "r1 must be": lambda: fit(r1=-1),
    "backend must be": lambda: fit(backend="gpu"),
    "cannot be used to seed": lambda: fit(random_state="zero"),
    "minimum of 2 is required": lambda: fit(x=data(1)),
    "contains NaN": lambda: fit(x=data() * np.nan),
    "y must hold the class of each sample": lambda: fit(conditional=True),
    "Unknown label type": lambda: fit(conditional=True, y=np.linspace(0, 1, 200)),
    "y is for a game with classes": lambda: fit().sample(3, y=1),
    r"y must be of the classes \['a', 'b'\], got 'c'": lambda: fit(
        conditional=True, y=texts()
    ).sample(2, y=["a", "c"]),
    "y must be one class, or 3, one for each sample": lambda: fit(
        conditional=True, y=texts()
    ).sample(3, y=["a", "b"]),
    "n_samples must be a positive": lambda: fit().sample(0),
    "X has 2 features": lambda: fit().score(data()[:, :2]),
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_named(words):
    with pytest.raises(ValueError, match=words):
        MISTAKES[words]()


def test_after_a_fit_that_failed_the_estimator_is_not_fitted():
    gan = fit()
    with pytest.raises(nn.training.TrainingDiverged):
        gan.set_params(lr=1e30).fit(2 * data())
    for act in (lambda: gan.sample(2), lambda: gan.score(data())):
        with pytest.raises(NotFittedError):
            act()
    assert pickle.loads(pickle.dumps(gan)).lr == 1e30


def test_parameters_may_be_numbers_of_numpy():
    grid = {
        "lr": np.logspace(-4, -3, 2, dtype="float32"),
        "hidden_layer_sizes": np.array([8, 16]),
        "r1": [np.float64(0.1)],
        "ema": np.array([0.9], "float32"),
        "epochs": np.array([2]),
    }
    search = GridSearchCV(MLPGAN(random_state=0), grid, cv=2, error_score="raise").fit(data())
    again = pickle.loads(pickle.dumps(search))
    assert again.score(data()) == search.score(data())


@pytest.mark.parametrize("name", ["sample", "score"])
def test_an_untrained_game_is_refused(name):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(MLPGAN(), name)(data())
