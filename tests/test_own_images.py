"""Images of one's own: folders, arrays, tables and IDX files, as people have them."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from nngan import datasets
from nngan.datasets import DatasetError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 5, 4)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (6, 5, 4, 3)).astype(np.uint8)
SQUARE = RNG.integers(0, 256, (6, 4, 4)).astype(np.uint8)
CLASSES = np.array([0, 1, 2, 0, 1, 2])


def idx_bytes(array, code=0x08, dtype=">u1"):
    """Write MNIST's format from its definition."""
    sizes = b"".join(struct.pack(">I", n) for n in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(dtype).tobytes()


def write_images(folder, images, names=None, suffix=".png"):
    for i, image in enumerate(images):
        file = folder / (names[i] if names else "") / f"{i:03}{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)


def assert_same(images, expected, shape):
    assert images.shape == shape
    assert images.x.dtype == np.uint8
    np.testing.assert_array_equal(images.x, expected.reshape(len(expected), -1))


# -- folders -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".PNG"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_folder_of_images(tmp_path, pixels, suffix):
    write_images(tmp_path, pixels, suffix=suffix)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_bytes(b"")
    images = datasets.load(tmp_path)
    assert_same(images, pixels, pixels.shape[1:])
    assert images.labels is None


def test_subfolders_are_classes(tmp_path):
    write_images(tmp_path, COLOUR, ["cat", "dog", "ant/small", "cat", "dog", "ant"])
    images = datasets.load(str(tmp_path))
    assert sorted(images.labels) == [0, 0, 1, 1, 2, 2]  # ant, cat, dog
    order = [5, 2, 0, 3, 1, 4]
    np.testing.assert_array_equal(images.x, COLOUR[order].reshape(6, -1))
    np.testing.assert_array_equal(images.labels, [0, 0, 1, 1, 2, 2])


def test_images_of_different_sizes_become_squares(tmp_path):
    red = np.uint8([[[7, 0, 0]]])
    write_images(tmp_path, [np.tile(red, (40, 60, 1)), np.tile(red, (90, 70, 1))])
    images = datasets.load(tmp_path)
    assert images.shape == (32, 32, 3)
    assert set(images.x[0]) == {7, 0}
    assert datasets.load(tmp_path, size=(10, 20), grey=True).shape == (10, 20)
    assert datasets.load(tmp_path, size=16).shape == (16, 16, 3)


def test_the_middle_is_cut_out(tmp_path):
    wide = np.zeros((4, 8), np.uint8)
    wide[:, 2:6] = 200
    write_images(tmp_path, [wide])
    assert set(datasets.load(tmp_path, size=4).x[0]) == {200}


def test_a_transparent_image_lies_on_white(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2, :, 3] = 255  # the upper half is black, the lower one transparent
    Image.fromarray(pixels).save(tmp_path / "a.png")
    images = datasets.load(tmp_path)
    assert images.shape == (4, 4)
    np.testing.assert_array_equal(images.x[0].reshape(4, 4)[:, 0], [0, 0, 255, 255])


def test_an_image_of_16_bits_is_scaled(tmp_path):
    Image.fromarray(np.full((4, 4), 32768, np.uint16)).save(tmp_path / "a.png")
    assert set(datasets.load(tmp_path).x[0]) == {128}


def test_a_photograph_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    Image.fromarray(np.zeros((4, 8), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert datasets.load(tmp_path).shape == (8, 4)


def test_large_images_become_small_ones(tmp_path):
    write_images(tmp_path, [np.zeros((200, 200), np.uint8)] * 2)
    assert datasets.load(tmp_path).shape == (32, 32)
    assert datasets.load(tmp_path, size=200).shape == (200, 200)


def test_colours_that_are_all_grey_are_grey(tmp_path):
    write_images(tmp_path, np.repeat(GREY[..., None], 3, axis=3))
    assert_same(datasets.load(tmp_path), GREY, (5, 4))


def test_one_image_in_colour_makes_all_of_them_colour(tmp_path):
    write_images(tmp_path, [GREY[0], COLOUR[0]])
    images = datasets.load(tmp_path)
    assert_same(images, np.stack([np.repeat(GREY[0][..., None], 3, axis=2), COLOUR[0]]), (5, 4, 3))


@pytest.mark.parametrize("inside", ["", "archive/photos/"])
def test_of_train_and_test_the_first_is_taken(tmp_path, inside):
    folders = ["train/cat", "train/dog", "train/dog", "test/cat", "test/dog", "test/dog"]
    write_images(tmp_path, COLOUR, [inside + name for name in folders])
    images = datasets.load(tmp_path)
    assert_same(images, COLOUR[:3], (5, 4, 3))
    np.testing.assert_array_equal(images.labels, [0, 1, 1])


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "shape"),
    [
        (GREY, (5, 4)),
        (SQUARE.reshape(6, -1), (4, 4)),
        (COLOUR, (5, 4, 3)),
        (np.moveaxis(COLOUR, 3, 1), (5, 4, 3)),
        (GREY[..., None], (5, 4)),
        (GREY[:, None], (5, 4)),
        (GREY.astype(float), (5, 4)),
        (GREY.astype(np.int64), (5, 4)),
        (GREY.astype(">i4"), (5, 4)),
    ],
    ids=lambda a: f"{a.shape} {a.dtype}" if hasattr(a, "dtype") else "",
)
def test_npy(tmp_path, array, shape):
    np.save(tmp_path / "x.npy", array)
    expected = COLOUR if len(shape) == 3 else SQUARE if shape == (4, 4) else GREY
    assert_same(datasets.load(tmp_path / "x.npy"), expected, shape)


def test_floats_in_0_1_stay_floats(tmp_path):
    np.save(tmp_path / "x.npy", GREY / 255)
    images = datasets.load(tmp_path / "x.npy")
    assert images.x.dtype == np.float32
    np.testing.assert_allclose(images.x * 255, GREY.reshape(6, -1), rtol=1e-6)


@pytest.mark.parametrize(
    "keys",
    [
        ("x_train", "y_train"),
        ("images", "labels"),
        ("arr_0", "arr_1"),
        ("X", "y"),
        ("train_images", "train_labels"),
    ],
    ids=str,
)
def test_npz_with_labels(tmp_path, keys):
    np.savez_compressed(tmp_path / "d.npz", **dict(zip(keys, (GREY, CLASSES), strict=True)))
    images = datasets.load(tmp_path / "d.npz")
    assert_same(images, GREY, (5, 4))
    np.testing.assert_array_equal(images.labels, CLASSES)


def test_the_key_of_an_npz(tmp_path):
    np.savez(tmp_path / "d.npz", x_train=GREY, faces=COLOUR, y_train=CLASSES)
    assert_same(datasets.load(tmp_path / "d.npz", key="faces"), COLOUR, (5, 4, 3))
    with pytest.raises(DatasetError, match="has no array 'x': it has x_train, faces, y_train"):
        datasets.load(tmp_path / "d.npz", key="x")
    np.savez(tmp_path / "d.npz", a=GREY, b=COLOUR)
    with pytest.raises(
        DatasetError, match='holds a, b: name the array of the images, such as key="a"'
    ):
        datasets.load(tmp_path / "d.npz")


def table(path, head, columns, delimiter=","):
    lines = [delimiter.join(head)] if head else []
    lines += [delimiter.join(map(str, row)) for row in columns]
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


PIXELS = [f"pixel{i}" for i in range(16)]
ROWS = SQUARE.reshape(6, -1).tolist()
LABELLED = [[c, *row] for c, row in zip(CLASSES, ROWS, strict=True)]
NUMBERED = [[i, *row] for i, row in enumerate(ROWS)]
LAST = [[*row, c] for c, row in zip("abcabc", ROWS, strict=True)]


def test_a_border_column_with_infinity_is_no_column_of_labels(tmp_path):
    rows = np.random.default_rng(0).integers(256, size=(9, 16)).tolist()
    table(tmp_path / "x.csv", None, [["inf", *row] for row in rows])
    with pytest.raises(DatasetError, match="one more than an image"):
        datasets.load(tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("name", "head", "rows", "delimiter", "labels"),
    [
        ("x.csv", ["label", *PIXELS], LABELLED, ",", True),
        ("x.csv", [], LABELLED, ",", True),
        ("x.csv", PIXELS, ROWS, ",", False),
        ("x.csv", [], ROWS, ",", False),
        ("x.csv", [*PIXELS, "class"], LAST, ";", True),
        ("x.csv.gz", ["label", *PIXELS], LABELLED, ",", True),
        ("x.tsv", ["label", *PIXELS], LABELLED, "\t", True),
        ("x.txt", [], ROWS, " ", False),
        ("x.csv", ["id", "label", *PIXELS], [["a", *row] for row in LABELLED], ",", True),
        ("x.csv", ["0", *map(str, range(1, 16))], ROWS, ",", False),
        (
            "x.csv",
            ["", *map(str, range(16))],
            [[i, *row] for i, row in enumerate(ROWS)],
            ",",
            False,
        ),
        ("x.csv", ["digit", *PIXELS], LABELLED, ",", True),
        ("x.csv", [], [[*row, c] for c, row in zip(CLASSES, ROWS, strict=True)], ",", True),
        ("x.csv", [], LAST, ",", True),
        ("x.csv", [], [["abc"[c], *row] for c, row in zip(CLASSES, ROWS, strict=True)], ",", True),
        ("x.csv", ["", *PIXELS], [[i, *row] for i, row in enumerate(ROWS)], ",", False),
    ],
)
def test_tables(tmp_path, name, head, rows, delimiter, labels):
    table(tmp_path / name, head, rows, delimiter)
    images = datasets.load(tmp_path / name)
    assert_same(images, SQUARE, (4, 4))
    if labels:
        np.testing.assert_array_equal(images.labels, CLASSES)
    else:
        assert images.labels is None


def test_a_table_with_a_byte_order_mark_and_blank_lines(tmp_path):
    text = "\ufefflabel," + ",".join(PIXELS) + "\r\n\r\n"
    text += "\r\n".join(",".join(map(str, row)) for row in LABELLED) + "\r\n\r\n"
    (tmp_path / "x.csv").write_bytes(text.encode())
    assert_same(datasets.load(tmp_path / "x.csv"), SQUARE, (4, 4))


@pytest.mark.parametrize(
    ("images", "labels", "pack"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", bytes),
        ("train-images.idx3-ubyte.gz", "train-labels.idx1-ubyte.gz", gzip.compress),
        ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte", bytes),
        ("kmnist-images-idx3-ubyte", "kmnist-labels-idx1-ubyte", bytes),
    ],
)
def test_idx_files_with_their_labels(tmp_path, images, labels, pack):
    (tmp_path / images).write_bytes(pack(idx_bytes(GREY)))
    (tmp_path / labels).write_bytes(pack(idx_bytes(CLASSES)))
    loaded = datasets.load(tmp_path / images)
    assert_same(loaded, GREY, (5, 4))
    np.testing.assert_array_equal(loaded.labels, CLASSES)


def test_emnist_is_stored_column_by_column_and_counts_letters_from_one(tmp_path):
    name = "emnist-letters-train-images-idx3-ubyte"
    (tmp_path / name).write_bytes(idx_bytes(GREY.transpose(0, 2, 1)))
    (tmp_path / name.replace("images-idx3", "labels-idx1")).write_bytes(idx_bytes(CLASSES + 1))
    loaded = datasets.load(tmp_path / name)
    assert_same(loaded, GREY, (5, 4))
    np.testing.assert_array_equal(loaded.labels, CLASSES)


def test_qmnist_says_more_than_the_digit(tmp_path):
    (tmp_path / "qmnist-train-images-idx3-ubyte").write_bytes(idx_bytes(GREY))
    rows = np.stack([CLASSES, 100 + np.arange(6), np.arange(6)], 1)
    (tmp_path / "qmnist-train-labels-idx2-int").write_bytes(idx_bytes(rows, 0x0C, ">i4"))
    np.testing.assert_array_equal(
        datasets.load(tmp_path / "qmnist-train-images-idx3-ubyte").labels, CLASSES
    )


@pytest.mark.parametrize(
    ("code", "dtype"), [(8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_idx_files_of_every_type(tmp_path, code, dtype):
    array = RNG.integers(0, 100, (2, 3, 4, 5))
    (tmp_path / "a").write_bytes(idx_bytes(array, code, dtype))
    read = datasets.read_idx(tmp_path / "a")
    assert read.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(read, array)


# -- labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        CLASSES,
        CLASSES.astype(np.float32),
        CLASSES[:, None],
        np.eye(3)[CLASSES],
        np.array(["ant", "bee", "cow"])[CLASSES],
        np.array(["10", "11", "12"])[CLASSES],
        CLASSES * 5 + 2,
    ],
    ids=["int", "float", "column", "one-hot", "names", "digits", "gaps"],
)
def test_labels_of_every_kind(tmp_path, labels):
    np.savez(tmp_path / "d.npz", x=GREY, y=labels)
    loaded = datasets.load(tmp_path / "d.npz").labels
    assert loaded.dtype == np.int64
    np.testing.assert_array_equal(loaded, CLASSES)


# -- one sentence ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: d / "absent", "cannot be read"),
        (lambda d: d, "holds no images"),
        (lambda d: write(d / "a.png", b"no"), "is one image: name the folder"),
        (lambda d: write(d / "f" / "a.png", b"no").parent, "cannot be read as an image"),
        (lambda d: write(d / "a.npy", b"no"), "cannot be read as NumPy's file"),
        (lambda d: write(d / "a.npz", b"PK\3\4no"), "cannot be read as NumPy's file"),
        (lambda d: write(d / "a.csv", b""), "has no rows"),
        (lambda d: write(d / "a.csv", b"a,b,c\n1,x,y\n"), "is no table of numbers"),
        (lambda d: write(d / "a.csv", b"1,2,3,4\n1,2,3\n"), "is no table of numbers"),
        (lambda d: write(d / "a.bin", b"no"), "begins with 6e 6f"),
        (lambda d: saved(d, np.arange(6.0)), "images must be numbers, one image per row"),
        (lambda d: saved(d, np.array([["a"]])), "images must be numbers, one image per row"),
        (lambda d: saved(d, np.full((2, 4), np.nan)), "holds NaN or infinity"),
        (lambda d: saved(d, np.full((2, 4), -1.0)), "pixels must be whole numbers in 0..255"),
        (lambda d: saved(d, np.full((2, 4), 300)), "pixels must be whole numbers in 0..255"),
        (lambda d: saved(d, np.zeros((2, 5))), "are no square: say shape=(height, width)"),
    ],
)
def test_a_path_that_cannot_be_understood_gets_one_sentence(tmp_path, make, words):
    with pytest.raises(DatasetError) as error:
        datasets.load(make(tmp_path))
    message = str(error.value)
    assert words in message
    assert "\n" not in message
    assert ": " in message


