"""The second zoo: what becomes of submissions that a naive checker grades wrong."""

import re
from pathlib import Path

import pytest
from evasions import GROUPS, HONEST, SUBMISSIONS, grade, row

PAGE = (Path(__file__).parents[1] / "docs" / "gradcheck.md").read_text(encoding="utf-8")
SAMPLE = 12  # one submission in so many is graded in the fast tests


def sampled():
    """Return all submissions as parameters, most of them marked as slow."""
    return [
        pytest.param(s, id=s.name, marks=() if i % SAMPLE == 0 else pytest.mark.slow)
        for i, s in enumerate(SUBMISSIONS.values())
    ]


@pytest.mark.parametrize("submission", sampled())
def test_a_submission_is_graded_as_the_documentation_says(submission):
    outcome = grade(submission)
    is_accepted = submission.is_right or submission.passes
    assert (outcome.verdict == "right") == is_accepted, outcome.output
    assert outcome.verdict != "crash", outcome.output
    assert not outcome.owned, "the submission ran code outside its process"
    heading = outcome.output.partition("\n")[0]
    assert heading.endswith("gradients agree") == is_accepted, outcome.output
    assert row(submission, outcome) in PAGE, "put the output of `python tests/evasions.py` there"


def test_the_zoo_is_large():
    counts = {group: sum(s.group == group for s in SUBMISSIONS.values()) for group in GROUPS}
    assert sum(counts[group] for group in HONEST) >= 60
    assert counts["cheats"] >= 40
    assert counts["right"] >= 25
    assert sum(counts.values()) == sum(
        (Path(__file__).parent / "submissions" / f"{group}.txt").read_text().count("\n=== ") + 1
        for group in GROUPS
    )  # no name twice


def test_no_honest_mistake_of_ours_passes_and_at_most_a_quarter_of_the_cheats():
    passing = [s.group for s in SUBMISSIONS.values() if s.passes]
    assert set(passing) == {"cheats", "page"}
    assert passing.count("cheats") <= sum(s.group == "cheats" for s in SUBMISSIONS.values()) / 4


def test_the_documentation_lists_exactly_these_submissions():
    section = PAGE.partition("\n## Evasions\n")[2].partition("\n## ")[0]
    names = re.findall(r"^\| (.*) \| \**(?:right|wrong|inconclusive|refused)", section, re.M)
    assert names == list(SUBMISSIONS)
