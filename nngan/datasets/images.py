"""MNIST, Fashion-MNIST and the 8x8 digits: images as rows of pixels in [0, 1].

MNIST and Fashion-MNIST have the same file names, so a file is identified by the check-sum of its
content, however it is named and packed.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias

import numpy as np

from ..backend import Array
from ..checks import boolean, one_of, optional
from ..checks import path as check_path
from ..files import atomic_write
from ..stored import DamagedFile, check_memory, open_plain
from .idx import DatasetError, decode_idx, unpacked

Folder: TypeAlias = "str | os.PathLike[str] | None"
TIMEOUT = 20  # seconds without an answer before the next mirror is tried
LARGEST = 2**26  # bytes of a download: twice the largest file
ALGORITHMS = ("md5", "sha256")  # of the check-sums
# Prefix of the file names and number of images.
SPLITS = {"train": ("train", 60_000), "test": ("t10k", 10_000)}


class Source(NamedTuple):
    """The addresses of a data set, and the check-sums of its files."""

    name: str
    folder: str  # below the data root
    mirrors: tuple[str, ...]  # addresses without the file name, tried in this order
    checksums: Mapping[str, str]  # file name to "algorithm:hexadecimal digest"
    contents: Mapping[str, str] = {}  # the same of the unpacked file, where it is known


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
    {
        "train-images-idx3-ubyte.gz": "sha256:"
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte.gz": "sha256:"
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte.gz": "sha256:"
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte.gz": "sha256:"
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
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
        The data root. nngan only reads this folder. Without it the root is the environment
        variable ``NNGAN_DATA`` or else the user's cache folder, and missing files are downloaded.
        Files are searched in the folder ``mnist`` of the root, then in the root, compressed by
        gzip or not, and with "-" or "." before "idx".
    dtype : {"float32", "uint8"}
        The dtype of the images: float32 in [0, 1], or the raw bytes 0 to 255.
    progress : bool
        Whether a download shows a progress bar.

    Returns
    -------
    x : array of shape (N, 784)
        One image of 28x28 pixels per row, line by line. 0 is black.
    labels : uint8 array of shape (N,)
        The digits 0 to 9.

    Raises
    ------
    DatasetError
        If a file is missing, cannot be downloaded, or has a wrong check-sum.

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
    """Return Fashion-MNIST: images of ten kinds of clothing in MNIST's format.

    Parameters, results and errors are those of `mnist`. The folder is ``fashion-mnist``.

    References
    ----------
    Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", arXiv 1708.07747, 2017.
    """
    return _load(FASHION_MNIST, split, data_dir, dtype, progress)


def digits() -> tuple[Array, Array]:
    """Return the 8x8 digits that come with scikit-learn, without a download.

    Returns
    -------
    x : float32 array of shape (1797, 64)
        One image of 8x8 pixels per row, in steps of 1/16 from 0 to 1.
    labels : uint8 array of shape (1797,)
        The digits 0 to 9.
    """
    from sklearn.datasets import load_digits

    x, labels = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), labels.astype(np.uint8)


def _load(
    source: Source, split: str, data_dir: Folder, dtype: str, progress: bool
) -> tuple[Array, Array]:
    """Return the images and the labels of a split."""
    one_of("split", split, SPLITS)
    boolean("progress", progress)
    optional(check_path, "data_dir", data_dir)
    if dtype not in ("float32", "uint8"):
        raise ValueError(f"dtype must be float32 or uint8, got {dtype!r}")
    prefix, n = SPLITS[split]
    kinds = ("images-idx3", "labels-idx1")
    files = [_read(source, f"{prefix}-{kind}-ubyte.gz", data_dir, progress) for kind in kinds]
    images, labels = (decode_idx(io.BytesIO(content), path) for path, content in files)
    if images.shape != (n, 28, 28) or labels.shape != (n,):
        raise DatasetError(
            f"{files[0][0]} has shape {images.shape} and {files[1][0].name} {labels.shape}, and "
            f"must have {(n, 28, 28)} and {(n,)}: fetch them again"
        )
    x = images.reshape(n, -1)
    if dtype == "float32":
        x = x.astype(np.float32)
        x /= 255
    return x, labels


def _read(source: Source, name: str, data_dir: Folder, progress: bool) -> tuple[Path, bytes]:
    """Return the path of a file and its unpacked content, identified by its check-sum.

    A missing file is downloaded, unless a folder was given.
    """
    import pooch

    root = Path(
        os.path.expanduser(data_dir or os.environ.get("NNGAN_DATA") or pooch.os_cache("nngan"))
    )
    folder = root / source.folder
    if data_dir and root.is_file():
        raise DatasetError(f"data_dir={root} is a file: name the folder that holds it")
    try:
        places = (place / file for place in (folder, root) for file in _wrappings(name))
        path = next(filter(Path.is_file, places), None)
        if path is None and data_dir:
            raise DatasetError(
                f"{name} of {source.name} is neither in {folder} nor in {root}: "
                "put it there, or leave data_dir out to have it downloaded"
            )
        path = path or _download(source, name, folder, progress)
        with open_plain(path) as (file, size):
            check_memory(size)
            packed = file.read()
    except OSError as error:
        raise DatasetError(
            f"{root} cannot be searched for {name} ({error.strerror}): "
            "check its permissions, or choose another folder by data_dir or NNGAN_DATA"
        ) from error
    except DamagedFile as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    if fault := _fault(source, name, path, packed):
        remedy = "leave data_dir out" if data_dir else "move or delete this one"
        raise DatasetError(
            f"{path} {fault}: put the genuine file into {folder}, or {remedy} to have it downloaded"
        )
    return path, unpacked(packed, path)


def _wrappings(name: str) -> list[str]:
    """Return the names under which a file is found: packed or not, with "-" or "." before idx."""
    plain = name.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    return [name, plain, dotted, f"{dotted}.gz"]


def _fault(source: Source, name: str, path: Path, packed: bytes) -> str:
    """Return what is wrong with the content of the file `name`, or an empty string."""
    try:
        content = unpacked(packed, path)
    except DatasetError:
        content = packed
    digests = {_digest(algorithm, body) for algorithm in ALGORITHMS for body in (packed, content)}
    if {source.checksums[name], source.contents.get(name)} & digests:
        return ""
    for other in (MNIST, FASHION_MNIST):
        for known in (other.checksums, other.contents):
            for other_name, checksum in known.items():
                if checksum in digests:
                    return f"is {other_name} of {other.name}, not {name} of {source.name}"
    return f"is not {name} of {source.name} (wrong check-sum)"


def _digest(algorithm: str, body: bytes) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


class WrongCheckSum(Exception):
    """What was downloaded is not the file that was asked for."""


class Bounded:
    """A file to write that takes so many bytes at most: a server may send without end."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.file, self.left = file, most

    def write(self, data: bytes) -> int:
        """Write bytes; OSError if they are too many."""
        self.left -= len(data)
        if self.left < 0:
            raise OSError(errno.EFBIG, "sends more than the file has")
        return self.file.write(data)

    def flush(self) -> None:
        """Flush the file: pooch does so after each piece."""
        self.file.flush()


def _download(source: Source, name: str, folder: Path, progress: bool) -> Path:
    """Download a file from the first mirror that has it. It gets its name if it is right."""
    import pooch

    failures, path = [], folder / name
    algorithm = source.checksums[name].partition(":")[0]
    for mirror in source.mirrors:
        download = pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                download(mirror + name, Bounded(file, LARGEST), None)
                file.seek(0)
                if _digest(algorithm, file.read()) != source.checksums[name]:
                    raise WrongCheckSum
        except (OSError, ValueError) as error:  # ValueError: a header that is no number
            # Errors of requests have no strerror; their names say enough.
            reason = getattr(error, "strerror", None) or type(error).__name__
            failures.append(f"{mirror}: {reason}")
        except WrongCheckSum:
            failures.append(f"{mirror}: wrong check-sum")
        else:
            return path
    raise DatasetError(
        f"{name} of {source.name} cannot be downloaded ({'; '.join(failures)}): "
        f"check the connection, or put {', '.join(source.checksums)} into {folder}"
    )
