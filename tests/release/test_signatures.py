"""What is signed is verified by the commands of docs/verify.md, and what was tampered with is refused."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from testbed.registry.isolated_network import NAME, IsolatedNetwork
from tests.release import small
from tests.release.keys import Keys
from tests.release.test_registry import CHART, IMAGE, push
from tools.release.oci import Layout
from tools.release.push import referrer, statement_in
from tools.release.sign import main, sign

pytestmark = [pytest.mark.release, pytest.mark.slow]

PAGE = Path(__file__).parents[2] / "docs" / "verify.md"
Done = subprocess.CompletedProcess[str]
Tampered = Callable[[], "Registry"]


class Registry:
    """A release in a registry of its own, and cosign with our public key."""

    def __init__(self, isle: IsolatedNetwork, dist: Path, name: str, public: Path) -> None:
        self.isle, self.dist, self.name = isle, dist, name
        self._by: list[str | Path] = ["--key", public, "--insecure-ignore-tlog"]
        push(isle, dist, name)

    @property
    def image(self) -> str:
        return f"{NAME}/{self.name}/{IMAGE}"

    @property
    def digest(self) -> str:
        return Layout(self.dist / "image.oci").root.digest

    def verify(self, reference: str = "") -> Done:
        return self.isle.run("cosign", "verify", *self._by, reference or f"{self.image}@{self.digest}")

    def file(self, name: str) -> Done:
        bundle = ["--bundle", f"{name}.sigstore.json"]
        return self.isle.run("cosign", "verify-blob", *self._by, *bundle, name, cwd=self.dist)

    def sums(self) -> Done:
        return self.isle.run("sha256sum", "--check", "--ignore-missing", "--quiet", "SHA256SUMS", cwd=self.dist)

    def attach(self, bundle: bytes) -> None:
        """Puts a bundle beside the image, whatever it is about."""
        with TemporaryDirectory() as folder:
            written = referrer(Path(folder), Layout(self.dist / "image.oci").root, bundle)
            done = self.isle.run("crane", "push", folder, f"{self.image}@{written.digest}")
        assert done.returncode == 0, done.stderr

    def attested(self, kind: str) -> Done:
        reference = f"{self.image}@{self.digest}"
        return self.isle.run("cosign", "verify-attestation", *self._by, "--type", kind, reference)


@pytest.fixture(scope="module")
def registry(isle: IsolatedNetwork, signed: Path, keys: Keys) -> Registry:
    """The release as it was signed. No test changes it."""
    return Registry(isle, signed, "right", keys.public)


@pytest.fixture
def copy(signed: Path, tmp_path: Path) -> Path:
    """The release in a folder that a test may tamper with."""
    return shutil.copytree(signed, tmp_path / "release")


@pytest.fixture
def tampered(isle: IsolatedNetwork, keys: Keys, copy: Path, request: pytest.FixtureRequest) -> Tampered:
    """Pushes the copy."""
    name = re.sub(r"\W+", "-", request.node.name).strip("-").lower()
    return lambda: Registry(isle, copy, name, keys.public)


def refuses(done: Done, what: str) -> None:
    """It failed and said so, in words that the page has."""
    assert done.returncode != 0, done.stdout
    assert what in done.stderr + done.stdout
    assert f"`{what}`" in PAGE.read_text(), f"docs/verify.md does not say {what}"


def with_statement(bundle: bytes, changes: dict[str, object]) -> bytes:
    """The bundle, with changes in its statement under the signature that is there."""
    document = json.loads(bundle)
    changed = json.dumps(statement_in(bundle) | changes).encode()
    document["dsseEnvelope"]["payload"] = base64.b64encode(changed).decode()
    return json.dumps(document).encode()


def test_the_commands_of_the_page_run(isle: IsolatedNetwork, signed: Path, keys: Keys, tmp_path: Path) -> None:
    """All of them, in order, with a key in place of the workflow; on a network from which no route leads out."""
    push(isle, signed, "team")
    folder = shutil.copytree(signed, tmp_path / "downloads")
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    key = f'SIGNED_BY="--key {keys.public} --insecure-ignore-tlog"'
    script, replaced = re.subn(r"^SIGNED_BY=.*$", key, "".join(blocks), flags=re.MULTILINE)
    assert replaced == 1
    done = isle.run("sh", "-euxc", script, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((folder / "image.cdx.json").read_text())["bomFormat"] == "CycloneDX"
    assert done.stderr.count("Verified OK") == 4


def test_each_platform_and_the_chart_are_verified(registry: Registry) -> None:
    """Not only the index: a cluster may pin the manifest of its platform."""
    for layout, repository in (("image.oci", IMAGE), ("chart.oci", CHART)):
        for manifest in Layout(registry.dist / layout).manifests():
            done = registry.verify(f"{NAME}/right/{repository}@{manifest.digest}")
            assert done.returncode == 0, done.stderr


def test_the_attestations_are_the_sbom_and_the_provenance(registry: Registry) -> None:
    """The index has the SBOM of each platform; what was verified is what make release wrote."""
    boms = [json.loads(line) for line in registry.attested("cyclonedx").stdout.splitlines()]
    assert len(boms) == len(small.PLATFORMS)
    (line,) = registry.attested("slsaprovenance1").stdout.splitlines()
    found = json.loads(base64.b64decode(json.loads(line)["payload"]))
    written = registry.dist / "provenance/image.oci.intoto.json"
    assert found["predicate"] == json.loads(written.read_text())["predicate"]
    assert found["subject"] == [{"digest": {"sha256": registry.digest.partition(":")[2]}}]


def test_a_moved_tag_is_refused(registry: Registry, tmp_path: Path) -> None:
    """An attacker pushes another image under our tag. Our image still verifies by its digest."""
    theirs = tmp_path / "theirs.oci"
    Layout(theirs).close(small.an_image(Layout(theirs), "linux/riscv64"))
    moved = f"{registry.image}:moved"
    assert registry.isle.run("crane", "push", theirs, moved).returncode == 0
    refuses(registry.verify(moved), "no signatures found")
    assert registry.verify().returncode == 0


def test_our_signature_beside_another_image_is_refused(tampered: Tampered, copy: Path) -> None:
    """It is about another digest; and if that is changed in it, it is not our signature."""
    shutil.rmtree(copy / "image.oci")
    Layout(copy / "image.oci").close(small.an_image(Layout(copy / "image.oci"), "linux/riscv64"))
    theirs = Layout(copy / "image.oci").root
    genuine = (copy / "attestations/image.signature.sigstore.json").read_bytes()
    registry = tampered()
    registry.attach(genuine)
    refuses(registry.verify(), "provided artifact digest does not match any digest in statement")
    registry.attach(with_statement(genuine, {"subject": [{"digest": {"sha256": theirs.hexadecimal}}]}))
    refuses(registry.verify(), "accepted signatures do not match threshold")


@pytest.mark.usefixtures("_password")
def test_what_another_key_has_signed_is_refused(tampered: Tampered, copy: Path, keys: Keys) -> None:
    """A stranger signs everything anew, image and files."""
    sign(copy, str(keys.strangers))
    registry = tampered()
    refuses(registry.verify(), "accepted signatures do not match threshold")
    refuses(registry.attested("cyclonedx"), "accepted signatures do not match threshold")
    refuses(registry.file("SHA256SUMS"), "invalid signature")


def test_removed_signatures_are_noticed(tampered: Tampered, copy: Path) -> None:
    """The image alone is in the registry."""
    shutil.rmtree(copy / "attestations")
    refuses(tampered().verify(), "no signatures found")


def test_a_removed_signature_leaves_the_sbom(tampered: Tampered, copy: Path) -> None:
    """As the page says: cosign verify accepts any statement that we signed, so each kind has to be asked for."""
    for path in (copy / "attestations").glob("*"):
        if ".sbom" not in path.name:
            path.unlink()
    registry = tampered()
    assert registry.verify().returncode == 0
    assert registry.attested("cyclonedx").returncode == 0
    refuses(registry.attested("slsaprovenance1"), "none of the attestations matched the predicate type")


def test_an_exchanged_sbom_is_refused(tampered: Tampered, copy: Path) -> None:
    """Another one under our signature, in the registry and in the folder."""
    attestations = copy / "attestations"
    genuine = next(attestations.glob("image.sbom-*")).read_bytes()
    shutil.rmtree(attestations)
    (copy / "sbom/image-linux-amd64.cdx.json").write_text("{}")
    registry = tampered()
    registry.attach(with_statement(genuine, {"predicate": {"bomFormat": "CycloneDX", "components": []}, "more": 1}))
    refuses(registry.attested("cyclonedx"), "accepted signatures do not match threshold")
    refuses(registry.sums(), "FAILED")


def test_a_removed_sbom(tampered: Tampered, copy: Path) -> None:
    """The signature is still there."""
    for path in (copy / "attestations").glob("*.sbom*"):
        path.unlink()
    registry = tampered()
    assert registry.verify().returncode == 0
    refuses(registry.attested("cyclonedx"), "none of the attestations matched the predicate type")


@pytest.mark.parametrize("command", ["validate", "pull"])
def test_a_layer_that_the_registry_changed_is_refused(registry: Registry, tmp_path: Path, command: str) -> None:
    """The signature is about the manifest, and that about the layer: whoever reads the layer notices."""
    layout = registry.dist / "image.oci"
    layer = Layout(layout).read(Layout(layout).manifests()[1])["layers"][0]["digest"].partition(":")[2]
    content = (layout / "blobs/sha256" / layer).read_bytes()
    options = ["--remote"] if command == "validate" else ["--platform", "linux/amd64"]
    where = [] if command == "validate" else [tmp_path / "pulled.tar"]
    with registry.isle.registry.lying(content, bytes([*content[:4], 1, *content[5:]])):  # the time in gzip's header
        assert registry.verify().returncode == 0
        reference = f"{registry.image}@{registry.digest}"
        refuses(registry.isle.run("crane", command, *options, reference, *where), "error verifying sha256 checksum")


def test_a_manifest_that_the_registry_changed_is_refused(registry: Registry) -> None:
    """The registry gives out another content under our digest."""
    content = (registry.dist / "image.oci/blobs/sha256" / registry.digest.partition(":")[2]).read_bytes()
    with registry.isle.registry.lying(content, content.replace(b"arm64", b"arm46")):
        reference = f"{registry.image}@{registry.digest}"
        refuses(registry.isle.run("crane", "manifest", reference), "manifest digest")


@pytest.mark.parametrize("name", ["m365wi-0.1.0-py3-none-any.whl", "m365-workload-identity-0.1.0.tgz", "install.yaml"])
def test_a_file_that_changed_is_refused(tampered: Tampered, copy: Path, name: str) -> None:
    """Both its own signature and the list notice."""
    (copy / name).write_bytes((copy / name).read_bytes() + b"\n")
    registry = tampered()
    refuses(registry.file(name), "invalid signature")
    refuses(registry.sums(), "FAILED")
    assert registry.file("SHA256SUMS").returncode == 0


def test_a_changed_list_of_checksums(tampered: Tampered, copy: Path) -> None:
    """A wheel with a checksum that fits it: then the list is not ours."""
    (copy / "m365wi-0.1.0-py3-none-any.whl").write_bytes(b"another wheel")
    for path in copy.rglob("*.sigstore.json"):
        path.rename(copy.parent / path.name)
    (copy / "cosign.pub").unlink()
    (copy / "SHA256SUMS").unlink()
    small.sums(copy)
    (copy.parent / "SHA256SUMS.sigstore.json").rename(copy / "SHA256SUMS.sigstore.json")
    registry = tampered()
    assert registry.sums().returncode == 0
    refuses(registry.file("SHA256SUMS"), "invalid signature")


def test_every_row_of_the_page_was_seen() -> None:
    """What the table says is what a test above asks for."""
    table = PAGE.read_text().partition("## If something was changed")[2]

    told = set(re.findall(r"\| `([^`]+)` \|$", table, re.MULTILINE))
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    asked = set(re.findall(r'refuses\(.*, "([^"]+)"\)', tests))
    assert told == asked | {"failed precondition"}  # by containerd: test_node.py


@pytest.mark.usefixtures("_password")
def test_signed_again_by_another_key_nothing_of_the_first_remains(copy: Path, keys: Keys) -> None:
    """Every file, also one that is not signed any more."""
    old = {path: path.read_bytes() for path in copy.rglob("*.sigstore.json")}
    gone = copy / "attestations" / "gone.sigstore.json"
    gone.write_text("{}")
    sign(copy, str(keys.strangers))
    assert not gone.exists()
    assert {path for path, content in old.items() if path.read_bytes() == content} == set()
    assert (copy / "cosign.pub").read_text() == keys.strangers.with_suffix(".pub").read_text()


@pytest.mark.parametrize(("key", "options"), [("", []), ("cosign.key", ["--keyless"])])
def test_who_signs_must_be_said(
    key: str, options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keyless signing publishes something for good, so it is never the default."""
    monkeypatch.setenv("COSIGN_KEY", key)
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert "set COSIGN_KEY to a key (cosign generate-key-pair), or give --keyless; not both" in capsys.readouterr().err
