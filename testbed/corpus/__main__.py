"""`python -m testbed.corpus`."""

import sys

from testbed.corpus import main

if __name__ == "__main__":
    sys.exit(main())
