"""Public charts and manifests, for `m365wi lint` to find nothing in.

python -m testbed.corpus    makes the corpus in the cache, and prints its folder

They come as Go modules (`modules.txt` pins each with its hash), so that neither GitHub nor a registry of charts is
asked. Nothing of them is kept in this repository. Each chart is rendered by Helm; other YAML is left as it is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from testbed.chart import helm
from testbed.cluster import build, toolchain
from testbed.cluster.build import BuildError, to_stderr

__all__ = ["MODULES", "VALUES", "BuildError", "Module", "main", "make", "modules", "place"]

MODULES: Final = Path(__file__).parent / "modules.txt"
GO: Final = (1, 26)
_KEPT: Final = (".yaml", ".yml", ".json", ".tpl", ".txt", ".tgz", ".conf")
_LARGEST: Final = 4 * 1024 * 1024  # bytes of one file; larger ones are generated CRDs and dashboards
_NOT_CHARTS: Final = {"testdata", "examples", "samples", "static", "test", "e2e"}
# What charts need to be rendered at all.
_NEEDED: Final[dict[str, Any]] = {
    "external-dns": {"policy": "sync"},
    "karpenter": {"settings": {"clusterName": "shop"}},
}
_CLIENT: Final = "11111111-1111-4111-8111-111111111111"
_ACCOUNT: Final = {"annotations": {"azure.workload.identity/client-id": _CLIENT}}
_LABEL: Final = {"azure.workload.identity/use": "true"}
# Charts with an identity, set up as their own pages say.
VALUES: Final[dict[str, Any]] = {
    "cert-manager": {"podLabels": _LABEL, "serviceAccount": {**_ACCOUNT, "labels": _LABEL}},
    "external-dns": {"podLabels": _LABEL, "serviceAccount": {**_ACCOUNT, "labels": _LABEL}},
    "external-secrets": {"podLabels": _LABEL, "serviceAccount": _ACCOUNT},
    "flagger": {"podLabels": _LABEL, "serviceAccount": _ACCOUNT},
    "metrics-server": {"podLabels": _LABEL, "serviceAccount": _ACCOUNT},
}


@dataclass(frozen=True)
class Module:
    """A Go module."""

    path: str
    version: str
    sum: str

    @property
    def name(self) -> str:
        """As the name of a file."""
        return self.path.replace("/", "_")


def modules() -> list[Module]:
    """Those of the list."""
    lines = MODULES.read_text(encoding="utf-8").splitlines()
    return [Module(*line.split()) for line in lines if line and line[0] != "#"]


def place() -> Path:
    """The folder of the corpus in the cache, made or not: `rendered` has a file for each chart, `source` the rest."""
    digest = hashlib.sha256(MODULES.read_bytes() + json.dumps([_NEEDED, VALUES, _KEPT]).encode())
    return build.cache_root() / f"corpus-{digest.hexdigest()[:12]}"


def make() -> Path:
    """The corpus, which is made first if the cache does not have it. Raises BuildError."""
    where = place()
    build.cache_root().mkdir(parents=True, exist_ok=True)
    with build.one_at_a_time(build.cache_root() / "corpus.lock", report=to_stderr):
        if not where.exists():
            staging = where.with_name(f".{where.name}")
            shutil.rmtree(staging, ignore_errors=True)  # left by one that was killed: we hold the lock
            for each in modules():
                to_stderr(f"{each.path} {each.version}")
                _unpack(_download(each, staging), each, staging / "source" / each.name)
            for folder in sorted((staging / "source").iterdir()):
                _render(folder, staging / "rendered")
            shutil.rmtree(staging / "modules", ignore_errors=True)
            staging.rename(where)
    return where


def _download(module: Module, staging: Path) -> Path:
    """The module as a file. Its hash is that of the list."""
    go = toolchain.find_go(at_least=GO, cache=build.cache_root(), report=to_stderr)
    environment = {**toolchain.environment(go), "GOMODCACHE": str(staging / "modules"), "GOFLAGS": "-modcacherw"}
    command = [str(go), "mod", "download", "-json", f"{module.path}@{module.version}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    answer = json.loads(done.stdout or "{}")
    archive = answer.get("Zip")
    if not archive or not Path(archive).exists():
        raise BuildError(f"{' '.join(command)}: {answer.get('Error') or done.stderr}")
    found = Path(archive).with_suffix(".ziphash").read_text(encoding="ascii").strip()
    if found != module.sum:
        raise BuildError(f"{module.path} {module.version} is {found}, expected {module.sum}")
    if answer.get("Dir"):
        shutil.rmtree(answer["Dir"], ignore_errors=True)
    return Path(archive)


def _unpack(archive: Path, module: Module, folder: Path) -> None:
    before = f"{module.path}@{module.version}/"
    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            name = entry.filename.removeprefix(before)
            wanted = name.endswith(_KEPT) or "/charts/" in f"/{name}" or "/templates/" in name
            if wanted and entry.file_size <= _LARGEST and "/testdata/" not in f"/{name}":
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(file.read(entry))
    archive.unlink()


def _charts(folder: Path) -> Iterator[Path]:
    """The charts in a module that stand for themselves."""
    for file in sorted(folder.rglob("Chart.yaml")):
        inside = file.parent.relative_to(folder).parts
        within_another = "charts" in inside and (file.parent.parent.parent / "Chart.yaml").exists()
        if not within_another and _NOT_CHARTS.isdisjoint(inside):
            yield file.parent


def _render(folder: Path, target: Path) -> None:
    """Each chart with its own values, and some with an identity."""
    target.mkdir(exist_ok=True)
    for chart in _charts(folder):
        described = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
        missing = [
            each for each in described.get("dependencies") or () if not (chart / "charts" / each["name"]).exists()
        ]
        if missing:  # they are in registries of charts
            described["dependencies"] = [each for each in described["dependencies"] if each not in missing]
            (chart / "Chart.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
            (chart / "Chart.lock").unlink(missing_ok=True)
        name = described["name"]
        values: dict[str, Any] = _NEEDED.get(name) or {}
        _template(chart, values, target / f"{folder.name}-{name}.yaml")
        if name in VALUES:
            _template(chart, {**values, **VALUES[name]}, target / f"{folder.name}-{name}-with-identity.yaml")


def _template(chart: Path, values: Mapping[str, Any], target: Path) -> None:
    try:
        rendered = helm.helm("template", "release", str(chart), "--namespace", "shop", "--include-crds", values=values)
    except helm.Refused as error:
        to_stderr(f"{target.name} is left out: {str(error).splitlines()[0][:200]}")
        return
    if rendered.strip():
        target.write_text(rendered, encoding="utf-8")


def main() -> int:
    """Makes the corpus. Exit status 1 if that fails."""
    return build.show(lambda: [make()])
