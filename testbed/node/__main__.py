"""`python -m testbed.node`: prepares what the node tests need, and prints the images' sizes."""

from __future__ import annotations

import sys

from testbed.cluster.build import BuildError
from testbed.cluster.processes import ClusterError
from testbed.node.ready import prepare


def main() -> int:
    """Exit status 1 if something cannot be installed or built."""
    try:
        for image in prepare().values():
            sys.stdout.write(f"{image.name}\t{image.archive.stat().st_size / 1e6:.0f} MB\n")
    except (BuildError, ClusterError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
