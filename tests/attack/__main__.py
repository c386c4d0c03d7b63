"""All campaigns, one after the other: ``python -m attack --minutes 10`` gives each ten minutes."""

import argparse
import subprocess
import sys

CAMPAIGNS = (
    "kills", "ends", "disks", "signals", "folders", "readers", "hostile", "lines", "misuse",
    "threads", "around",
)  # fmt: skip


def main() -> int:
    """Run them; return 1 if one of them found something."""
    parser = argparse.ArgumentParser("python -m attack")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=5, help="for each campaign; default: 5")
    options = parser.parse_args()
    statuses = []
    for name in CAMPAIGNS:
        words = ["--seed", str(options.seed), "--seconds", str(60 * options.minutes)]
        program = [sys.executable, "-W", "error", "-m", f"attack.{name}", *words]
        statuses.append(subprocess.run(program).returncode)
    return 1 if any(statuses) else 0


if __name__ == "__main__":
    sys.exit(main())
