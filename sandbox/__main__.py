"""`python -m sandbox`: see `sandbox.cli`."""

import sys

from sandbox import main

sys.exit(main(sys.argv[1:]))
