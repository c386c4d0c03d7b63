"""Measure the samples of a run on MNIST and write metrics.json into its folder.

python examples/evaluate.py runs/x                  # half a minute; the first time, two
python examples/evaluate.py runs/x --backend cupy   # the same on a CUDA GPU
"""

from __future__ import annotations

import json

import nngan as nn
from nngan import checkpoint, metrics
from nngan.backend import BACKENDS, get_backend
from nngan.cli import OneSentenceParser, between, folder, one_sentence, run_main
from nngan.datasets import DatasetError
from nngan.files import atomic_write
from nngan.metrics.parzen import VALIDATION

SAMPLES = 10_000  # of every protocol in the table


def table(rows: dict[str, metrics.Estimate], real: dict[str, metrics.Estimate]) -> str:
    """Return the table as text: each measure with its standard error, and that of real images."""
    lines = [f"{'':<38}{'samples':>18}{'real images':>18}"]
    lines += [
        f"{title:<38}{rows[name]!s:>18}{real[name]!s:>18}" for name, title in metrics.TITLES.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Load the run, measure, print, write."""
    parser = OneSentenceParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=folder, help="the folder of a run, with its checkpoint.npz")
    parser.add_argument("--samples", type=between(40, 4 * SAMPLES), default=SAMPLES, metavar="N")
    parser.add_argument(
        "--seed", type=between(0, 2**64 - 1), default=0, metavar="N", help="of the latent vectors"
    )
    parser.add_argument("--backend", choices=BACKENDS, default="numpy")
    parser.add_argument("--data-dir", metavar="DIR", help="folder that has the MNIST files")
    options = parser.parse_args()
    try:
        backend = get_backend(options.backend)
        gan, settings = checkpoint.load(options.run / "checkpoint.npz", backend)
        if gan.G.n_out != 784 or settings.get("data", "mnist") != "mnist":
            raise ValueError(
                f"the run in {options.run} is of {settings.get('data', 'other data')}: these "
                "measures are of MNIST's digits, choose a run with --data mnist"
            )
        train, test = (
            backend.asarray(nn.datasets.mnist(split, options.data_dir)[0])
            for split in ("train", "test")
        )
        if not metrics.judge_path().exists():
            print("Training the judge, a classifier, which is done once: about half a minute ...")
        judge = metrics.load_judge(options.data_dir)
        samples = backend.asarray(gan.sample(options.samples, seed=options.seed))
        print("Measuring ...")
        real = metrics.real_data(train, test, judge, options.samples)
        images = settings.get("images", len(train))  # the first ones, that it was trained on
        rows = metrics.evaluate(samples, train[:images], train[VALIDATION], test, judge)
        report = {
            "epoch": gan.epoch,
            "samples": options.samples,
            "seed": options.seed,
            "judge": {"accuracy": judge.accuracy, "fingerprint": judge.fingerprint},
            "metrics": {
                name: {"value": value, "error": error, "real": real[name].value}
                for name, (value, error) in rows.items()
            },
        }
        with atomic_write(options.run / "metrics.json") as file:
            file.write((json.dumps(report, indent=2) + "\n").encode())
    except (ValueError, OSError, DatasetError, metrics.JudgeError, nn.BackendUnavailable) as error:
        parser.error(one_sentence(error))
    print(f"{options.samples:,} samples after epoch {gan.epoch}, ± standard error\n")
    print(table(rows, real))
    if images > VALIDATION.start:
        print(
            "\nThe run was trained on the images that Parzen's bandwidth is chosen from: "
            f"train with --images {VALIDATION.start} to leave them out."
        )
    print(f"\nJudge {judge.fingerprint}, {judge.accuracy:.2%} on test images.")
    print(f"Written: {options.run / 'metrics.json'}")


if __name__ == "__main__":
    run_main(main)
