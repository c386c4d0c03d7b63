"""Checkpoints: the whole state, no pickle, never half a file."""

import json
import os
import zipfile

import numpy as np
import pytest
from games import data, fit, float32_game, interrupt_at, saved_state
from layer_examples import Double

import nngan as nn
from nngan.checkpoint import CheckpointError
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
        json.loads(str(file["config"]))


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


def rewrite(path, **changes):
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(path, allow_pickle=False, **{k: v for k, v in arrays.items() if v is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"G.params": None}, r"is damaged: G.params must be \(56,\), got nothing"),
        ({"D.optimizer.m": np.zeros(3)}, r"D.optimizer.m must be \(75,\), got \(3,\)"),
        ({"config": None}, "is not a whole checkpoint of nngan"),
        ({"config": np.array('{"format": "nngan checkpoint 99"}')}, "checkpoint 99.*this version"),
        ({"config": np.array("[]")}, "is not a whole checkpoint of nngan"),
        ({"history": None}, "is not a whole checkpoint of nngan"),
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
    np.savez(path, allow_pickle=True, **arrays)
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
