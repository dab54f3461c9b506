"""`python -m m365wi`."""

import sys

from m365wi import main

if __name__ == "__main__":
    sys.exit(main())
