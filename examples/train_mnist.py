"""Train a GAN on handwritten digits: the command ``nngan train`` as a script.

python examples/train_mnist.py --help
"""

from nngan.interrupts import install

if __name__ == "__main__":
    install()  # before anything else is imported

import sys

from nngan.command_line import run_main
from nngan.commands import call

if __name__ == "__main__":
    run_main(lambda: call("train", sys.argv[1:], "python examples/train_mnist.py"))
