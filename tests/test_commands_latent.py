"""``nngan latent``: three pictures of a game, and one sentence for each that cannot be drawn."""

from dataclasses import asdict
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from games import image_game
from PIL import Image

import nngan as nn
from nngan.commands import latent
from nngan.runs import RunSettings


@pytest.fixture
def look(monkeypatch, tmp_path):
    """Run the command in this process; return its exit status."""
    monkeypatch.setattr(latent, "ATLAS", 3)
    monkeypatch.setattr(latent, "JUDGED", 2)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            return latent.main([*map(str, arguments), "--pairs", "2", "--steps", "3"])
        except SystemExit as stop:
            return stop.code

    return run


def settings(**options):
    return RunSettings(epochs=1, batch_size=8, **options)


def saved(gan, **options):
    Path("run").mkdir()
    gan.save("run/checkpoint.npz", {"run": asdict(settings(**options)), "measured": []})
    return gan


def pictures(folder="run"):
    return sorted(path.name for path in Path(folder).glob("*.png"))


@pytest.mark.parametrize("latent_dim", [2, 16])
def test_a_run_is_drawn(look, latent_dim, capsys):
    saved(image_game(latent_dim=latent_dim, ema=0.9), data="digits")
    assert look("run") == 0
    assert pictures() == ["atlas.png", "gradients.png", "walks.png"]
    for path in Path("run").glob("*.png"):
        with Image.open(path) as file:
            file.load()
            assert min(file.size) > 200
    assert capsys.readouterr().out.count("Written: run/") == 3
    assert not list(Path("run").glob(".*"))


def test_a_conditional_game_walks_in_one_class_at_a_time(look, capsys):
    G = nn.Sequential(nn.Linear(2 + 3, 64), seed=1)
    D = nn.Sequential(nn.Linear(64 + 3, 1), seed=2)
    gan = saved(nn.GAN(G, D, classes=3), data="digits")
    assert look("run") == 0
    assert pictures() == ["atlas.png", "walks.png"]
    assert "No gradients.png: D sees labels" in capsys.readouterr().out
    drawn = latent.walks(gan, pairs=2, steps=3, seed=0)["walks"]["linear"]
    ends = gan.latents(4)
    np.testing.assert_array_equal(drawn[1, 0], gan.generate(ends[2:3], labels=1)[0])


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_a_walk_stays_in_one_category_and_ends_at_the_draw(prior):
    gan = image_game(latent_dim=6, latent=prior, categories=3)
    a, *others = gan.latents(9)
    b = next(z for z in others if (z[:3] != a[:3]).any())
    for walk in latent.kinds(gan).values():
        z = walk(a, b, 4)
        assert z.shape == (4, 6)
        np.testing.assert_array_equal(z[:, :3], np.tile(a[:3], (4, 1)))
        np.testing.assert_array_equal(z[[0, -1], 3:], [a[3:], b[3:]])


def test_a_file_is_drawn_elsewhere_and_a_seed_is_other_pictures(look):
    saved(image_game(latent_dim=16), data="digits")
    for seed, out in ((0, "a"), (1, "b")):
        assert look("run/checkpoint.npz", "--out", f"deep/{out}", "--seed", seed) == 0
    assert pictures() == []
    assert len(pictures("deep/a")) == 3
    for name in pictures("deep/a"):
        assert Path("deep/a", name).read_bytes() != Path("deep/b", name).read_bytes()


def test_the_corners_of_the_atlas_are_draws(look):
    gan = image_game(latent_dim=64)
    drawn = latent.atlas(gan, seed=3)
    corners = drawn["images"][[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(corners, gan.sample(4, seed=3), atol=1e-6)


def test_the_atlas_of_a_plane_is_at_the_quantiles(look):
    gan = image_game(latent_dim=2)
    drawn = latent.atlas(gan, seed=3)
    q = NormalDist().inv_cdf(5 / 6)
    z = np.array([[q, -q], [0, q]], np.float32)
    np.testing.assert_allclose(drawn["images"][[0, 2], [2, 1]], gan.generate(z), atol=1e-6)


@pytest.mark.parametrize("latent_dim", [2, 3])
def test_a_uniform_prior_has_linear_walks_only(look, latent_dim):
    gan = saved(image_game(latent_dim=latent_dim, latent="uniform"), data="digits")
    assert look("run") == 0
    drawn = latent.walks(gan, 2, 3, 0)
    assert list(drawn["walks"]) == ["linear"]
    assert "linear only" in drawn["title"]


def test_what_a_run_lacks_is_left_out_and_said(look, capsys):
    saved(image_game(latent_dim=1, pack=2))
    assert look("run") == 0
    assert pictures() == ["walks.png"]
    out = capsys.readouterr().out
    assert "No atlas.png: a map needs two latent dimensions" in out
    assert "No gradients.png: D sees labels or several images at once, not the pixels of one" in out


def test_a_game_without_known_data(look, capsys):
    gan = saved(image_game(latent_dim=2), data="cats")
    for _ in range(2):
        assert look("run") == 0
        assert pictures() == ["atlas.png", "gradients.png", "walks.png"]
        assert "gradients at generated images only" in capsys.readouterr().out
        gan.save("run/checkpoint.npz")  # now a game without a run
    assert list(latent.gradients(gan, None, 0)["groups"]) == ["generated"]


def test_bytes_are_scaled_to_greys(monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (300, 64), dtype=np.uint8)
    asked = {}
    monkeypatch.setattr(nn.datasets, "mnist", lambda **given: asked.update(given) or (x, x[:, 0]))
    there = settings(data="mnist", data_dir="there")
    real = latent.gradients(image_game(latent_dim=2), there, 0)["groups"]["real"][0]
    assert asked["data_dir"] == "there"
    assert real.dtype == np.float32
    assert {tuple(row) for row in np.rint(255 * real)} <= {tuple(row) for row in x}
    first = settings(data="mnist", data_dir="there", images=2)
    real = latent.gradients(image_game(latent_dim=2), first, 0)["groups"]["real"][0]
    assert {tuple(row) for row in np.rint(255 * real)} == {tuple(row) for row in x[:2]}


def damaged():
    saved(image_game(latent_dim=2))
    Path("run/checkpoint.npz").write_bytes(Path("run/checkpoint.npz").read_bytes()[:3000])


@pytest.mark.parametrize(
    ("prepare", "arguments", "message"),
    [
        (lambda: None, "nowhere", "there is no run in nowhere: nngan train --out DIR makes one"),
        (damaged, "run", "run/checkpoint.npz is not a whole checkpoint of nngan"),
        (
            lambda: saved(image_game(latent_dim=2, features=2)),
            "run",
            "are 2 numbers, not square images",
        ),
        (lambda: saved(image_game(latent_dim=2)), "run --out run/checkpoint.npz", "File exists"),
        (lambda: saved(image_game(latent_dim=2, features=9), data="digits"), "run", "digits"),
    ],
)
def test_bad_input_gets_one_sentence(look, capsys, prepare, arguments, message):
    prepare()
    assert look(*arguments.split()) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(Path().rglob("*.part"))


@pytest.mark.parametrize("arguments", ["--seed=-1", f"--seed={2**64}"])
def test_a_seed_out_of_range(look, capsys, arguments):
    assert look("run", arguments) == 2
    assert "argument --seed: must be a whole number from 0 to" in capsys.readouterr().err
