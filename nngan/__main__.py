"""Run the command line: as ``python -m nngan``, and as the script ``nngan``."""

from .interrupts import install

install()  # before the next line imports anything

from .commands import run  # noqa: E402

if __name__ == "__main__":
    run()
