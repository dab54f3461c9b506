"""Puts the root of the image together, in the build stage. It needs only the Python of the base image.

    python3 root.py runtime ROOT                   the interpreter, /opt/m365wi without pip, and what both load
    python3 root.py application ROOT PACKAGE …     our packages and their commands: the layer above

The image has only what is listed here: it has no shell, no package manager and no compiler. It has Debian's records and
licences of the packages that the shared libraries come from, so that scanners know what to look for. Every module is
byte-compiled, since nothing can be written later; compiled files name the hash of their source, not its time. Each file
has the time SOURCE_DATE_EPOCH, in seconds since 1970.
"""

import compileall
import os
import py_compile
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

VENV = Path("/opt/m365wi")
COMMANDS = {"m365-webhook": "webhook", "m365-identity": "m365_identity"}
USER = "nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")

# Left out of the standard library: installers, windows, tests, and modules that need the libraries of a database, a
# terminal or a line editor. Left out of packages: type stubs, and the sources of compiled modules.
LEFT_OUT_OF_LIBRARY = (
    *("site-packages", "dist-packages", "ensurepip", "venv", "test", "idlelib", "lib2to3", "tkinter", "turtledemo"),
    *("turtle.py", "pydoc_data", "config-*", "__phello__", "dbm", "curses", "sqlite3"),
    *("_tkinter.*", "_test*", "xxlimited*", "_xx*", "_ctypes_test*", "_sqlite3.*", "_curses*", "_dbm.*", "_gdbm.*"),
    *("readline.*", "nis.*", "ossaudiodev.*", "__pycache__"),
)
LEFT_OUT_OF_PACKAGES = ("__pycache__", "*.pyi", "*.pyx", "*.pxd", "*.pxi", "*.c", "*.h")
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
    (root / "tmp").chmod(0o1777)
    library = Path(sysconfig.get_path("stdlib"))
    copy_tree(library, root, leave_out=LEFT_OUT_OF_LIBRARY)
    environment(root)
    binaries = [Path(sys.executable).resolve(), *compiled_in(root)]
    libraries = sorted({*loaded_by(binaries)})
    for path in (*binaries[:1], *libraries, Path("/etc/ld.so.cache"), Path("/etc/os-release"), AUTHORITIES):
        copy(path, root)
    trust(root)
    (root / "etc/passwd").write_text(f"root:x:0:0:root:/root:/sbin/nologin\n{USER}\n")
    (root / "etc/group").write_text("root:x:0:\nnonroot:x:65532:\n")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    records(root, [*binaries[:1], *libraries])
    finish(root)


def environment(root: Path) -> None:
    """/opt/m365wi: the interpreter's names, and the packages without the files that are never loaded."""
    for name in ("pyvenv.cfg", "bin/python", "bin/python3"):
        copy(VENV / name, root)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(VENV)}, scheme="venv"))
    copy_tree(packages, root, leave_out=LEFT_OUT_OF_PACKAGES)
    for folder in TYPED:
        typed = within(root, packages) / folder
        if not typed.is_dir():
            sys.exit(f"{typed} is missing: has the layout of the Kubernetes client changed?")
        for module in typed.glob("*.py"):
            if module.name != "__init__.py":
                module.unlink()


def application(root: Path, packages: Iterable[str]) -> None:
    """Our packages, in the folder of the others, and the commands of COMMANDS."""
    home = within(root, Path(sysconfig.get_path("purelib", vars={"base": str(VENV)}, scheme="venv")))
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


def compiled_in(root: Path) -> Iterator[Path]:
    """The original path of every extension module that was copied."""
    for path in sorted(root.rglob("*.so*")):
        if path.is_file() and not path.is_symlink():
            yield Path("/") / path.relative_to(root)


def loaded_by(binaries: Iterable[Path]) -> Iterator[Path]:
    """The shared libraries that `binaries` load, with the loader and without those that Python packages contain."""
    said = subprocess.run(["ldd", *binaries], capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"})
    if missing := sorted(set(re.findall(r"^\s+(\S+) => not found", said.stdout, re.MULTILINE))):
        sys.exit(f"missing in the base image: {', '.join(missing)}")
    for found in re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", said.stdout, re.MULTILINE):
        if not Path(found).is_relative_to(VENV):
            yield Path(found)


def trust(root: Path) -> None:
    """Debian's bundle of authorities, where OpenSSL looks for it, and OpenSSL's configuration from the base image."""
    paths = ssl.get_default_verify_paths()
    cafile = within(root, Path(paths.openssl_cafile))
    cafile.parent.mkdir(parents=True, exist_ok=True)
    if not cafile.is_symlink():
        cafile.symlink_to(AUTHORITIES)
    configuration = Path(paths.openssl_cafile).with_name("openssl.cnf")
    if configuration.exists():
        copy(configuration, root)


def records(root: Path, paths: Iterable[Path]) -> None:
    """dpkg's records and the licences of the packages that own `paths`, where scanners look for them."""
    for package in sorted({owner for path in paths for owner in owners(path)}):
        name = package.partition(":")[0]
        said = subprocess.run(["dpkg-query", "--status", package], capture_output=True, text=True, check=True)
        (root / "var/lib/dpkg/status.d" / name).write_text(said.stdout)
        licence = Path("/usr/share/doc") / name / "copyright"
        if licence.exists():
            copy(licence, root)


def owners(path: Path) -> Iterator[str]:
    """The Debian package that owns a file, if any. The name with and the name without /usr mean the same file."""
    real = str(path.resolve())
    for name in (real, real.removeprefix("/usr")):
        said = subprocess.run(["dpkg-query", "--search", name], capture_output=True, text=True)
        if not said.returncode:
            yield said.stdout.partition(": ")[0]
            return


def copy(path: Path, root: Path) -> None:
    """Copies `path` to the same name, with every symbolic link on the way to it."""
    place = Path("/")
    for part in path.parts[1:]:
        place /= part
        target = within(root, place)
        if place.is_symlink():
            aim = place.readlink()
            if not target.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(aim)
            copy(Path(os.path.normpath(place.parent / aim / path.relative_to(place))), root)
            return
        if place.is_dir():
            target.mkdir(exist_ok=True)
        elif not target.exists():
            shutil.copy2(place, target)


def copy_tree(folder: Path, root: Path, *, leave_out: Iterable[str]) -> None:
    """Copies a folder to the same name, without names that match `leave_out`, at any depth."""

    def ignore(_: str, names: list[str]) -> set[str]:
        return {name for name in names if any(fnmatch(name, pattern) for pattern in leave_out)}

    shutil.copytree(folder, within(root, folder), symlinks=True, ignore=ignore, dirs_exist_ok=True)


def within(root: Path, path: Path) -> Path:
    """Where `path` is in `root`."""
    return root / path.relative_to("/")


def finish(root: Path) -> None:
    """Byte-compiles the modules, and gives every file the same time."""
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
        os.utime(path, (age, age), follow_symlinks=False)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["runtime", where]:
            runtime(Path(where))
        case ["application", where, *names]:
            application(Path(where), names)
        case _:
            sys.exit(__doc__)
