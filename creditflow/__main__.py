"""`python -m creditflow`: the same as the `creditflow` command."""

import sys

from creditflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
