"""Checkpoints: the whole state, no pickle, never half a file."""

import contextlib
import gzip
import io
import json
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from games import data, fit, float32_game, interrupt_at, saved_state
from layer_examples import ARGUMENTS, Double

import nngan as nn
from nngan.checkpoint import SIZES, CheckpointError
from nngan.layers.base import Elementwise


@pytest.fixture
def trained():
    gan = float32_game()
    fit(gan, epochs=2)
    return gan


def test_a_game_comes_back_as_it_was(trained, tmp_path):
    path = tmp_path / "gan.npz"
    trained.save(path, {"note": "first"})
    gan, extra = nn.GAN.load_with_extra(path)
    assert extra == {"note": "first"}
    assert gan.config() == trained.config()
    assert saved_state(gan) == saved_state(trained)
    np.testing.assert_array_equal(gan.sample(5), trained.sample(5))


@pytest.mark.parametrize("stop", [None, 2, 9])
def test_a_resumed_run_ends_with_the_bytes_of_the_uninterrupted_one(stop, tmp_path):
    whole, first = float32_game(), float32_game()
    fit(whole, epochs=4)
    if stop is None:
        fit(first, epochs=2)
    else:
        interrupt_at(first, stop)  # in the middle of an epoch
        with pytest.raises(KeyboardInterrupt):
            fit(first, epochs=4)
    first.save(tmp_path / "gan.npz")
    second = nn.GAN.load(tmp_path / "gan.npz")
    fit(second, epochs=4 - second.epoch)
    assert saved_state(second) == saved_state(whole)


def test_a_run_goes_on_on_another_backend(backend, tmp_path):
    gan = float32_game(backend)
    fit(gan, epochs=1)
    gan.save(tmp_path / "gan.npz")
    other = nn.GAN.load(tmp_path / "gan.npz", backend="numpy")
    np.testing.assert_array_equal(other.G.params, backend.to_numpy(gan.G.params))
    other.save(tmp_path / "gan.npz")
    back = nn.GAN.load(tmp_path / "gan.npz", backend=backend)
    fit(back, epochs=1)
    fit(other, epochs=1)
    np.testing.assert_allclose(
        backend.to_numpy(back.G.params), other.G.params, rtol=1e-3, atol=1e-6
    )


def test_a_game_with_a_layer_of_your_own(tmp_path):
    G = nn.Sequential(nn.Linear(2, 4), Double())
    gan = nn.GAN(G, nn.Sequential(nn.Linear(4, 1)))
    gan.save(tmp_path / "gan.npz")
    with pytest.raises(ValueError, match=r"unknown layer '.*Double': pass its class"):
        nn.GAN.load(tmp_path / "gan.npz")
    again = nn.GAN.load(tmp_path / "gan.npz", layers=[Double])
    np.testing.assert_array_equal(again.sample(3), gan.sample(3))


def test_two_runs_of_one_seed_write_the_same_file(tmp_path):
    for name in ("a", "b"):
        gan = float32_game()
        fit(gan, epochs=2)
        gan.save(tmp_path / name, {"epochs": 2})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_there_is_no_pickle_in_it(trained, tmp_path):
    trained.save(tmp_path / "gan.npz")
    with np.load(tmp_path / "gan.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)
        json.loads(file["config"].tobytes())


def test_a_save_that_fails_leaves_the_old_file(trained, tmp_path, monkeypatch):
    path = tmp_path / "gan.npz"
    trained.save(path)
    before = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        trained.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["gan.npz"]


def test_the_new_file_is_on_the_disk_before_it_gets_the_name(trained, tmp_path, monkeypatch):
    events, sizes = [], []
    fsync, replace = os.fsync, type(tmp_path).replace

    def spy(fd):
        events.append("fsync")
        sizes.append(os.fstat(fd).st_size)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", spy)
    monkeypatch.setattr(
        type(tmp_path), "replace", lambda a, b: (events.append("rename"), replace(a, b))
    )
    trained.save(tmp_path / "gan.npz")
    assert events[:2] == ["fsync", "rename"]
    assert sizes[0] == (tmp_path / "gan.npz").stat().st_size  # nothing was left in a buffer


@pytest.mark.parametrize("keep", [0, 10, 1000, -1])
def test_a_truncated_file_is_told_from_a_checkpoint(trained, tmp_path, keep):
    path = tmp_path / "gan.npz"
    trained.save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"gan\.npz is not a whole checkpoint of nngan"):
        nn.GAN.load(path)


