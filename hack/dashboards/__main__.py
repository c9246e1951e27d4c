"""`python -m dashboards`."""

import sys

from dashboards.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
