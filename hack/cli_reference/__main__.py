"""`python -m cli_reference`."""

import sys

from cli_reference.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
