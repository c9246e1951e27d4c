"""`python -m chart_readme`."""

import sys

from chart_readme.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
