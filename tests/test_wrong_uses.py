"""Wrong uses of ``--data`` and of the commands around a run: one sentence, status 2, no file."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nngan as nn
from nngan.commands import main
from nngan.runs import RunFolder

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder of things that people have, most of them no images."""
    d = tmp_path_factory.mktemp("place")
    for name in ("photos/a/0.png", "photos/b/1.png"):
        (d / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8)).save(d / name)
    Image.new("L", (8, 8)).save(d / "one.png")
    (d / "one_image").mkdir()
    (d / "one.png").rename(d / "one_image" / "one.png")
    (d / "videos").mkdir()
    (d / "videos/a.mp4").write_bytes(b"video")
    (d / "file.docx").write_bytes(b"PK")
    (d / "names.csv").write_text("file,label\na.png,x\nb.png,y\n")
    rows = [",".join(map(str, row)) for row in RNG.integers(0, 2, (40, 17))]
    (d / "both.csv").write_text("\n".join(rows) + "\n")
    for name in ("empty", "notes", "broken"):
        (d / name).mkdir()
    (d / "notes/readme.txt").write_text("none")
    (d / "broken/0.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (d / "text.csv").write_text("name,colour\nfox,red\n")
    (d / "ragged.csv").write_text("1,2,3,4\n1,2\n")
    (d / "empty.csv").write_text("")
    (d / "head.csv").write_text("label,pixel0\n")
    (d / "five.csv").write_text("1,2,3,4,5,6\n" * 20)
    (d / "words.npy").write_bytes(b"no numbers")
    (d / "half.gz").write_bytes(gzip.compress(b"\0\0\x08\x03" + bytes(100))[:20])
    (d / "model.pt").write_bytes(b"PK\3\4model")
    (d / "report.pdf").write_bytes(b"%PDF-1.7")
    np.save(d / "line.npy", np.arange(9.0))
    np.save(d / "nan.npy", np.full((20, 4), np.nan))
    np.save(d / "negative.npy", np.linspace(-1, 1, 80).reshape(20, 4))
    np.save(d / "large.npy", np.linspace(0, 70000, 80).reshape(20, 4))
    np.save(d / "objects.npy", np.array([{}] * 4), allow_pickle=True)
    np.save(d / "one.npy", np.full((20, 4), 7, np.uint8))
    np.save(d / "few.npy", RNG.integers(0, 256, (20, 4, 4)).astype(np.uint8))
    np.savez(d / "two.npz", left=RNG.random((20, 4)), right=RNG.random((20, 4)))
    np.savez(d / "none.npz")
    run = RunFolder(d / "run", {"epochs": 1}, shape=(8, 8, 3))
    gan = nn.recipes.RECIPES["tf_basic"].build(192, 0, "numpy", steps=1)
    run.create(gan)
    (d / "file").write_text("a file")
    return d


TRAIN = "train --epochs 1 --out new"
WRONG = [
    # paths
    (f"{TRAIN} --data nowhere", "nowhere is neither a file or folder nor one of auto, mnist"),
    (f"{TRAIN} --data minst", "minst is neither a file or folder nor one of auto, mnist"),
    (f"{TRAIN} --data photos/none", "photos/none is neither a file or folder"),
    (f"{TRAIN} --data empty", "empty holds no images"),
    (f"{TRAIN} --data notes", "notes holds no images"),
    (f"{TRAIN} --data broken", "0.png cannot be read as an image"),
    (f"{TRAIN} --data photos/a/0.png", "is one image: name the folder"),
    (f"{TRAIN} --data report.pdf", "report.pdf"),
    (f"{TRAIN} --data model.pt", "model.pt"),
    (f"{TRAIN} --data half.gz", "half.gz"),
    (f"{TRAIN} --data /dev/null", "/dev/null"),
    (f"{TRAIN} --data", "argument --data: expected one argument"),
    (f"{TRAIN} --data photos photos", "unrecognized arguments: photos"),
    # tables and arrays
    (f"{TRAIN} --data text.csv", "text.csv is no table of numbers"),
    (f"{TRAIN} --data ragged.csv", "ragged.csv is no table of numbers"),
    (f"{TRAIN} --data empty.csv", "empty.csv has no rows"),
    (f"{TRAIN} --data head.csv", "head.csv has no rows"),
    (f"{TRAIN} --data five.csv", "6 pixels per image, which are no square: say --shape"),
    (f"{TRAIN} --data words.npy", "words.npy cannot be read as NumPy's file"),
    (f"{TRAIN} --data line.npy", "images must be numbers, one image per row"),
    (f"{TRAIN} --data nan.npy", "nan.npy holds NaN or infinity"),
    (f"{TRAIN} --data negative.npy", "rescale them, (x + 1) / 2"),
    (f"{TRAIN} --data large.npy", "rescale them, (x - x.min()) / (x.max() - x.min())"),
    (f"{TRAIN} --data objects.npy", "objects.npy"),
    (f"{TRAIN} --data two.npz", "name the array of the images, such as --key left"),
    (f"{TRAIN} --data none.npz", "none.npz holds nothing"),
    (f"{TRAIN} --data two.npz --key middle", "has no array 'middle': it has left, right"),
    (f"{TRAIN} --data one.npy --batch-size 8", "the data set has one value everywhere"),
    (
        f"{TRAIN} --data few.npy --batch-size 128",
        "has 20 samples, and one step takes 128: lower --batch-size 128",
    ),
    (f"{TRAIN} --data few.npy --batch-size 1", "--batch-size must be 2 or more"),
    (f"{TRAIN} --data few.npy --images 21", "few.npy has 20 images, fewer than 21: check --images"),
    (f"{TRAIN} --data few.npy --recipe conditional", "needs a label for each image"),
    (f"{TRAIN} --data one_image", "has 1 image, too few to learn from: add more"),
    (f"{TRAIN} --data videos", "videos cannot be read: of each, extract its frames"),
    (f"{TRAIN} --data videos/a.mp4", "is a video, and videos cannot be read"),
    (f"{TRAIN} --data file.docx", "is no file of images: name a folder of images"),
    (f"{TRAIN} --data photos --size 20000", "and the limit is 1.0 GiB: lower --size 20000"),
    (f"{TRAIN} --data photos --size 2000", "G has 6,"),
    (f"{TRAIN} --data broken", "or pass --skip-broken to do without them"),
    (f"{TRAIN} --data both.csv", "pass --label-column first, "),
    (f"{TRAIN} --data both.csv --label-column kind", "has no column 'kind' among its 17 columns"),
    (f"{TRAIN} --data photos --labels few.npy", "labels must be 2, one for each image"),
    (f"{TRAIN} --data photos --labels none.csv", "none.csv cannot be read"),
    (f"{TRAIN} --data names.csv", "name the folder of the images, and pass --labels "),
    (f"{TRAIN} --data few.npy --recipe conditional", "has none: name a file of them with --labels"),
    # how they are read
    (f"{TRAIN} --data photos --size", "argument --size: expected one argument"),
    (f"{TRAIN} --data photos --size big", "argument --size: must be N or H,W, whole numbers"),
    (f"{TRAIN} --data photos --size -3", "argument --size"),
    (f"{TRAIN} --data photos --size 8,8,3", "argument --size: must be N or H,W, whole numbers"),
    (
        f"{TRAIN} --data few.npy --shape 5,5",
        "16 pixels per image, which do not fit --shape 5,5",
    ),
    (f"{TRAIN} --data few.npy --shape 16", "argument --shape: must be H,W or H,W,C"),
    (f"{TRAIN} --data mnist --grey", "--grey is for images of your own: leave it out"),
    (f"{TRAIN} --data digits --size 8", "--size is for images of your own: leave it out"),
    (f"{TRAIN} --data digits --key x", "--key is for images of your own: leave it out"),
    (f"{TRAIN} --data photos --gray", "unrecognized arguments: --gray: did you mean --grey?"),
    (f"{TRAIN} --data photos --batch-size 2 --measure-every 1", "scores MNIST's digits"),
    # a run
    ("train --data few.npy --batch-size 8 --out run", "already holds a run"),
    ("train --data few.npy --batch-size 8 --out file", "file is a file, a run needs a folder"),
    ("train --data few.npy --batch-size 8 --out file/run", "Not a directory"),
    ("train --out run --resume", "was begun in Python, with data named 'own'"),
    ("train --out run --resume --data few.npy", "was begun in Python, with data named 'own'"),
    ("train --out photos --resume", "no run to go on with: photos has no checkpoint.npz"),
    ("train --resume", "--resume needs --out"),
    ("evaluate run", "was begun in Python, and its images are not known"),
    ("evaluate photos", "there is no run in photos: nngan train --out DIR makes one"),
    ("export photos page.html", "there is no run in photos: nngan train --out DIR makes one"),
    ("evaluate", "the following arguments are required: RUN"),
    ("evaluate run --samples 3", "argument --samples: must be a whole number from 40"),
    ("latent photos", "there is no run in photos: nngan train --out DIR makes one"),
    ("latent file", "there is no run in file"),
    ("latent model.pt", "there is no run in model.pt"),
    ("latent run --class cat", "--class is for a game with classes: leave it out"),
    ("latent two.npz", "is not a whole checkpoint of nngan"),
    ("latent run --pairs 0", "argument --pairs: must be a whole number from 1 to 50"),
    ("latent run --out file", "file"),
    # the command line itself
    ("tarin", "there is no command 'tarin': choose one of demo, train"),
    ("train mnist", "unrecognized arguments: mnist: did you mean --data mnist?"),
    ("train photos --epochs 1", "unrecognized arguments: photos: did you mean --data photos?"),
    ("train --colour", "unrecognized arguments: --colour: nngan train --help lists the options"),
    ("train --epochs two", "argument --epochs: must be a positive whole number, got 'two'"),
    ("train --lr 0", "argument --lr: must be a positive number, got '0'"),
    ("--data photos", "unrecognized arguments: --data photos"),
]


def files(folder):
    return {p: p.stat().st_mtime_ns if p.is_file() else None for p in folder.rglob("*")}


def test_there_are_sixty_of_them():
    assert len(WRONG) >= 60


@pytest.mark.parametrize(("line", "words"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_use_gets_one_sentence(place, monkeypatch, capsys, line, words):
    monkeypatch.chdir(place)
    monkeypatch.setenv("NNGAN_DATA", str(place / "no-data"))
    before = files(place)
    with pytest.raises(SystemExit) as stopped:
        raise SystemExit(main(line.split()))
    out, err = capsys.readouterr()
    assert stopped.value.code == 2
    assert words in err
    assert err.count("\n") == 1, err
    assert "Traceback" not in out + err
    assert "pickle" not in err
    assert files(Path(place)) == before
