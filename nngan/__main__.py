"""Run the command line as ``python -m nngan``."""

from .commands import run

if __name__ == "__main__":
    run()
