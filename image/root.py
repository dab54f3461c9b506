"""Puts the root of the image together, in the build stage, from the files of the base for the image's platform.

    python3 root.py runtime ROOT                   the interpreter, /opt/m365wi without pip, and what both load
    python3 root.py application ROOT PACKAGE …     our packages and their commands: the layer above
    python3 root.py try ROOT APPLICATION           runs both commands and imports every module, if this machine can

The image has only what is listed here: it has no shell, no package manager and no compiler. It has Debian's records and
licences of the packages that files come from, so that scanners know what to look for. Every module is byte-compiled,
since nothing can be written later; compiled files name the hash of their source, not its time, and are the same for any
processor. Each file has the time SOURCE_DATE_EPOCH, in seconds since 1970, and a mode that no umask changes.
"""

import compileall
import os
import platform
import py_compile
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import records
from base import copy, copy_tree, exists, files, real, within
from install import INTERPRETER, PACKAGES, VENV
from libraries import loaded_by, machine

COMMANDS = {"m365-webhook": "webhook", "m365-identity": "m365_identity"}
IMPORT_ALL = """
import importlib, pkgutil, webhook, certs, m365_identity
for package in (webhook, certs, m365_identity):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
"""
USER = "nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
CACHE = Path("/etc/ld.so.cache")

# Left out of the standard library: installers, windows, tests, and modules that need the libraries of a database, a
# terminal or a line editor. Left out of packages: type stubs, and the sources of compiled modules.
LEFT_OUT_OF_LIBRARY = (
    *("site-packages", "dist-packages", "ensurepip", "venv", "test", "idlelib", "lib2to3", "tkinter", "turtledemo"),
    *("turtle.py", "pydoc_data", "config-*", "__phello__", "dbm", "curses", "sqlite3"),
    *("_tkinter.*", "_test*", "xxlimited*", "_xx*", "_ctypes_test*", "_sqlite3.*", "_curses*", "_dbm.*", "_gdbm.*"),
    *("readline.*", "nis.*", "ossaudiodev.*", "sitecustomize.py", "__pycache__"),
)
LEFT_OUT_OF_PACKAGES = ("bin", "__pycache__", "*.pyi", "*.pyx", "*.pxd", "*.pxi", "*.c", "*.h")
# 70 MB of typed models and calls, which are loaded by name. webhook/cluster/kube.py uses raw JSON and none of them.
TYPED = (
    "kubernetes/client/models",
    "kubernetes/client/api",
    "kubernetes/aio/client/models",
    "kubernetes/aio/client/api",
)


def runtime(root: Path) -> None:
    """Everything but our own code."""
    for folder in ("etc", "tmp", "usr/bin", "usr/lib", "var/lib/dpkg/status.d"):
        (root / folder).mkdir(parents=True)
    library = Path(sysconfig.get_path("stdlib"))
    if not exists(library):
        sys.exit(f"the base for the image's platform has another Python: {library} is missing")
    copy_tree(library, root, leave_out=LEFT_OUT_OF_LIBRARY)
    environment(root)
    for path in (INTERPRETER, *loaded_by(INTERPRETER, root), Path("/etc/os-release"), AUTHORITIES):
        copy(path, root)
    if exists(CACHE):
        copy(CACHE, root)
    trust(root)
    records.write(root, [path for path in files(root) if not path.is_relative_to(VENV)])
    (root / "etc/passwd").write_text(f"root:x:0:0:root:/root:/sbin/nologin\n{USER}\n")
    (root / "etc/group").write_text("root:x:0:\nnonroot:x:65532:\n")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    finish(root)
    (root / "tmp").chmod(0o1777)


def environment(root: Path) -> None:
    """/opt/m365wi: the interpreter's names, and the packages without the files that are never loaded."""
    copy_tree(PACKAGES, root, leave_out=LEFT_OUT_OF_PACKAGES, base=Path("/"))
    home = within(root, VENV)
    (home / "pyvenv.cfg").write_text(f"home = {INTERPRETER.parent}\ninclude-system-site-packages = false\n")
    (home / "bin").mkdir()
    (home / "bin/python").symlink_to(real(INTERPRETER))
    (home / "bin/python3").symlink_to("python")
    for folder in TYPED:
        typed = within(root, PACKAGES) / folder
        if not typed.is_dir():
            sys.exit(f"{typed} is missing: has the layout of the Kubernetes client changed?")
        for module in typed.glob("*.py"):
            if module.name != "__init__.py":
                module.unlink()


def application(root: Path, packages: Iterable[str]) -> None:
    """Our packages, in the folder of the others, and the commands of COMMANDS."""
    home = within(root, PACKAGES)
    commands = within(root, VENV / "bin")
    home.mkdir(parents=True)
    commands.mkdir(parents=True)
    for package in packages:
        shutil.copytree(package, home / package, ignore=shutil.ignore_patterns("__pycache__"))
    for command, module in COMMANDS.items():
        path = commands / command
        run = f"import runpy\n\nrunpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
        path.write_text(f"#!{VENV}/bin/python\n{run}")
        path.chmod(0o755)
    finish(root)


def tried(root: Path, above: Path) -> None:
    """Runs what will be in the image, in exactly these files, and in no image of another kind of processor."""
    kind = machine(INTERPRETER)
    if kind != platform.machine():
        sys.stderr.write(f"not tried, since it is for {kind}, and this machine is {platform.machine()}\n")
        return
    shutil.copytree(above, root, symlinks=True, dirs_exist_ok=True)
    commands = VENV / "bin"
    for program in (*([commands / name, "--version"] for name in COMMANDS), [commands / "python", "-c", IMPORT_ALL]):
        subprocess.run(["chroot", root, *program], check=True)


def trust(root: Path) -> None:
    """Debian's bundle of authorities, where OpenSSL looks for it, and OpenSSL's configuration from the base image."""
    paths = ssl.get_default_verify_paths()
    cafile = within(root, Path(paths.openssl_cafile))
    cafile.parent.mkdir(parents=True, exist_ok=True)
    if not cafile.is_symlink():
        cafile.symlink_to(AUTHORITIES)
    configuration = Path(paths.openssl_cafile).with_name("openssl.cnf")
    if exists(configuration):
        copy(configuration, root)


def finish(root: Path) -> None:
    """Byte-compiles the modules, and gives every file the same time, and the same mode whatever the umask was."""
    good = compileall.compile_dir(
        root,
        quiet=1,
        maxlevels=100,
        stripdir=str(root),
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not good:
        sys.exit("a module cannot be compiled")
    age = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (age, age), follow_symlinks=False)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["runtime", where]:
            runtime(Path(where))
        case ["application", where, *names]:
            application(Path(where), names)
        case ["try", where, above]:
            tried(Path(where), Path(above))
        case _:
            sys.exit(__doc__)
