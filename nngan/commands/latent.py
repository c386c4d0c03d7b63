"""Look into a trained generator and its discriminator: walks, an atlas, gradients.

python examples/latent.py runs/x                    # three pictures into the folder of the run
python examples/latent.py runs/x/checkpoint.npz --out pictures --seed 7
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

import nngan as nn
from nngan import checkpoint, cli, plotting
from nngan.backend import BACKENDS, Array, Key, Stream, get_backend
from nngan.datasets import DatasetError
from nngan.files import atomic_write
from nngan.latent import input_gradient, linear_walk, prior_quantiles, spherical_walk

ATLAS = 20  # images along each side
JUDGED = 8  # images of each kind whose gradients are drawn
Walk: TypeAlias = "Callable[[Array, Array, int], Array]"
DATA = {"mnist": nn.datasets.mnist, "fashion": nn.datasets.fashion_mnist}


def kinds(gan: nn.GAN) -> dict[str, Walk]:
    """Return the walks that stay in the prior, or nearly, the best one last."""
    linear, spherical = (within(gan, walk) for walk in (linear_walk, spherical_walk))
    if gan.latent == "normal" and gan.latent_dim - gan.categories > 1:
        return {"linear": linear, "spherical": spherical}
    return {"linear": linear}  # a cube has no sphere to stay on, a line has no angles


def within(gan: nn.GAN, walk: Walk) -> Walk:
    """Return the walk in what of z is continuous: in the category of its beginning all the way."""
    if not gan.categories:
        return walk

    def walk_within(a: Array, b: Array, steps: int) -> Array:
        category, rest = a[: gan.categories], walk(a[gan.categories :], b[gan.categories :], steps)
        return gan.backend.xp.hstack([gan.backend.xp.tile(category, (steps, 1)), rest])

    return walk_within


def generate(gan: nn.GAN, z: Array, labels: Array) -> Array:
    """Return G(z); a game with classes has to be told which."""
    labels = labels % gan.classes if gan.classes else None
    return gan.generate(z.reshape(-1, gan.latent_dim), labels=labels)


def walks(gan: nn.GAN, pairs: int, steps: int, seed: int) -> dict[str, Any]:
    """Return what `plot_walks` draws: walks between draws of the prior; a class for each."""
    xp, to_numpy = gan.backend.xp, gan.backend.to_numpy
    ends = gan.latents(2 * pairs, seed)
    z = {
        name: xp.stack([walk(ends[i], ends[i + 1], steps) for i in range(0, 2 * pairs, 2)])
        for name, walk in kinds(gan).items()
    }
    labels = np.repeat(np.arange(pairs), steps)
    images = {name: generate(gan, v, labels).reshape(pairs, steps, -1) for name, v in z.items()}
    title = f"Walks between draws of the {gan.latent_dim}-D {gan.latent} prior (seed {seed})"
    title += ", each in one category" * bool(gan.categories)
    if "spherical" not in z:
        return {"walks": images, "title": f"{title}\nlinear only: this prior has no sphere"}
    norms = {name: np.linalg.norm(to_numpy(points), axis=2) for name, points in z.items()}
    prior = np.linalg.norm(to_numpy(gan.latents(10_000, seed)), axis=1)
    least = " and ".join(f"{norm.min(axis=1).mean():.2f} {name}" for name, norm in norms.items())
    title += f"\nsmallest |z| of a walk, mean of {pairs}: {least}"
    shell = tuple(np.quantile(prior, (0.05, 0.95)))
    return {"walks": images, "norms": norms, "shell": shell, "title": title}


def atlas(gan: nn.GAN, seed: int) -> dict[str, Any]:
    """Return what `plot_atlas` draws: the plane of z, or walks between four draws of it.

    A plane through the origin of many dimensions would be nearly all outside the shell of the
    prior. Walks between walks stay near it, and each corner is a draw (in the category of the
    first, where there are categories).
    """
    if gan.latent_dim == 2:  # and so no categories
        q = prior_quantiles(ATLAS, gan.latent)
        z, labels = np.stack(np.meshgrid(q, q), axis=-1), ("$z_1$", "$z_2$")
        title = f"G over the plane of z, at the quantiles of its {gan.latent} prior"
    else:
        (name, walk), q = list(kinds(gan).items())[-1], np.linspace(0, 1, ATLAS)
        a, b, c, d = gan.latents(4, seed)
        sides = zip(walk(a, c, ATLAS), walk(b, d, ATLAS), strict=True)
        z = gan.backend.xp.stack([walk(left, right, ATLAS) for left, right in sides])
        labels = ("t of the walk across", "t of the walks up both sides")
        title = f"Four draws of the {gan.latent_dim}-D {gan.latent} prior (seed {seed}) in the "
        title += f"corners, {name} walks between them"
        title += ", all in the category of the first" * bool(gan.categories)
    if gan.classes:
        title += ", class 0"
    images = generate(gan, z, np.zeros(ATLAS**2, int)).reshape(ATLAS, ATLAS, -1)
    return {"images": images, "x": q, "y": q, "labels": labels, "title": title}


def gradients(gan: nn.GAN, settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return what `plot_gradients` draws, of generated images and of those that D learned from."""
    images = {"generated": gan.sample(JUDGED, seed=seed)}
    if (data := settings.get("data")) in (*DATA, "digits"):
        where = {"data_dir": settings.get("data_dir"), "dtype": "uint8"}
        x = nn.datasets.digits()[0] if data == "digits" else DATA[data](**where)[0]
        x = x[: settings.get("images")]  # the first ones, that it was trained on
        order = get_backend("numpy").permutation(Key(seed).fold_in(Stream.DATA), len(x))
        if x.shape[1] != gan.G.n_out:
            raise ValueError(f"the images of {data} have {x.shape[1]} pixels, not {gan.G.n_out}")
        images["real"] = x[order[:JUDGED]] / np.float32(255 if x.dtype == np.uint8 else 1)
    else:
        print("The run does not say which data it learned from: gradients at generated images only")
    groups = {name: (x, *input_gradient(gan, x)) for name, x in images.items()}
    title = "What D looks at: the gradient of its logit in the pixels"
    title += "\nblue: brighter would look more real to D; vermilion: darker would"
    return {"groups": groups, "title": title}


