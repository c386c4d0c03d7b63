"""Notice a submission that looks at the program that runs it: at the stack, or at other objects.

A layer computes with its inputs. One that looks at its caller may compute something else for the
checker than for everybody else. Python reports such looks to audit hooks, which code cannot remove.
This is no sandbox: there are ways around it.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What a submission has no reason to ask, and the words for it.
LOOKS = {
    "sys._getframe": "the call stack",
    "sys._current_frames": "the call stack",
    "gc.get_objects": "all objects of the program (gc)",
    "gc.get_referrers": "all objects of the program (gc)",
    "gc.get_referents": "the inside of objects (gc)",
    "sys.settrace": "every line that runs (sys.settrace)",
    "sys.setprofile": "every call (sys.setprofile)",
    "tb_frame": "the call stack",
    "__code__": "the code of functions",
}
BEGIN = "the submission looks at "
THROUGH = {inspect.__file__, traceback.__file__}  # they look for those that call them


def watch(file: Path, last_words: int) -> None:
    """End this process when code in the folder of `file` looks around; leave a line that says so.

    Parameters
    ----------
    file : Path
        The submission.
    last_words : int
        File descriptor for the line and the place in the code.
    """
    frame_of, write, leave = sys._getframe, os.write, os._exit
    dump, is_looking = faulthandler.dump_traceback, False
    inside = f"{file.parent}{os.sep}"
    # An environment may be in the folder of the submission.
    paths = [sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")]
    libraries = tuple(f"{path}{os.sep}" for path in [*paths, Path(__file__).parents[2]])

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal is_looking
        if event in ("object.__getattr__", "object.__setattr__"):
            event = arguments[1]
        if event not in LOOKS or is_looking:
            return
        is_looking = True  # this looks at the stack itself
        frame: Any = frame_of(1)
        while event == "sys._getframe" and frame and frame.f_code.co_filename in THROUGH:
            frame = frame.f_back
        where = frame.f_code.co_filename if frame else ""
        is_looking = False
        if where.startswith((inside, "<")) and not where.startswith(libraries):
            write(last_words, f"{BEGIN}{event}\n".encode())
            dump(last_words)
            leave(1)

    add: Callable[[Any], None] = sys.addaudithook
    add(hook)


def seen(words: str) -> str:
    """Return what the submission has looked at, by the last words of its process; "" if nothing."""
    found = re.match(BEGIN + r"(\S+)\n", words)
    return LOOKS.get(found[1], "") if found else ""
