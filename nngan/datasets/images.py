"""MNIST, Fashion-MNIST and the 8x8 digits: images as rows of pixels in [0, 1].

Two data sets share MNIST's file names, so every file is identified by its check-sum, never by its
name alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from ..backend import Array
from ..checks import one_of
from .idx import DatasetError, read_idx

Folder: TypeAlias = "str | os.PathLike[str] | None"
TIMEOUT = 20  # seconds without an answer after which the next mirror is tried
SPLITS = {"train": ("train", 60_000), "test": ("t10k", 10_000)}  # file name prefix, images


class Source(NamedTuple):
    """Where a data set comes from, and which files are the genuine ones."""

    name: str
    folder: str  # below the data root: the file names alone do not tell two sets apart
    mirrors: tuple[str, ...]  # in the order in which they are tried; a file name is appended
    checksums: Mapping[str, str]  # of each file, "algorithm:hexadecimal digest"


MNIST = Source(
    "MNIST",
    "mnist",
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    {
        "train-images-idx3-ubyte.gz": "sha256:"
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "sha256:"
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "sha256:"
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "sha256:"
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
)
FASHION_MNIST = Source(
    "Fashion-MNIST",
    "fashion-mnist",
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/cvdf-datasets/fashion-mnist/",
    ),
    {
        "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
    },
)


def mnist(
    split: str = "train", data_dir: Folder = None, dtype: str = "float32", progress: bool = True
) -> tuple[Array, Array]:
    """Return MNIST's handwritten digits, downloaded on first use.

    Parameters
    ----------
    split : {"train", "test"}
        60,000 or 10,000 images.
    data_dir : path, optional
        The data root, which is then only read. Without it the root is the environment variable
        ``NNGAN_DATA`` or else the user's cache folder, and files that are not there are
        downloaded. A file is looked for in the root's own folder ``mnist`` and in the root.
    dtype : {"float32", "uint8"}
        Of the images: float32 in [0, 1], or the raw bytes 0 to 255.
    progress : bool
        Whether a download shows a progress bar.

    Returns
    -------
    x : array of shape (N, 784)
        One image of 28x28 pixels per row, line by line, 0 black.
    labels : uint8 array of shape (N,)
        The digits 0 to 9.

    Raises
    ------
    DatasetError
        When a file is missing, cannot be downloaded or is not the genuine one.
    ValueError
        When `split` or `dtype` is none of the above.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> x, labels = mnist("test")  # doctest: +SKIP
    >>> x.shape, x.dtype, labels[:5]  # doctest: +SKIP
    ((10000, 784), dtype('float32'), array([7, 2, 1, 0, 4], dtype=uint8))
    """
    return _load(MNIST, split, data_dir, dtype, progress)


def fashion_mnist(
    split: str = "train", data_dir: Folder = None, dtype: str = "float32", progress: bool = True
) -> tuple[Array, Array]:
    """Return Fashion-MNIST, ten kinds of clothing in MNIST's format.

    Parameters, results and errors are those of `mnist`; the folder is ``fashion-mnist``.

    References
    ----------
    Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", arXiv 1708.07747, 2017.
    """
    return _load(FASHION_MNIST, split, data_dir, dtype, progress)


def digits() -> tuple[Array, Array]:
    """Return the 8x8 digits that scikit-learn carries: nothing to download.

    Returns
    -------
    x : float32 array of shape (1797, 64)
        One image of 8x8 pixels per row, in [0, 1]: sixteenths.
    labels : uint8 array of shape (1797,)
        The digits 0 to 9.
    """
    from sklearn.datasets import load_digits

    x, labels = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), labels.astype(np.uint8)


def _load(
    source: Source, split: str, data_dir: Folder, dtype: str, progress: bool
) -> tuple[Array, Array]:
    """Find or download the two files of a split, check them and read them."""
    one_of("split", split, SPLITS)
    if dtype not in ("float32", "uint8"):
        raise ValueError(f"dtype must be float32 or uint8, got {dtype!r}")
    prefix, n = SPLITS[split]
    kinds = ("images-idx3", "labels-idx1")
    paths = [_find(source, f"{prefix}-{kind}-ubyte.gz", data_dir, progress) for kind in kinds]
    images, labels = map(read_idx, paths)
    if images.shape != (n, 28, 28) or labels.shape != (n,):
        raise DatasetError(
            f"{paths[0]} has shape {images.shape} and {paths[1].name} {labels.shape}: "
            f"{source.name} has {(n, 28, 28)} and {(n,)}, fetch them again"
        )
    x = images.reshape(n, -1)
    if dtype == "float32":
        x = x.astype(np.float32)
        x /= 255
    return x, labels


def _find(source: Source, name: str, data_dir: Folder, progress: bool) -> Path:
    """Return the path of a file with the right check-sum, downloaded if that is allowed."""
    import pooch

    root = Path(
        os.path.expanduser(data_dir or os.environ.get("NNGAN_DATA") or pooch.os_cache("nngan"))
    )
    folder = root / source.folder
    try:
        path = next((p for p in (folder / name, root / name) if p.is_file()), None)
        fault = "" if path is None else _fault(source, name, path.read_bytes())
    except OSError as error:
        raise DatasetError(
            f"{root} cannot be searched for {name} ({error.strerror}): "
            "check its permissions, or choose another folder by data_dir or NNGAN_DATA"
        ) from error
    if path is None and not data_dir:
        return _download(source, name, folder, progress)
    if path is None:
        raise DatasetError(
            f"{name} of {source.name} is neither in {folder} nor in {root}: "
            "put it there, or leave data_dir out to have it downloaded"
        )
    if fault:
        remedy = "leave data_dir out" if data_dir else "move or delete this one"
        raise DatasetError(
            f"{path} {fault}: put the genuine file into {folder}, or {remedy} to have it downloaded"
        )
    return path


def _fault(source: Source, name: str, content: bytes) -> str:
    """Say what `content` is if it is not the file `name` of `source`; else the empty string."""

    def matches(checksum: str) -> bool:
        algorithm, digest = checksum.split(":")
        return hashlib.new(algorithm, content).hexdigest() == digest

    if matches(source.checksums[name]):
        return ""
    for other in (MNIST, FASHION_MNIST):
        for other_name, checksum in other.checksums.items():
            if matches(checksum):
                return f"is {other_name} of {other.name}, not {name} of {source.name}"
    return f"is not {name} of {source.name} (wrong check-sum)"


def _download(source: Source, name: str, folder: Path, progress: bool) -> Path:
    """Download a file from the first mirror that has it; pooch moves it in place once checked."""
    import pooch

    failures = []
    for mirror in source.mirrors:
        downloader = pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT)
        try:
            return Path(
                pooch.retrieve(
                    mirror + name, source.checksums[name], name, folder, downloader=downloader
                )
            )
        except OSError as error:  # those of requests have no strerror, but telling names
            failures.append(f"{mirror}: {error.strerror or type(error).__name__}")
        except ValueError:
            failures.append(f"{mirror}: wrong check-sum")
    raise DatasetError(
        f"{name} of {source.name} cannot be downloaded ({'; '.join(failures)}): "
        f"check the connection, or put the file into {folder}"
    )
