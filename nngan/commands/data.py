"""The data of a run by their name, and what its samples are measured against."""

from __future__ import annotations

import hashlib
import os
from typing import Any, NamedTuple

import numpy as np

from .. import datasets, metrics
from ..backend import Array, Backend
from ..command_line import say
from ..datasets import DatasetError
from ..metrics import Judge
from ..metrics.cache import is_intact
from ..runs import RunSettings

NAMES = ("auto", "mnist", "fashion", "digits")


class Data(NamedTuple):
    """The training images of a run.

    Attributes
    ----------
    name : str
        One of `NAMES` other than "auto", or the absolute path of one's own images.
    x, labels, shape, class_names
        As in `nngan.datasets.Images`.
    summary : str
        What was read of one's own images, in a line.
    """

    name: str
    x: Array
    labels: Array | None
    shape: tuple[int, ...]
    class_names: tuple[str, ...] = ()
    summary: str = ""

    def first(self, images: int | None) -> Data:
        """Return the first images alone; None keeps all."""
        n = len(self.x)
        if images is not None and images > n:
            raise ValueError(f"{self.name} has {n} images, fewer than {images}: check --images")
        labels = None if self.labels is None else self.labels[:images]
        return self._replace(x=self.x[:images], labels=labels)

    def unit(self, rows: Array) -> Array:
        """Return images by their numbers, as float32 in [0, 1]."""
        x = self.x[rows]
        return x / np.float32(255) if x.dtype == np.uint8 else x.astype(np.float32)

    def digest(self) -> str:
        """Return the SHA-256 of images and labels, by which a run knows them again."""
        images = hashlib.sha256(np.ascontiguousarray(self.x).tobytes())
        if self.labels is not None:
            images.update(self.labels.tobytes())
        return images.hexdigest()


def training_data(
    name: str, data_dir: str | None = None, how: dict[str, Any] | None = None
) -> Data:
    """Return the training images of a data set by its name, or one's own by their path.

    The name "auto" is MNIST, or the digits that scikit-learn carries if MNIST cannot be had. `how`
    are the options of `nngan.datasets.load`, for a path.
    """
    if is_path(name):
        path = os.path.abspath(os.path.expanduser(name))
        if not os.path.exists(path):
            raise DatasetError(
                f"--data {name} is neither a file or folder nor one of {', '.join(NAMES)}: check "
                "the path"
            )
        own = datasets.load(path, **(how or {}))
        return Data(path, own.x, own.labels, own.shape, own.class_names, own.summary())
    if given := ", ".join(f"--{option}" for option, value in (how or {}).items() if value):
        raise ValueError(f"{given} is for images of your own: leave it out with --data {name}")
    if name == "digits":
        return Data(name, *datasets.digits(), (8, 8))
    if name == "fashion":
        return Data(name, *datasets.fashion_mnist(data_dir=data_dir, dtype="uint8"), (28, 28))
    try:
        return Data("mnist", *datasets.mnist(data_dir=data_dir, dtype="uint8"), (28, 28))
    except DatasetError as error:
        if name == "mnist" or data_dir is not None:
            raise
        say(f"MNIST is not available, so train on scikit-learn's 8x8 digits instead: {error}")
        return training_data("digits")


def run_data(settings: RunSettings, moved: str | None = None, data_dir: str | None = None) -> Data:
    """Return the images that a run learned from: at their old place, or where they have moved.

    Raises
    ------
    DatasetError
        If they are not there, or are others.
    """
    place = settings.data
    if is_path(settings.data) and is_path(moved):
        place = os.path.abspath(os.path.expanduser(str(moved)))
    if is_path(place) and not os.path.exists(place):
        raise DatasetError(
            f"the images of the run are not in {place}: add --data PATH, their place"
        )
    data = training_data(place, data_dir or settings.data_dir, settings.load)
    if settings.images is not None:
        data = data.first(min(settings.images, len(data.x)))
    if settings.digest not in (None, data.digest()):
        raise DatasetError(
            f"the images in {place} are not those that the run learned from, by content and name: "
            "bring them back, or add --data PATH, where they are now"
        )
    return data


def is_path(data: str | None) -> bool:
    """Return whether ``--data`` names one's own images."""
    return data is not None and data not in NAMES


def is_known(data: str) -> bool:
    """Return whether a run's data can be loaded: not those that were begun with in Python."""
    return data in NAMES or os.path.isabs(data)


def mnist_and_judge(backend: Backend, data_dir: str | None) -> tuple[Any, Any, Judge]:
    """Return MNIST's training and test images in [0, 1] on a backend, and their judge."""
    train, test = (
        backend.asarray(datasets.mnist(split, data_dir)[0]) for split in ("train", "test")
    )
    if not is_intact(metrics.judge_path()):
        say("Training the judge, a classifier; only this once: about half a minute ...")
    return train, test, metrics.load_judge(data_dir)
