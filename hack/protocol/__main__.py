"""`python -m protocol`: see cli.py."""

import sys

from protocol.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
