"""Train a GAN on handwritten digits: the command ``nngan train``, without an installed nngan.

python examples/train_mnist.py --help
"""

import sys

from nngan.command_line import run_main
from nngan.commands import train

if __name__ == "__main__":
    run_main(lambda: train.main(sys.argv[1:], "train_mnist.py"))
