"""The chart, which names the image by its digest: as `.tgz`, and as the artefact that `helm push` makes of it."""

from __future__ import annotations

import re
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

from testbed.chart import helm, manifests
from testbed.cluster.registration import PLAIN
from tools.release.archives import tar_gz
from tools.release.errors import ReleaseError
from tools.release.oci import MANIFEST, Layout
from tools.release.source import Source, moment

__all__ = ["CONFIG_TYPE", "CONTENT_TYPE", "build", "plain", "set_image"]

CONFIG_TYPE: Final = "application/vnd.cncf.helm.config.v1+json"
CONTENT_TYPE: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
HEADER: Final = """\
# m365-workload-identity VERSION: the webhook in scope {scope}, for `kubectl apply`. It names the image by its digest:
# put your registry before the name.
"""


def set_image(chart: Path, *, repository: str, digest: str) -> None:
    """Writes the image into the chart's values. Raises ReleaseError if they have another form than expected."""
    path = chart / "values.yaml"
    text = path.read_text(encoding="utf-8")
    for line, value in (
        (r"^(image:\n(?:  .*\n)*?  repository: )(\S+)$", repository),
        (r'^(image:\n(?:  .*\n)*?  digest: )("")$', digest),
    ):
        text, changed = re.subn(line, rf"\g<1>{value}", text, flags=re.MULTILINE)
        if changed != 1:
            raise ReleaseError(f"{path.name}: expected image.repository and an empty image.digest")
    path.write_text(text, encoding="utf-8")


def build(chart: Path, out: Path, source: Source) -> Path:
    """Packs the chart, and writes the layout beside it, as `chart.oci`. Helm must accept it. Raises ReleaseError."""
    about: dict[str, Any] = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    archive = out / f"{about['name']}-{about['version']}.tgz"
    try:
        content = _packed(chart, epoch=source.epoch)
        archive.write_bytes(content)
        helm.helm("lint", "--strict", str(archive))
    except helm.Refused as error:
        raise ReleaseError(f"Helm refuses {archive.name}: {error}") from None
    layout = Layout(out / "chart.oci")
    title = {
        "org.opencontainers.image.title": about["name"],
        "org.opencontainers.image.version": about["version"],
        "org.opencontainers.image.description": about["description"],
        "org.opencontainers.image.created": moment(source),
        "org.opencontainers.image.revision": source.commit,
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.add_json(about, CONFIG_TYPE).as_json(),
        "layers": [layout.add(content, CONTENT_TYPE).as_json()],
        "annotations": title,
    }
    layout.close(layout.add_json(manifest, MANIFEST, reference=about["version"]))
    return archive


def plain(chart: Path, out: Path, source: Source) -> list[Path]:
    """The manifests for `kubectl apply`, one for each scope."""
    made = []
    header = HEADER.replace("VERSION", source.version)
    for scope, name in PLAIN.items():
        path = out / name
        path.write_text(manifests.plain(scope, chart=chart, header=header), encoding="utf-8")
        made.append(path)
    return made


def _packed(chart: Path, *, epoch: int) -> bytes:
    """The archive that `helm package` makes, with the time of the commit in place of the time of packing."""
    with tempfile.TemporaryDirectory() as temporary:
        helm.helm("package", str(chart), "--destination", temporary)
        (made,) = Path(temporary).iterdir()
        with tarfile.open(made) as archive:
            files = {entry.name: content.read() for entry in archive if (content := archive.extractfile(entry))}
    return tar_gz(files, epoch=epoch)
