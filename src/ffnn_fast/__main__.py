"""``python -m ffnn_fast``: the command line."""

import sys

from ffnn_fast.cli import main

if __name__ == "__main__":
    sys.exit(main())
