"""What all campaigns share: options, the budget, the line of the result, the exit status.

A campaign is a function that yields one text for each try: "" if it was harmless, else what went
wrong, " | ", and how to do it again. The first part is its kind: findings of one kind are counted,
and only the first is printed in full. Where a campaign has several kinds of tries, it yields the
kind and the text, and the tries of each kind are printed.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

# The matrices are small: threads would wait for each other, and do not survive a fork.
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

EVERY = 300.0  # seconds between two lines about a long campaign
Try = str | tuple[str, str]
Campaign = Callable[[int, Path, str | None], Iterator[Try]]


def main(name: str, campaign: Campaign, kinds: tuple[str, ...] = ()) -> None:
    """Run a campaign from the command line and exit: with status 1 if a try was harmful."""
    parser = argparse.ArgumentParser(f"python -m attack.{name}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=sys.maxsize, help="tries; default: no limit")
    parser.add_argument("--seconds", type=float, default=60.0, help="default: 60")
    parser.add_argument("--first", action="store_true", help="stop at the first finding")
    parser.add_argument("--show", type=int, default=10, help="kinds of findings to print")
    if kinds:
        parser.add_argument("--only", choices=kinds, help="one kind of tries; default: all in turn")
    options = parser.parse_args()
    memory = "/dev/shm"  # of Linux: many small files, and no disk is kept busy
    has_room = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30
    where = memory if has_room else None
    folder = Path(tempfile.mkdtemp(prefix=f"attack-{name}-", dir=where))
    try:
        status = run(name, campaign, folder, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(status)


def run(name: str, campaign: Campaign, folder: Path, options: argparse.Namespace) -> int:
    """Count the tries and what they found, print both; return the exit status."""
    tried, harmful, found = 0, 0, {}
    of_kind: Counter[str] = Counter()
    began, next_word = time.monotonic(), EVERY
    tries = campaign(options.seed, folder, getattr(options, "only", None))
    try:
        for result in tries:
            tried += 1
            kind, text = result if isinstance(result, tuple) else ("", result)
            of_kind[kind] += 1
            if text:
                harmful += 1
                said, _, how = " ".join(text.split()).partition(" | ")
                kind = re.sub(r"[0-9a-f]{8}|\d+", "N", said)
                times, first = found.get(kind, (0, how))
                found[kind] = times + 1, first
                if not times:
                    print(f"{name}: {kind} | {how}"[:500], file=sys.stderr, flush=True)
            seconds = time.monotonic() - began
            if tried >= options.count or seconds > options.seconds or (options.first and harmful):
                break
            if seconds > next_word:
                next_word += EVERY
                said_so_far = f"{name}: tried {tried:,}, harmful {harmful:,} so far"
                print(said_so_far, file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"{name}: stopped")  # and this is what was found so far
    tries.close()
    rate = tried / (time.monotonic() - began)
    print(f"{name}: tried {tried:,}, harmful {harmful:,} ({rate:,.1f} tries per second)")
    if of_kind.keys() != {""}:
        each = ", ".join(f"{kind} {times:,}" for kind, times in sorted(of_kind.items()))
        print(textwrap.fill(each, 100, initial_indent="  ", subsequent_indent="  "))
    for kind, (times, how) in list(found.items())[: options.show]:
        print(f"  {times:,} x {kind} | {how}")
    if len(found) > options.show:
        print(f"  and {len(found) - options.show} kinds more")
    return 1 if harmful else 0
