"""Lets ``python -m spbl_nb`` do what the command ``spbl-nb`` does."""

import sys

from spbl_nb.cli import main

if __name__ == "__main__":
    sys.exit(main())
