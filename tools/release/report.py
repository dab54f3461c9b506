"""What `make release` says at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tools.release.checksums import sha256
from tools.release.oci import Layout
from tools.release.source import Source

__all__ = ["describe"]


def describe(out: Path, source: Source) -> str:
    """Each artefact with its size and digest, and what to do next."""
    kind = "Release" if source.tagged and not source.dirty else "Snapshot, which is never published:"
    changed = " with changes that are not committed" if source.dirty else ""
    lines = [f"{kind} {source.version} of commit {source.commit[:12]}{changed}, in {out}", ""]
    rows = [*_rows(out)]
    width = max(len(name) for name, _, _ in rows)
    lines += [f"  {name:<{width}}  {_size(size):>9}  {digest}" for name, size, digest in rows]
    lines += [
        "",
        f"Compare: cd {out} && sha256sum --check SHA256SUMS",
        "Sign and push: make release-sign, make release-push REGISTRY=registry.example.com/team (RELEASING.md)",
        "Verify: docs/verify.md",
    ]
    return "\n".join(lines)


def _rows(out: Path) -> Iterator[tuple[str, int, str]]:
    for path in sorted(out.iterdir()):
        if (path / "index.json").exists():
            size = sum(blob.stat().st_size for blob in path.rglob("*") if blob.is_file())
            yield f"{path.name}/", size, Layout(path).root.digest
        elif path.is_file():
            yield path.name, path.stat().st_size, f"sha256:{sha256(path)}"
        else:
            files = [file for file in path.rglob("*") if file.is_file()]
            yield f"{path.name}/", sum(file.stat().st_size for file in files), f"{len(files)} files"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
