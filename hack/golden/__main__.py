"""`python -m golden`."""

import sys

from golden.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
