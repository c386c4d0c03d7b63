"""What a student can do about a submission that could not be checked."""

from __future__ import annotations

import re
from dataclasses import replace

from ...gradcheck import Finding
from .scheme import Task

TITLES = {
    "cannot_import": "Python cannot run your file",
    "cannot_start": "Your file could not be run",
    "grader": "Your file could not be graded",
    "checker": "Your file could not be graded",
    "garbled": "Your file disturbs the check",
    "exits": "Your file ends the program",
    "hangs": "Your file does not come to an end",
    "memory": "Your file needs too much memory",
    "needs_arguments": "Your class cannot be created",
    "no_class": "The class was not found",
    "cell": "A cell of your notebook fails",
    "no_file": "There is no file to grade",
    "raises": "Your code raises an exception",
    "unrecognised": "Your class is not recognised",
    "shape": "An array has the wrong shape",
    "not_finite": "Your code returns NaN or infinity",
    "contract": "A pass returns something else than it should",
    "inconclusive": "Your code could not be compared",
}
STEPS = {
    "cannot_import": (
        "Go to the line that is named and correct it.",
        "Run the file alone: it must end without an error. A notebook must run from top to bottom "
        "after a restart of its kernel.",
        "Use only NumPy and Python's standard library, and read no files of your own computer.",
    ),
    "cannot_start": ("This is not your fault. Tell your teacher to grade your file again.",),
    "grader": ("This is not your fault. Tell your teacher to look at your file.",),
    "checker": ("This may not be your fault. Tell your teacher to look at your file.",),
    "garbled": (
        "Remove all that is not the layer: prints, files, processes, patches of other modules.",
    ),
    "exits": (
        "Remove exit(), quit(), sys.exit() and os._exit() from the file.",
        "If you call none of them, something has crashed: run the check at home to see it.",
    ),
    "hangs": (
        "Look at the loop in the line that is named: can its condition become false?",
        'Put your own tests, training and input() below the line if __name__ == "__main__": or '
        "remove them. The grader only wants the definitions.",
        "A loop over rows and features that is only slow becomes fast as one NumPy expression.",
    ),
    "memory": (
        "Look at the line that is named, and for a list or an array that grows in a loop.",
        "Arrays of the size of x and W are enough: do not build one for each pair of elements.",
    ),
    "needs_arguments": ("Give each argument of __init__ a default, or the name from the sheet.",),
    "no_class": ("It must be defined in the file itself, not imported and not inside a function.",),
    "cell": (
        "Go to the cell that is named and correct it.",
        "Restart the kernel and run all cells from top to bottom: none may fail.",
    ),
    "unrecognised": (
        "Write forward and backward with the arguments and the results that the sheet gives them.",
        "Or add the lines above to your file, with your own names in them.",
    ),
    "no_file": ("Hand in the file under the name that the assignment gives it.",),
    "raises": (
        "Go to the line that is named. Print the shapes of the arrays just before it.",
        "Call forward on a small x of your own, then backward with a dy of the shape of y.",
    ),
}


# What the checker says to whoever started it, said to the student.
SENTENCES = {
    "hangs": "It was ended, because it took too long: a loop without an end, or input().",
    "memory": "It was ended, because it takes more memory than it may have.",
}
# The next step after a mistake whose sentence has none.
NEXT = {
    "unknown": "Derive it again on paper. The numbers of the check, below, are the derivatives of "
    "forward as you wrote it.",
}


def sentence_of(finding: Finding) -> str:
    """Return a finding as one or two sentences to the student."""
    sentence = SENTENCES.get(finding.kind, finding.sentence)
    if finding.kind == "overwrites":  # the scheme asks for it, whatever this library's reason
        sentence = re.sub(r", because .*?\.", ".", sentence)
    if finding.kind == "contract" and "None" in sentence:
        for name, result in (("backward", "dx"), ("forward", "y, cache")):
            if f"of {name} must be" in sentence:
                return f"{name} returns nothing: is `return {result}` missing?"
    return f"{sentence} {NEXT[finding.kind]}" if finding.kind in NEXT else sentence


def text_of(finding: Finding) -> str:
    """Return a finding as text of two lines."""
    text = replace(finding, sentence=sentence_of(finding))
    return text.sentence if finding.kind == "as_asked" else str(text)


def title_of(problem: Finding) -> str:
    """Return a problem as a heading."""
    return TITLES.get(_key(problem), "Your code could not be compared")


def advice_for(problem: Finding, task: Task) -> list[str]:
    """Return what to do about a problem, one sentence or two each."""
    key = _key(problem)
    steps = STEPS.get(key, ("Correct this first: the other parts can be compared then.",))
    if key == "no_class":
        steps = (" Or: ".join(map(_asked_for, task.targets)), *steps)
    return list(steps)


def _asked_for(target: str) -> str:
    """Return what to write: a name with a capital is that of a class."""
    if target[:1].isupper():
        return f"Call your class {target}, written as here, with the methods forward and backward."
    return f"Write the functions {target}_forward and {target}_backward, with these names."


def _key(problem: Finding) -> str:
    """Return the kind of a problem; "cell" if a class is missing because its cell fails."""
    has_failed = problem.kind == "no_class" and re.search(r"Cell \d+ failed", problem.evidence)
    return "cell" if has_failed else problem.kind
