"""Run the command line: as ``python -m nngan``, and as the script ``nngan``."""

from .interrupts import install


def run() -> None:
    """Run the command line of this process and exit."""
    install()  # before anything else is imported
    from .commands import run

    run()


if __name__ == "__main__":
    run()