def test_a_pickle_is_not_loaded(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match="cannot be read as NumPy's file of numbers"):
        datasets.load(tmp_path / "x.npy")


def test_a_shape_for_rows(tmp_path):
    np.save(tmp_path / "x.npy", GREY.reshape(6, -1))
    assert_same(datasets.load(tmp_path / "x.npy", shape=(5, 4)), GREY, (5, 4))
    with pytest.raises(
        DatasetError, match=r"has 20 pixels per image, which do not fit shape=\(3, 4\)"
    ):
        datasets.load(tmp_path / "x.npy", shape=(3, 4))


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def saved(folder, array):
    np.save(folder / "x.npy", array)
    return folder / "x.npy"


# -- what could be misunderstood -----------------------------------------------------------------

SMOOTH = np.uint8(10 * np.add.outer(np.arange(6), np.add.outer(np.arange(4), np.arange(5))))
SCENE = np.stack([SMOOTH, 255 - SMOOTH, SMOOTH // 2], axis=3)  # (6, 4, 5, 3), as photographs are


@pytest.mark.parametrize("order", ["together", "apart", "channels first"])
def test_the_colours_of_rows_are_found_in_either_order(tmp_path, order):
    first = np.moveaxis(SCENE, 3, 1)
    array = {"together": SCENE.reshape(6, -1), "apart": first.reshape(6, -1)}.get(order, first)
    np.save(tmp_path / "x.npy", array)
    assert_same(datasets.load(tmp_path / "x.npy", shape=(4, 5, 3)), SCENE, (4, 5, 3))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64, bool])
