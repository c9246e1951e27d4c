"""`python -m chart_renders`."""

import sys

from chart_renders.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
