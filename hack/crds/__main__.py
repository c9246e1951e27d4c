"""`python -m crds`: see cli.py."""

import sys

from crds.cli import main

sys.exit(main(sys.argv[1:]))
