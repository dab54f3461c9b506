"""`python -m webhook COMMAND`."""

import sys

from webhook.commands import main, program

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], program(sys.argv[0])))
