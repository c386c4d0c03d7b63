"""Images and labels in one file: NumPy's formats and MNIST's."""

from __future__ import annotations

import glob
import io
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array
from ..stored import Archive, DamagedFile, open_archive, read_npy
from .idx import DatasetError, open_data, read_all, read_idx

# Names of arrays in an .npz file, of labels also of columns in a table, in the order of preference.
IMAGE_KEYS = ("x_train", "train_images", "images", "x", "data", "pixels", "arr_0")
LABEL_KEYS = ("y_train", "train_labels", "labels", "label", "y", "target", "class", "arr_1")


class Content(NamedTuple):
    """What was read: images, labels if any, where these were found, and what else to tell."""

    images: Array
    labels: Any = None
    source: str = ""
    notes: tuple[str, ...] = ()


def read_numpy(path: Path, key: str | None) -> Content:
    """Return the images and the labels, if any, in an .npy or .npz file; pickles are refused."""
    with open_data(path) as (file, size):
        if size is None:  # gzip's, in which there is no going back
            content = read_all(file)
            file, size = io.BytesIO(content), len(content)
        is_archive = file.read(2) == b"PK" or path.name.endswith(".npz")
        file.seek(0)
        try:
            if not is_archive:
                return Content(read_npy(file, size))
            return _from_archive(open_archive(file, size), path, key)
        except DamagedFile as error:
            raise DatasetError(
                f"{path} cannot be read as NumPy's file of numbers ({error}): write it again, with "
                "numpy.save or numpy.savez"
            ) from error


def _from_archive(archive: Archive, path: Path, key: str | None) -> Content:
    """Return the images and the labels in an .npz file, by their names and shapes."""
    shapes = {name: header.shape for name, header in archive.headers.items()}
    if key is not None and key not in shapes:
        raise DatasetError(f"{path} has no array {key!r}: it has {', '.join(shapes) or 'none'}")
    lower = {name.lower(): name for name in shapes}
    images = key or next((lower[name] for name in IMAGE_KEYS if name in lower), None)
    is_usual = images is not None
    if images is None:
        many = [name for name, shape in shapes.items() if len(shape) >= 2]
        if len(many) > 1:
            many = [name for name in many if not _is_label(archive, name)]
        if len(many) != 1:
            raise DatasetError(
                f"{path} holds {', '.join(shapes) or 'nothing'}: name the array of the images, "
                f'such as key="{next(iter(shapes), "x")}"'
            )
        images = many[0]
    n = shapes[images][:1]
    others = [
        name
        for name, shape in shapes.items()
        if name != images and shape[:1] == n and _is_label(archive, name)
    ]
    partner = {
        re.sub("images?|data|pixels", "labels", images.lower()): 0,
        re.sub("^x", "y", images.lower()): 0,
        **dict.fromkeys(LABEL_KEYS, 0),
    }
    labels = next((lower[name] for name in partner if lower.get(name) in others), None)
    if labels is None and len(others) == 1 and _has_classes(archive.read(others[0])):
        labels = others[0]
    notes = () if is_usual else (f"images: array {images}",)
    if labels is None:
        if others:
            notes = (*notes, f"not taken as labels: {', '.join(others)}")
        return Content(archive.read(images), notes=notes)
    return Content(archive.read(images), archive.read(labels), f"array {labels}", notes)


def _has_classes(array: Array) -> bool:
    """Return whether an array of an unknown name has classes: words or whole numbers, few."""
    if array.dtype.kind == "f" and not (array == np.rint(array)).all():
        return False
    return array.ndim == 2 or 2 * len(np.unique(array)) <= len(array)


def _is_label(archive: Archive, name: str) -> bool:
    """Return whether an array has one class for each image: not attributes, nor images again."""
    shape = archive.headers[name].shape
    if len(shape) == 1 or shape[1:] == (1,):
        return True
    if len(shape) != 2:
        return False
    return is_one_hot(archive.read(name))


def is_one_hot(labels: Array) -> bool:
    """Return whether each row of an array has one 1 and zeros."""
    if labels.ndim != 2 or labels.dtype.kind not in "fiub" or labels.shape[1] < 2:
        return False
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all())


def suffix_of(path: Path) -> str:
    """Return the suffix of a file in small letters, without that of its packing."""
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def read_idx_pair(path: Path) -> Content:
    """Return the images and, from the file next to it, the labels in MNIST's format."""
    images = read_idx(path)
    if images.ndim < 2:
        raise DatasetError(
            f"{path} has shape {images.shape}, which is no shape of images: name the file of images"
        )
    prefix, word, _ = path.name.partition("images")
    found = sorted(path.parent.glob(f"{glob.escape(prefix)}labels*")) if word else []
    labels = read_idx(found[0]) if found else None
    if labels is not None and labels.ndim == 2 and labels.dtype.itemsize > 1:
        labels = labels[:, 0]  # QMNIST's other columns say who wrote the digit
    if "emnist" in path.name.lower() and images.ndim == 3:
        images = images.transpose(0, 2, 1)  # EMNIST's images are column by column
    return Content(images, labels, f"file {found[0].name}" if found else "")