def test_a_flipped_bit_is_found(trained, tmp_path):
    path = tmp_path / "gan.npz"
    trained.save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        nn.GAN.load(path)


def as_bytes(text):
    return np.frombuffer(text.encode(), np.uint8)


def rewrite(path, **changes):
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"G.params": None}, "the layers of G have 56 parameters, and G.params 0"),
        (
            {"G.params": np.zeros(56)},
            r"G.params must be \(56,\) of float32, got \(56,\) of float64",
        ),
        ({"D.optimizer.m": np.zeros(3)}, r"D.optimizer.m must be \(75,\) of float32, got \(3,\)"),
        ({"config": None}, "is not a whole checkpoint of nngan: it has no entry 'config'"),
        ({"config": as_bytes('{"format": "nngan checkpoint 99"}')}, "checkpoint 99.*this version"),
        ({"config": as_bytes("[]")}, "it has no entry 'format'"),
        ({"config": as_bytes("[" * 100_000)}, "it is no JSON"),
        ({"history": None}, "history must be .4, n. of float64, got nothing"),
        ({"history": np.full((4, 2), np.nan)}, "its history has values that are NaN"),
        ({"log": np.zeros(4)}, "log must be .n, 4. of float32, got .4,. of float64"),
        ({"clock": np.array([-1])}, "its clock has -1 steps"),
        ({"clock": np.array([np.nan])}, "clock must be .1,. of int64, got .1,. of float64"),
        ({"other": np.zeros(3)}, "this game has no 'other'"),
    ],
)
def test_a_damaged_file_gets_one_clear_sentence(trained, tmp_path, changes, message):
    path = tmp_path / "gan.npz"
    trained.save(path)
    rewrite(path, **changes)
    with pytest.raises(CheckpointError, match=message) as error:
        nn.GAN.load(path)
    assert "\n" not in str(error.value)


