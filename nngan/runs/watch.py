"""A run is looked at while it trains: one line when something begins to go wrong."""

from __future__ import annotations

import time

from ..backend import Array
from ..command_line import say
from ..diagnosis.case import Case
from ..diagnosis.diagnose import report_of
from ..gan import GAN

ROWS = 1_000  # of the data that are looked at: a look takes a second or two
SHARE = 0.03  # of the time of the run
FIRST_COST = 1.0  # seconds of a look, before one was taken


class Watch:
    """A callback for `fit` that prints a line when a diagnosis finds something.

    It looks at the game after an epoch, if all looks together then still take at most 3 % of the
    time. Each kind of fault or warning has a line once.

    Parameters
    ----------
    x, labels
        The data, as `nngan.diagnose` takes them.

    Attributes
    ----------
    said : set of str
        The kinds that had their line.
    """

    def __init__(self, x: Array, labels: Array | None = None) -> None:
        self.x, self.labels = x, labels
        self.said: set[str] = set()
        self.began = time.perf_counter()
        self.spent, self.cost = 0.0, FIRST_COST

    def __call__(self, gan: GAN) -> None:
        """Look, if it is time to."""
        begun = time.perf_counter()
        if self.spent + self.cost > SHARE * (begun - self.began):
            return
        from tqdm import tqdm  # a line leaves the progress bar whole

        report = report_of(Case(gan, self.x, self.labels, ROWS, ROWS))
        for finding in report.findings:
            if finding.severity != "note" and finding.kind not in self.said:
                self.said.add(finding.kind)
                with tqdm.external_write_mode():
                    say(
                        f"epoch {gan.epoch}, {finding.severity}: {finding.sentence} "
                        f"Try: {finding.remedy}. [{finding.kind}]"
                    )
        self.cost = time.perf_counter() - begun
        self.spent += self.cost
