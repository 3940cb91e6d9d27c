"""`python -m kerasexp`: the command line where no `kerasexp` is on the path."""

import sys

from kerasexp.cli import main

if __name__ == "__main__":
    sys.exit(main())