def test_other_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        nn.GAN.load(tmp_path / "nothing.npz")
    np.savez(tmp_path / "weights.npz", w=np.zeros(3))
    with pytest.raises(CheckpointError, match="not a whole checkpoint of nngan"):
        nn.GAN.load(tmp_path / "weights.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(CheckpointError):
        nn.GAN.load(tmp_path / "text.npz")
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as file:
        file.writestr("config.npy", b"nonsense")
    with pytest.raises(CheckpointError):
        nn.GAN.load(tmp_path / "zip.npz")


def test_pickles_are_refused(trained, tmp_path):
    path = tmp_path / "gan.npz"
    trained.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["log"] = np.array([print], dtype=object)
    np.savez(path, **arrays)
    with pytest.raises(CheckpointError):
        nn.GAN.load(path)


def test_data_is_not_kept(trained, tmp_path):
    trained.save(tmp_path / "gan.npz")
    with np.load(tmp_path / "gan.npz") as file:
        assert all(file[name].shape != data().shape for name in file.files)


def test_a_file_that_cannot_be_written_is_named(trained, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        trained.save(tmp_path / "nowhere" / "gan.npz")
    assert caught.value.filename == str(tmp_path / "nowhere" / "gan.npz")


def test_layers_are_a_sequence(trained, tmp_path):
    trained.save(tmp_path / "gan.npz")
    with pytest.raises(TypeError, match=r"layers must be a sequence of classes, \[MyClass\] say"):
        nn.GAN.load(tmp_path / "gan.npz", layers=Double)


class Scale(Elementwise):
    def __init__(self, factor, store=True):
        self.store = store
        if store:
            self.factor = factor

    def forward(self, x, training=True, key=None):
        return 2 * x, None

    def backward(self, dy, cache, *, input_grad=True, param_grads=True):
        return 2 * dy


def test_numbers_of_numpy_are_saved_as_numbers(tmp_path):
    gan = nn.GAN(
        nn.Sequential(nn.Linear(2, 4), Scale(np.float32(2))), nn.Sequential(nn.Linear(4, 1))
    )
    gan.g_optimizer.lr = np.float32(0.5)
    gan.save(tmp_path / "gan.npz")
    again = nn.GAN.load(tmp_path / "gan.npz", layers=[Scale])
    assert (again.G.layers[1].factor, again.g_optimizer.lr) == (2.0, 0.5)


def test_what_cannot_be_saved_is_named(tmp_path):
    def game(scale):
        return nn.GAN(nn.Sequential(nn.Linear(2, 4), scale), nn.Sequential(nn.Linear(4, 1)))

    with pytest.raises(CheckpointError, match=r"Scale cannot be described: keep.*as self\.factor"):
        game(Scale(2.0, store=False)).save(tmp_path / "gan.npz")
    with pytest.raises(
        TypeError, match="a checkpoint holds numbers, texts, lists and dicts, not <"
    ):
        game(Scale(object())).save(tmp_path / "gan.npz")
    assert not list(tmp_path.iterdir())


# -- what others may have written ----------------------------------------------------------------


def edited(path, edit):
    """Change the description in a checkpoint."""
    with np.load(path, allow_pickle=False) as file:
        config = json.loads(file["config"].tobytes())
    edit(config)
    rewrite(path, config=as_bytes(json.dumps(config)))


def deep(n):
    """Return a list in a list in a list, and so on."""
    value = []
    for _ in range(n):
        value = [value]
    return value


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


EDITS = {
    "no game": lambda c: c.pop("gan"),
    "a game that is a number": lambda c: c.update(gan=5),
    "no extra": lambda c: c.pop("extra"),
    "an extra that is null": lambda c: c.update(extra=None),
    "no layers": lambda c: c["gan"]["G"].update(layers=[]),
    "layers that are a number": lambda c: c["gan"]["G"].update(layers=5),
    "a layer that is null": lambda c: c["gan"]["G"]["layers"].append(None),
    "a type that is a number": lambda c: c["gan"]["G"]["layers"][0].update(type=5),
    "another option of a layer": lambda c: c["gan"]["G"]["layers"][0].update(colour=5),
    "a size that is a text": lambda c: c["gan"]["G"]["layers"][0].update(n_in="5"),
    "a size that is negative": lambda c: c["gan"]["G"]["layers"][0].update(n_in=-5),
    "a size that is huge": lambda c: c["gan"]["G"]["layers"][0].update(n_in=20_000, n_out=20_000),
    "too many layers": lambda c: c["gan"]["G"]["layers"].extend([{"type": "Tanh"}] * 300_000),
    "a network in itself": lambda c: c["gan"]["G"]["layers"].append({"layers": 5}),
    "a dtype": lambda c: c["gan"]["G"].update(dtype="object"),
    "a seed": lambda c: c["gan"]["G"].update(seed=-1),
    "an optimizer that is null": lambda c: c["gan"].update(g_optimizer=None),
    "an optimizer of no type": lambda c: c["gan"]["g_optimizer"].pop("type"),
    "a schedule": lambda c: c["gan"]["g_optimizer"].update(schedule=5),
    "a schedule of 0 steps": lambda c: c["gan"]["g_optimizer"].update(schedule=["linear", 0]),
    "another rule": lambda c: c["gan"].update(colour=5),
    "a rule out of range": lambda c: c["gan"].update(r1=-1.0),
    "a rule of another type": lambda c: c["gan"].update(k="1"),
    "a range": lambda c: c["gan"].update(data_range=[0, float("inf")]),
    "a loss": lambda c: c["gan"].update(loss=[]),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_description_that_was_edited_is_one_error_with_the_path(trained, tmp_path, edit):
    path = tmp_path / "gan.npz"
    trained.save(path)
    edited(path, edit)
    with pytest.raises(CheckpointError, match=r"gan\.npz") as error:
        nn.GAN.load(path)
    assert "\n" not in str(error.value)


def test_nothing_large_is_made_of_a_small_file(trained, tmp_path):
    huge, packed = tmp_path / "huge.npz", tmp_path / "packed.npz"
    for path in (huge, packed):
        trained.save(path)
    edited(huge, EDITS["a size that is huge"])
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as file:  # an array that nobody reads
        file.writestr("other.npy", npy(np.zeros(10**7)))
    tracemalloc.start()
    with pytest.raises(CheckpointError, match=r"the layers of G have 400,.* and G\.params 56"):
        nn.GAN.load(huge)
    with pytest.raises(CheckpointError, match="this game has no 'other'"):
        nn.GAN.load(packed)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10**7


@pytest.mark.parametrize("seed", range(3))
def test_no_flipped_bit_is_another_error(trained, tmp_path, seed):
    path, draw = tmp_path / "gan.npz", np.random.default_rng(seed)
    trained.save(path)
    whole = path.read_bytes()
    for _ in range(100):
        content = bytearray(whole)
        content[draw.integers(len(content))] ^= 1 << draw.integers(8)
        path.write_bytes(content)
        with contextlib.suppress(CheckpointError):
            assert saved_state(nn.GAN.load(path)) == saved_state(trained)  # a bit that nobody reads


@pytest.mark.parametrize(
    "content",
    [b"hello", gzip.compress(b"hello"), pickle.dumps([print])],
    ids=["text", "gzip", "pickle"],
)
def test_another_file_is_no_reason_to_allow_pickles(tmp_path, content):
    (tmp_path / "gan.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"it is no \.npz file") as error:
        nn.GAN.load(tmp_path / "gan.npz")
    assert "pickle" not in str(error.value)


@pytest.mark.parametrize("extra", [5, [1], {1: 2}, {"x": deep(200)}, {"x": np.array("a")}])
def test_an_extra_that_could_not_be_loaded_is_refused(trained, tmp_path, extra):
    with pytest.raises(CheckpointError):
        trained.save(tmp_path / "gan.npz", extra)
    assert not list(tmp_path.iterdir())


def test_arrays_in_the_extra(trained, tmp_path):
    trained.save(tmp_path / "gan.npz", {"scores": np.arange(6.0).reshape(3, 2), "names": ["a"]})
    extra = nn.GAN.load_with_extra(tmp_path / "gan.npz")[1]
    assert extra["names"] == ["a"]
    np.testing.assert_array_equal(extra["scores"], [[0, 1], [2, 3], [4, 5]])


def test_the_limit_on_memory_is_adjustable(trained, tmp_path, monkeypatch):
    trained.save(tmp_path / "gan.npz")
    monkeypatch.setenv("NNGAN_MEMORY", "1K")
    with pytest.raises(CheckpointError, match=r"the limit is 1\.0 KiB: set .* NNGAN_MEMORY"):
        nn.GAN.load(tmp_path / "gan.npz")
    monkeypatch.setenv("NNGAN_MEMORY", "much")
    with pytest.raises(CheckpointError, match="NNGAN_MEMORY must be a number of bytes"):
        nn.GAN.load(tmp_path / "gan.npz")
    monkeypatch.setenv("NNGAN_MEMORY", "1g")
    nn.GAN.load(tmp_path / "gan.npz")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have names on POSIX alone")
def test_a_device_is_no_checkpoint():
    with pytest.raises(CheckpointError, match="it is a device or a pipe"):
        nn.GAN.load("/dev/zero")


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_size_of_a_layer_is_known_from_its_description(name):
    for arguments in ARGUMENTS[name]:
        layer = getattr(nn.layers, name)(*arguments)
        size = SIZES.get(name, lambda _: 0)({"type": name, **layer.config()})
        assert size == layer.size