def main() -> None:
    """Load the run, draw, write."""
    parser = cli.OneSentenceParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=cli.folder, help="folder of a run, or checkpoint of GAN.save")
    parser.add_argument("--out", type=cli.folder, metavar="DIR", help="default: the run's folder")
    parser.add_argument("--pairs", type=cli.between(1, 50), default=8, help="walks, default: 8")
    parser.add_argument("--steps", type=cli.between(2, 50), default=11, help="of one, default: 11")
    parser.add_argument(
        "--seed", type=cli.between(0, 2**64 - 1), default=0, help="of the latent vectors"
    )
    parser.add_argument("--backend", choices=BACKENDS, default="numpy")
    options = parser.parse_args()
    path = options.run if options.run.suffix == ".npz" else options.run / "checkpoint.npz"
    out, seed = options.out or path.parent, options.seed
    try:
        gan, settings = checkpoint.load(path, get_backend(options.backend))
        features = gan.G.n_out or 0
        if math.isqrt(features) ** 2 != features:
            raise ValueError(f"the samples of {path} are {features} numbers, not square images")
        out.mkdir(parents=True, exist_ok=True)

        def write(name: str, plot: Callable[..., object], arguments: dict[str, Any]) -> None:
            with atomic_write(out / name) as file:
                plot(path=file, **arguments)
            print(f"Written: {out / name}")

        write("walks.png", plotting.plot_walks, walks(gan, options.pairs, options.steps, seed))
        if gan.latent_dim > 1:
            write("atlas.png", plotting.plot_atlas, atlas(gan, seed))
        else:
            print("No atlas.png: a map needs two latent dimensions, this game has one")
        if gan.D.n_in == features:
            write("gradients.png", plotting.plot_gradients, gradients(gan, settings, seed))
        else:
            print("No gradients.png: D sees more than the pixels of one sample")
    except (ValueError, OSError, DatasetError, nn.BackendUnavailable) as error:
        parser.error(cli.one_sentence(error))


if __name__ == "__main__":
    cli.run_main(main)
