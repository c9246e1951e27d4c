"""`python -m rayfleet.cli`."""

import sys

from rayfleet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
