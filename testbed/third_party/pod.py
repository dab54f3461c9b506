"""A stand-in for a pod: what a command sees there is what a container in a pod would see, and nothing else.

    python -m testbed.third_party.pod COMMAND ARGUMENTS…

The command has a network of its own that has only loopback, so that no tool can reach the internet. Microsoft's names
are in its hosts file, at 127.0.0.1, and it may listen at port 443. /run is empty but for the folder of the pod's token.
This takes user namespaces of Linux, and no root.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from testbed.third_party.apis import HOSTS
from webhook.core.names import MOUNT_PATH

__all__ = ["INSIDE", "main"]

INSIDE = "M365WI_STAND_IN_FOR_A_POD"
ISOLATE = ("unshare", "--user", "--map-root-user", "--net", "--mount")
# The arguments: the hosts file, the folder of the token, and the command.
SET_UP = """
set -e
ip link set lo up
mount --bind "$1" /etc/hosts
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$2"
shift 2
exec "$@"
"""


def main(command: Sequence[str]) -> None:
    """Becomes the command."""
    for program in ("unshare", "ip", "mount"):
        if not shutil.which(program):
            sys.exit(f"{program} is not on PATH: install util-linux and iproute2")
    with tempfile.NamedTemporaryFile("w", prefix="hosts-", delete=False) as file:
        file.write("127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {host}\n" for host in HOSTS))
    Path(file.name).chmod(0o644)
    script = [*ISOLATE, "sh", "-c", SET_UP, "sh", file.name, MOUNT_PATH, *command]
    os.execvpe(script[0], script, os.environ | {INSIDE: file.name})


if __name__ == "__main__":
    main(sys.argv[1:])
