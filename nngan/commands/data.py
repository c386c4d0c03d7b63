"""The data of a run by their name, and what its samples are measured against."""

from __future__ import annotations

from typing import Any

from .. import datasets, metrics
from ..backend import Array, Backend
from ..datasets import DatasetError
from ..metrics import Judge

DATA = ("auto", "mnist", "fashion", "digits")


def training_data(name: str, data_dir: str | None) -> tuple[str, Array, Array]:
    """Return the name of a data set, all its training images and labels.

    The name "auto" is MNIST, or the digits that scikit-learn carries if MNIST cannot be had.
    """
    if name == "digits":
        return name, *datasets.digits()
    if name == "fashion":
        return name, *datasets.fashion_mnist(data_dir=data_dir, dtype="uint8")
    try:
        return "mnist", *datasets.mnist(data_dir=data_dir, dtype="uint8")
    except DatasetError as error:
        if name == "mnist" or data_dir is not None:
            raise
        print(f"MNIST is not available, so train on scikit-learn's 8x8 digits instead: {error}")
        return training_data("digits", None)


def first_images(name: str, data_dir: str | None, images: int | None) -> tuple[str, Array, Array]:
    """Return the name of a data set, its first training images and their labels."""
    name, x, labels = training_data(name, data_dir)
    if images is not None and images > len(x):
        raise ValueError(f"--images {images} is more than the {len(x)} of {name}")
    return name, x[:images], labels[:images]


def mnist_and_judge(backend: Backend, data_dir: str | None) -> tuple[Any, Any, Judge]:
    """Return MNIST's training and test images in [0, 1] on a backend, and their judge."""
    train, test = (
        backend.asarray(datasets.mnist(split, data_dir)[0]) for split in ("train", "test")
    )
    if not metrics.judge_path().exists():
        print("Training the judge, a classifier; only this once: about half a minute ...")
    return train, test, metrics.load_judge(data_dir)
