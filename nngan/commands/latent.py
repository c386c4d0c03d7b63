"""Look into a trained game: walks between latent vectors, an atlas, gradients.

nngan latent runs/x                    # up to three pictures into its folder
nngan latent runs/x/checkpoint.npz --out pictures --seed 7
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from .. import plotting
from ..backend import Array, BackendUnavailable, Key, Stream, get_backend
from ..command_line import OneSentenceParser, between, say
from ..datasets import DatasetError
from ..files import atomic_write
from ..gan import GAN
from ..latent import input_gradient, linear_walk, spherical_walk
from ..runs import RunSettings, load_run
from ..runs.settings import class_names
from .data import is_known, run_data
from .options import (
    add_backend,
    add_latent_seed,
    add_moved,
    checkpoint_in,
    chosen_backend,
    folder,
    in_options,
)

ATLAS = 20  # images along each side
YOUNG = 0.2  # of the epochs of a run
JUDGED = 8  # images of each kind whose gradients are drawn
Walk: TypeAlias = "Callable[[Array, Array, int], Array]"


def parser(program: str) -> OneSentenceParser:
    """Return the parser of the command."""
    p = OneSentenceParser(program, description=__doc__)
    p.add_argument("run", type=folder, metavar="RUN", help="folder of a run, or a checkpoint.npz")
    p.add_argument(
        "--out", type=folder, metavar="DIR", help="folder of the pictures; default: the run's"
    )
    p.add_argument(
        "--pairs", type=between(1, 50), default=8, metavar="N", help="number of walks; default: 8"
    )
    p.add_argument(
        "--steps", type=between(2, 50), default=11, metavar="N", help="images per walk; default: 11"
    )
    p.add_argument(
        "--class", dest="wanted", metavar="NAME", help="the class of all walks and of the atlas"
    )
    add_latent_seed(p)
    add_moved(p)
    add_backend(p, "cupy")
    return p


def main(arguments: Sequence[str] | None = None, program: str = "nngan latent") -> int:
    """Run the command; return the exit status."""
    command = parser(program)
    options = command.parse_args(arguments)
    try:
        path = checkpoint_in(options.run)
        draw(path, options.out or path.parent, options)
    except (ValueError, OSError, DatasetError, BackendUnavailable) as error:
        command.error(in_options(error, command))
    return 0


def draw(path: Path, out: Path, options: argparse.Namespace) -> None:
    """Draw the pictures of the game in a checkpoint into the folder `out`."""
    gan, settings = load_run(path, chosen_backend(options))
    features, seed = gan.G.n_out or 0, options.seed
    shape = settings.shape if settings else None
    if math.prod(shape or (math.isqrt(features),) * 2) != features:
        raise ValueError(f"the samples of {path} are {features} numbers, not square images")
    classes = class_names(gan, settings)
    shown = range(len(classes)) if options.wanted is None else [number(classes, options.wanted)]
    if settings and gan.epoch < YOUNG * settings.epochs:
        say(f"The run is young, at epoch {gan.epoch} of {settings.epochs}: it will change a lot")
    out.mkdir(parents=True, exist_ok=True)

    def write(name: str, plot: Callable[..., object], arguments: dict[str, Any]) -> None:
        with atomic_write(out / name) as file:
            plot(path=file, shape=shape, **arguments)
        say(f"Written: {out / name}")

    seen = None  # before anything is drawn: the images may not be where they were
    if gan.D.n_in == features:
        seen = gradients(gan, settings, seed, options.data)
    write(
        "walks.png",
        plotting.plot_walks,
        walks(gan, options.pairs, options.steps, seed, classes, shown),
    )
    if gan.latent_dim > 1:
        write("atlas.png", plotting.plot_atlas, atlas(gan, seed, classes, shown))
    else:
        say("No atlas.png: a map needs two latent dimensions, this game has one")
    if seen is not None:
        write("gradients.png", plotting.plot_gradients, seen)
    else:
        say("No gradients.png: D sees labels or several images at once, not the pixels of one")


def number(classes: Sequence[str], wanted: str) -> int:
    """Return the number of a class by its name."""
    if not classes:
        raise ValueError("--class is for a game with classes: leave it out")
    if wanted not in classes:
        raise ValueError(f"--class must be one of {', '.join(classes)}, got {wanted}")
    return classes.index(wanted)


def kinds(gan: GAN) -> dict[str, Walk]:
    """Return the walks that stay in the prior, or nearly, the best one last."""
    linear, spherical = (within(gan, walk) for walk in (linear_walk, spherical_walk))
    if gan.latent == "normal" and gan.latent_dim - gan.categories > 1:
        return {"linear": linear, "spherical": spherical}
    return {"linear": linear}  # a cube has no sphere to stay on, a line has no angles


def within(gan: GAN, walk: Walk) -> Walk:
    """Return the walk in the continuous part of z, which keeps the category of its beginning."""
    if not gan.categories:
        return walk

    def walk_within(a: Array, b: Array, steps: int) -> Array:
        category, rest = a[: gan.categories], walk(a[gan.categories :], b[gan.categories :], steps)
        z: Array = gan.backend.xp.hstack([gan.backend.xp.tile(category, (steps, 1)), rest])
        return z

    return walk_within


def generate(gan: GAN, z: Array, labels: Array) -> Array:
    """Return G(z); a conditional game also gets the labels."""
    return gan.generate(z.reshape(-1, gan.latent_dim), labels=labels if gan.classes else None)


def walks(
    gan: GAN,
    pairs: int,
    steps: int,
    seed: int,
    classes: Sequence[str] = (),
    shown: Sequence[int] = (),
) -> dict[str, Any]:
    """Return the arguments of `plot_walks`: walks between draws of the prior, a class for each."""
    xp, to_numpy = gan.backend.xp, gan.backend.to_numpy
    ends = gan.latents(2 * pairs, seed)
    z = {
        name: xp.stack([walk(ends[i], ends[i + 1], steps) for i in range(0, 2 * pairs, 2)])
        for name, walk in kinds(gan).items()
    }
    of_pairs = np.resize(shown or range(max(1, gan.classes)), pairs)
    labels = np.repeat(of_pairs, steps)
    names = [classes[i] for i in of_pairs] if classes else None
    images = {name: generate(gan, v, labels).reshape(pairs, steps, -1) for name, v in z.items()}
    title = f"Walks between draws of the {gan.latent_dim}-D {gan.latent} prior (seed {seed})"
    title += ", each in one category" * bool(gan.categories)
    if "spherical" not in z:
        title += "\nlinear only: this prior has no sphere"
        return {"walks": images, "title": title, "names": names}
    norms = {name: np.linalg.norm(to_numpy(points), axis=2) for name, points in z.items()}
    prior = np.linalg.norm(to_numpy(gan.latents(10_000, seed)), axis=1)
    least = " and ".join(f"{norm.min(axis=1).mean():.2f} {name}" for name, norm in norms.items())
    title += f"\nsmallest |z| of a walk, mean of {pairs}: {least}"
    shell = tuple(np.quantile(prior, (0.05, 0.95)))
    return {"walks": images, "norms": norms, "shell": shell, "title": title, "names": names}


def atlas(
    gan: GAN, seed: int, classes: Sequence[str] = (), shown: Sequence[int] = ()
) -> dict[str, Any]:
    """Return the arguments of `plot_atlas`: the plane of z, or walks between four draws of it.

    In many dimensions nearly all of a plane through the origin is outside the shell of the prior.
    Walks between walks stay near it, and each corner is a draw. In a game with categories all of
    them have the category of the first.
    """
    if gan.latent_dim == 2:  # and so no categories
        q = gan.prior.quantiles(ATLAS)
        z, labels = np.stack(np.meshgrid(q, q), axis=-1), ("$z_1$", "$z_2$")
        title = f"G over the plane of z, at the quantiles of its {gan.latent} prior"
    else:
        (name, walk), q = list(kinds(gan).items())[-1], np.linspace(0, 1, ATLAS)
        a, b, c, d = gan.latents(4, seed)
        sides = zip(walk(a, c, ATLAS), walk(b, d, ATLAS), strict=True)
        z = gan.backend.xp.stack([walk(left, right, ATLAS) for left, right in sides])
        labels = ("t of the walk across", "t of the walks up both sides")
        title = f"Four draws of the {gan.latent_dim}-D {gan.latent} prior (seed {seed}) in the "
        title += f"corners,\n{name} walks between them"
        title += ", all in the category of the first" * bool(gan.categories)
    one = shown[0] if shown else 0
    if classes:
        title += f", class {classes[one]}"
    images = generate(gan, z, np.full(ATLAS**2, one)).reshape(ATLAS, ATLAS, -1)
    return {"images": images, "x": q, "y": q, "labels": labels, "title": title}


def gradients(
    gan: GAN, settings: RunSettings | None, seed: int, moved: str | None = None
) -> dict[str, Any]:
    """Return the arguments of `plot_gradients`, for generated images and for training images."""
    images = {"generated": gan.sample(JUDGED, seed=seed)}
    if settings is not None and is_known(settings.data):
        data = run_data(settings, moved)
        x = data.x
        order = get_backend("numpy").permutation(Key(seed).fold_in(Stream.DATA), len(x))
        if x.shape[1] != gan.G.n_out:
            raise ValueError(
                f"the images of {data.name} have {x.shape[1]} pixels, not {gan.G.n_out}"
            )
        images["real"] = data.unit(order[:JUDGED])
    else:
        say("The run does not say which data it learned from: gradients at generated images only")
    groups = {name: (x, *input_gradient(gan, x)) for name, x in images.items()}
    title = "What D looks at: the gradient of its logit in the pixels"
    title += "\nblue: brighter would look more real to D; vermilion: darker would"
    return {"groups": groups, "title": title}
