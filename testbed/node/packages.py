"""The programs of a node that are not in a Go module: Debian's packages, installed as root if they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from testbed.cluster.processes import ClusterError

__all__ = ["BUSYBOX", "cni_directory", "install"]

BUSYBOX = Path("/bin/busybox")
CNI_DIRECTORIES = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
# Found by a program of each package: Docker's containerd.io serves as well as Debian's.
PACKAGES = {
    "buildah": "buildah",
    "containerd": "containerd",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "runc": "runc",
    "unshare": "util-linux",
}
ATTEMPTS = 3


def install() -> None:
    """Installs what is missing. Raises ClusterError without root, or if apt fails three times."""
    if os.geteuid():
        raise ClusterError("a node needs root: run sudo make test-node, or, with Docker, make test-kind")
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if not is_static(BUSYBOX):
        missing.append("busybox-static")
    if cni_directory() is None:
        missing.append("containernetworking-plugins")
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise ClusterError(
            f"missing: {', '.join(missing)}. They are Debian's packages, and this is another system: make test-kind"
        )
    apt("update")
    apt("install", "--yes", "--no-install-recommends", *missing)


def cni_directory() -> Path | None:
    """The folder of the CNI plugins."""
    return next((path for path in CNI_DIRECTORIES if (path / "bridge").exists()), None)


def is_static(program: Path) -> bool:
    """Whether a program exists and loads no library, so that it runs in an image by itself."""
    return program.exists() and bool(subprocess.run(["ldd", program], capture_output=True, check=False).returncode)


def apt(*arguments: str) -> None:
    """Runs apt-get, and again if it fails: an index may change while it is read."""
    command = ["apt-get", "--quiet=2", *arguments]
    # Without systemd, as in a container, RUNLEVEL keeps Debian's scripts from starting what they install.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for attempt in range(1, ATTEMPTS + 1):
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if not done.returncode:
            return
        if attempt == ATTEMPTS:
            raise ClusterError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip()[-1000:]}")