def test_0_and_1_are_black_and_white(tmp_path, dtype):
    np.save(tmp_path / "x.npy", (GREY > 128).astype(dtype))
    images = datasets.load(tmp_path / "x.npy")
    white = 255 if images.x.dtype == np.uint8 else 1
    np.testing.assert_array_equal(images.x, white * (GREY > 128).reshape(6, -1))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64])
def test_few_levels_of_grey_reach_from_black_to_white(tmp_path, dtype):
    levels = (GREY // 16 + 1).astype(dtype)  # 1..16, as in scikit-learn's digits
    np.save(tmp_path / "x.npy", levels)
    images = datasets.load(tmp_path / "x.npy")
    np.testing.assert_allclose(images.x, levels.reshape(6, -1) / levels.max(), rtol=1e-6)


def test_float_images_in_0_1_keep_their_greys(tmp_path):
    Image.fromarray((GREY[0] / 255).astype(np.float32)).save(tmp_path / "a.tiff")
    assert_same(datasets.load(tmp_path), GREY[:1], (5, 4))
    Image.fromarray(-(GREY[0] / 255).astype(np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(DatasetError, match=r"has pixels outside 0\.\.65535"):
        datasets.load(tmp_path)


@pytest.mark.parametrize("names", [("Train", "Test"), ("training", "testing"), ("TRAIN", "val")])
def test_splits_by_other_names(tmp_path, names):
    folders = [f"{names[0]}/cat", f"{names[0]}/dog", f"{names[1]}/cat"]
    write_images(tmp_path, COLOUR[:3], folders)
    images = datasets.load(tmp_path)
    assert_same(images, COLOUR[:2], (5, 4, 3))
    assert images.labels.tolist() == [0, 1]


def test_hidden_folders_are_not_looked_into(tmp_path):
    write_images(tmp_path, COLOUR[:3], ["a", "b", ".ipynb_checkpoints"])
    write_images(tmp_path, COLOUR[:1], ["__MACOSX"])
    assert datasets.load(tmp_path).labels.tolist() == [0, 1]


def test_folders_whose_names_are_equal_as_numbers_are_two_classes(tmp_path):
    write_images(tmp_path, COLOUR[:2], ["1", "01"])
    assert sorted(datasets.load(tmp_path).labels.tolist()) == [0, 1]


@pytest.mark.parametrize("y", [GREY, np.ones((6, 40)), np.zeros((6, 2))])
def test_what_is_no_class_is_no_label(tmp_path, y):
    np.savez(tmp_path / "d.npz", x=COLOUR, y=y)
    assert datasets.load(tmp_path / "d.npz").labels is None


@pytest.mark.parametrize("option", [{"key": "x"}, {"shape": (5, 4)}])
def test_options_of_files_are_refused_for_a_folder(tmp_path, option):
    write_images(tmp_path, COLOUR)
    with pytest.raises(DatasetError, match=r"is for files, and .* is a folder: leave it out"):
        datasets.load(tmp_path, **option)


@pytest.mark.parametrize("size", [np.int64(4), (4, np.int32(4)), [4, 4]])
def test_sizes_of_every_kind(tmp_path, size):
    write_images(tmp_path, COLOUR)
    assert datasets.load(tmp_path, size=size).shape == (4, 4, 3)


@pytest.mark.parametrize("size", [2.5, 0, (1, 2, 3), (4, "x")])
def test_a_wrong_size_is_named(tmp_path, size):
    with pytest.raises(ValueError, match=r"^size must be "):
        datasets.load(tmp_path, size=size)


# -- which column holds the labels -----------------------------------------------------------------

DIGITS, DIGIT = datasets.digits()
LEVELS = {
    "0..255": np.rint(DIGITS * 255).astype(int),
    "0..16": np.rint(DIGITS * 16).astype(int),
    "0 and 1": (DIGITS > 0.5).astype(int),
    "0 and 255": (DIGITS > 0.5).astype(int) * 255,
}
TWO = (DIGIT > 4).astype(int)


def load_or_ask(path, place):
    """Return the images, and whether the column of labels had to be named: it is never guessed."""
    try:
        return datasets.load(path), False
    except DatasetError as error:
        message = str(error)
    assert_that_it_asks(message)
    return datasets.load(path, label_column=place), True


def assert_that_it_asks(message):
    assert "both the first and the last could be the labels" in message


@pytest.mark.parametrize("head", [None, "Ziffer"])
@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("n", [20, 50, 100, 300, 1000])
@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("labels", [DIGIT, TWO], ids=["ten", "two"])
def test_the_labels_of_a_table_are_found(tmp_path, levels, n, place, head, labels):
    pixels, labels = LEVELS[levels][:n], labels[:n, None].astype(int)
    parts = [labels, pixels] if place == "first" else [pixels, labels]
    rows = np.hstack(parts).tolist()
    names = [f"p{i}" for i in range(64)]
    names.insert(0 if place == "first" else 64, head or "")
    table(tmp_path / "x.csv", names if head else None, rows)
    images, was_asked = load_or_ask(tmp_path / "x.csv", place)
    assert not was_asked or (levels, head, labels.max()) == ("0 and 1", None, 1)
    np.testing.assert_array_equal(images.labels, np.unique(labels, return_inverse=True)[1].ravel())
    white = 255 if images.x.dtype == np.uint8 else 1
    np.testing.assert_allclose(images.x / white, pixels / pixels.max(), atol=1e-6)
    classes = len(np.unique(labels))
    where = "column ziffer" if head else f"{place} column"
    assert images.notes == (f"labels: {where}, {classes} classes",)


def test_a_table_of_which_both_ends_could_be_labels_is_not_guessed(tmp_path):
    rows = RNG.integers(0, 2, (40, 17))
    table(tmp_path / "x.csv", None, rows.tolist())
    with pytest.raises(DatasetError, match='pass label_column="first", "last", a name or a number'):
        datasets.load(tmp_path / "x.csv")
    for which, column in (("first", 0), ("last", 16), ("3", 3), (-2, 15)):
        images = datasets.load(tmp_path / "x.csv", label_column=which)
        np.testing.assert_array_equal(images.labels, rows[:, column])
        np.testing.assert_array_equal(images.x, np.delete(rows, column, 1))
    with pytest.raises(DatasetError, match="has no column 'digit' among its 17 columns"):
        datasets.load(tmp_path / "x.csv", label_column="digit")


def test_a_column_of_labels_beside_rows_of_colour_and_of_a_known_shape(tmp_path):
    for pixels, shape in ((COLOUR[:, :3, :3], None), (GREY, (5, 4))):
        rows = np.hstack([CLASSES[:, None], pixels.reshape(6, -1)])
        table(tmp_path / "x.csv", None, rows.tolist())
        images = datasets.load(tmp_path / "x.csv", shape=shape)
        np.testing.assert_array_equal(images.labels, CLASSES)
        assert images.x.shape[1] == rows.shape[1] - 1


def test_a_width_with_two_readings_is_not_guessed(tmp_path):
    rows = np.hstack([CLASSES[:, None], COLOUR[:, :4].reshape(6, -1)])  # 49: also 7x7
    table(tmp_path / "x.csv", None, rows.tolist())
    with pytest.raises(
        DatasetError, match=r"49 columns, .*: pass shape=\(7, 7\) if it has no labels"
    ):
        datasets.load(tmp_path / "x.csv")
    assert datasets.load(tmp_path / "x.csv", shape=(7, 7)).labels is None
    np.testing.assert_array_equal(
        datasets.load(tmp_path / "x.csv", shape=(4, 4, 3)).labels, CLASSES
    )


# -- names, labels in other files, files that are broken -------------------------------------------


def test_the_names_of_the_classes_are_kept(tmp_path):
    write_images(tmp_path, COLOUR, ["cat", "dog", "ant", "cat", "dog", "ant"])
    (tmp_path / "notes.txt").write_text("not an image")
    images = datasets.load(tmp_path)
    assert images.class_names == ("ant", "cat", "dog")
    assert images.summary() == (
        "6 images of 5x4x3 in 3 classes: ant 2, cat 2, dog 2; 1 file skipped; "
        "labels: subfolders, 3 classes"
    )
    np.savez(tmp_path / "d.npz", x=GREY, y=CLASSES * 5.0)
    assert datasets.load(tmp_path / "d.npz").class_names == ("0", "5", "10")


@pytest.mark.parametrize("names", ["000.png", "a/000.png", "faces/a/000.png", "000"])
@pytest.mark.parametrize("head", ["file,label\n", "image,kind\n", ""])
def test_a_table_of_file_names_and_labels_beside_a_folder(tmp_path, names, head):
    write_images(tmp_path / "faces", COLOUR, ["a", "a", "b", "b", "b", "b"])
    files = sorted((tmp_path / "faces").rglob("*.png"))
    prefix = names.rpartition("/")[0].replace("/a", "").replace("a", "")
    lines = []
    for file, kind in list(zip(files, ["fox", "owl", "fox", "owl", "fox", "owl"], strict=True))[:5]:
        name = file.name if "/" not in names else file.relative_to(tmp_path / "faces").as_posix()
        name = name.removesuffix("" if "." in names else ".png")
        lines.append(f"{prefix + '/' if prefix else ''}{name},{kind}")
    (tmp_path / "labels.csv").write_text(head + "\n".join(lines[::-1]) + "\n")
    images = datasets.load(tmp_path / "faces", labels=tmp_path / "labels.csv")
    np.testing.assert_array_equal(images.labels, [0, 1, 0, 1, 0])
    np.testing.assert_array_equal(images.x, COLOUR[:5].reshape(5, -1))
    assert images.class_names == ("fox", "owl")
    assert "1 file without a label left out" in images.notes


def test_a_table_of_file_names_is_no_table_of_pixels(tmp_path):
    (tmp_path / "labels.csv").write_text("file,label\na/000.png,fox\na/001.png,owl\n")
    with pytest.raises(DatasetError, match="name the folder of the images, and pass labels="):
        datasets.load(tmp_path / "labels.csv")


@pytest.mark.parametrize("kind", ["npy", "csv", "txt", "idx", "array", "list", "one-hot"])
@pytest.mark.parametrize("data", ["folder", "npy"])
def test_labels_in_a_file_of_their_own(tmp_path, kind, data):
    write_images(tmp_path / "folder", GREY)
    np.save(tmp_path / "x.npy", GREY)
    labels = tmp_path / f"y.{kind}"
    if kind == "npy":
        np.save(labels, CLASSES)
    elif kind == "csv":
        labels.write_text("label\n" + "".join(f"{c}\n" for c in CLASSES))
    elif kind == "txt":
        labels.write_text("".join(f"{c}\n" for c in CLASSES))
    elif kind == "idx":
        labels.write_bytes(idx_bytes(CLASSES))
    else:
        labels = {"array": CLASSES, "list": CLASSES.tolist(), "one-hot": np.eye(3)[CLASSES]}[kind]
    images = datasets.load(tmp_path / ("folder" if data == "folder" else "x.npy"), labels=labels)
    np.testing.assert_array_equal(images.labels, CLASSES)


def test_labels_of_the_wrong_number_are_refused(tmp_path):
    write_images(tmp_path / "folder", GREY)
    np.save(tmp_path / "x.npy", GREY)
    (tmp_path / "y.csv").write_text("file,label\nno.png,1\n")
    with pytest.raises(DatasetError, match="labels must be 6, one for each image"):
        datasets.load(tmp_path / "folder", labels=CLASSES[:5])
    with pytest.raises(DatasetError, match="has 6 images and labels of shape"):
        datasets.load(tmp_path / "x.npy", labels=CLASSES[:5])
    with pytest.raises(DatasetError, match=r"y\.csv names none of the 6 images, such as 000\.png"):
        datasets.load(tmp_path / "folder", labels=tmp_path / "y.csv")


@pytest.mark.parametrize("y", [CLASSES, np.array(["a", "b", "c"])[CLASSES], np.eye(3)[CLASSES]])
def test_arrays_of_unknown_names_are_told_by_their_shapes(tmp_path, y):
    np.savez(tmp_path / "d.npz", bar=y, foo=COLOUR)
    images = datasets.load(tmp_path / "d.npz")
    np.testing.assert_array_equal(images.labels, CLASSES)
    assert images.notes == ("images: array foo", "labels: array bar, 3 classes")
    np.savez(tmp_path / "d.npz", foo=COLOUR, weight=RNG.random(6))
    assert datasets.load(tmp_path / "d.npz").notes[-1] == "not taken as labels: weight"


def test_broken_files_are_named_all_at_once_and_can_be_skipped(tmp_path):
    write_images(tmp_path, COLOUR, ["a", "b", "a", "b", "a", "b"])
    for i in range(12):
        write(tmp_path / "a" / f"z{i:02}.png", b"no")
    with pytest.raises(DatasetError) as error:
        datasets.load(tmp_path)
    message = str(error.value)
    assert "12 of 18 files cannot be read as images" in message
    assert "z09.png and 2 more" in message
    assert "z10.png" not in message
    assert "skip_broken=True" in message
    images = datasets.load(tmp_path, skip_broken=True)
    np.testing.assert_array_equal(images.labels, [0, 0, 0, 1, 1, 1])
    assert any(
        note.startswith("12 files left out, because they cannot be read") for note in images.notes
    )


def test_images_smaller_than_the_size_are_said_to_be_enlarged(tmp_path):
    write_images(tmp_path, [COLOUR[0], np.zeros((40, 40, 3), np.uint8)])
    assert "1 of them enlarged to 20x20" in datasets.load(tmp_path, size=20).notes
    np.save(tmp_path / "x.npy", GREY)
    assert datasets.load(tmp_path / "x.npy", size=20).notes == ("enlarged to 20x20",)
    assert datasets.load(tmp_path / "x.npy", size=2).notes == ()


def test_images_that_would_fill_the_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    write_images(tmp_path, COLOUR)
    monkeypatch.setenv("NNGAN_MEMORY", "1M")
    with pytest.raises(DatasetError, match=r"and the limit is 1\.0 MiB: lower size=2000"):
        datasets.load(tmp_path, size=2000)


def test_an_image_may_take_the_copies_that_are_made_of_it(tmp_path, monkeypatch):
    Image.new("RGB", (1000, 1000)).save(tmp_path / "a.png")
    monkeypatch.setenv("NNGAN_MEMORY", "19M")
    with pytest.raises(DatasetError, match=r"it would fill 19\.1 MiB of memory"):
        datasets.load(tmp_path)
    monkeypatch.setenv("NNGAN_MEMORY", "20M")
    assert datasets.load(tmp_path).x.size


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.mp4", "is a video, and videos cannot be read: extract its frames"),
        ("a.docx", "is no file of images: name a folder of images"),
    ],
)
def test_files_of_other_kinds(tmp_path, name, words):
    with pytest.raises(DatasetError, match=words):
        datasets.load(write(tmp_path / name, b"PK"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.mov", "videos cannot be read: of each, extract its frames"),
        ("x.npy", "name a file in it, such as .*x.npy"),
        ("a.txt", "name another folder"),
    ],
)
def test_folders_without_images(tmp_path, name, words):
    write(tmp_path / "f" / name, b"")
    with pytest.raises(DatasetError, match=words):
        datasets.load(tmp_path / "f")


def test_the_suffix_of_labels_may_be_in_capitals(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((6, 4, 4), np.uint8))
    np.save(tmp_path / "l.npy", np.arange(6) % 3)
    (tmp_path / "l.npy").rename(tmp_path / "L.NPY")
    images = datasets.load(tmp_path / "x.npy", labels=tmp_path / "L.NPY")
    assert images.labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_soft_probabilities_are_no_labels(tmp_path):
    images, soft = np.zeros((20, 4, 4), np.uint8), np.full((20, 4), 0.25)
    np.savez(tmp_path / "x.npz", images=images, labels=soft)
    assert datasets.load(tmp_path / "x.npz").labels is None
