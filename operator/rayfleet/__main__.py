"""`python -m rayfleet`: run the operator."""

import sys

from rayfleet.main import main

if __name__ == "__main__":
    sys.exit(main())
