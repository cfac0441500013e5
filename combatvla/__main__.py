"""`python -m combatvla` is the `combatvla` command."""

import sys

from combatvla.cli import main

if __name__ == "__main__":
    sys.exit(main())
