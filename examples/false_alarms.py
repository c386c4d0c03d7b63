"""Diagnose healthy games: every recipe at 5, 20, 50 and 100 % of its run, seed 0.

python examples/false_alarms.py                  # all, on MNIST; hours on two cores
python examples/false_alarms.py small r1 ring    # these recipes
python examples/false_alarms.py --epochs 4 r1    # a shorter run
python examples/false_alarms.py x.npz            # a checkpoint, on MNIST

It prints one row for each: the findings, and what was measured.
"""

from __future__ import annotations

from nngan.interrupts import install

if __name__ == "__main__":
    install()  # before anything else is imported

from pathlib import Path

import nngan as nn
from nngan.command_line import OneSentenceParser, positive, run_main, say
from nngan.recipes import MIXTURES, RECIPES

SHARES = (0.05, 0.2, 0.5, 1)
# Shorter than the recipes' own runs, which take hours.
EPOCHS = {
    "small": 6, "conditional": 10, "r1": 10, "rpgan": 10, "default": 20, "pytorch_mlp": 20,
    "tf_basic": 40, "wgan_gp": 15, "goodfellow2014": 25, "ring": 20, "grid": 24,
}  # fmt: skip
COLUMNS = (
    "steps of training", "D ranks data above fakes (AUC)", "gradient that reaches G's output",
    "update of G in a step, by layers", "update of D in a step, by layers",
    "ReLU units of G that never work", "ReLU units of D that never work",
    "gradient of the penalty", "size of G's weights, the layer most grown",
    "size of D's weights, the layer most grown", "distance of two samples",
    "distance of a sample to the next", "share of the data in these clusters",
    "share of the data in these classes", "separate modes without samples",
    "energy distance of the samples in inference to those in training",
    "energy distance of samples to the data", "distance of a sample to the nearest row",
    "samples that are copies of a row", "energy distance of the average's samples",
    "change of D's answers from epoch to epoch",
)  # fmt: skip


def main() -> None:
    """Train and diagnose."""
    parser = OneSentenceParser(description=__doc__)
    parser.add_argument("games", nargs="*", metavar="NAME or FILE", help="default: all recipes")
    parser.add_argument("--epochs", type=positive(int), metavar="N", help="of each run")
    options = parser.parse_args()
    for name in options.games:
        if name not in EPOCHS and not name.endswith(".npz"):
            parser.error(f"there is no recipe {name!r}: choose of {', '.join(EPOCHS)}")
    say(" | ".join(["game", "findings", "notes", *COLUMNS]))
    for name in options.games or EPOCHS:
        if name.endswith(".npz"):
            row(Path(name).stem, nn.GAN.load(name), *nn.datasets.mnist())
        else:
            play(name, options.epochs or EPOCHS[name])


def play(name: str, epochs: int) -> None:
    """Train a recipe, and print a row at each of `SHARES`."""
    if name in MIXTURES:
        recipe, (x, labels) = MIXTURES[name], getattr(nn.datasets, name)()
    else:
        recipe, (x, labels) = RECIPES[name], nn.datasets.mnist()
    steps = epochs * (len(x) // (recipe.batch_size * recipe.game.get("k", 1)))
    gan = recipe.build(x.shape[1], steps=steps)
    at = {max(1, round(share * epochs)) for share in SHARES}

    def look(gan: nn.GAN) -> None:
        if gan.epoch in at:
            row(f"{name}, epoch {gan.epoch} of {epochs}", gan, x, labels)

    given = labels if gan.classes else None
    gan.fit(x, epochs, recipe.batch_size, labels=given, callbacks=[look], progress=False)


def row(title: str, gan: nn.GAN, x: object, labels: object) -> None:
    """Diagnose a game, and print what was found and measured."""
    report = nn.diagnose(gan, x, labels)
    notes = [finding.kind for finding in report.findings if finding.severity == "note"]
    cells = [
        next((m.value for m in report.looked_at if m.name.startswith(column)), "")
        for column in COLUMNS
    ]
    say(" | ".join([title, ", ".join(report.kinds) or "none", ", ".join(notes), *cells]))


if __name__ == "__main__":
    run_main(main)
