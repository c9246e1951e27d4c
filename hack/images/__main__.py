"""`python -m images`: see cli.py."""

import sys

from images.cli import main

sys.exit(main(sys.argv[1:]))
