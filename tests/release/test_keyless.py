"""The keyless form of docs/verify.md accepts the workflow of the tag, and no other; the authority is a stand-in."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from testbed.registry.isolated_network import IsolatedNetwork
from tests.release.fulcio import GITHUB, Fulcio
from tests.release.keys import Keys
from tests.release.test_registry import push
from tests.release.test_signatures import PAGE, Done, refuses
from tools.release.sign import Signer, sign

pytestmark = [pytest.mark.release, pytest.mark.slow, pytest.mark.usefixtures("_password")]

REPOSITORY = "https://github.com/OWNER/m365-workload-identity"
WORKFLOW = f"{REPOSITORY}/.github/workflows/release.yml"
OURS = f"{WORKFLOW}@refs/tags/v0.1.0"
OTHERS = {
    "another tag": f"{WORKFLOW}@refs/tags/v0.1.1",
    "a branch": f"{WORKFLOW}@refs/heads/main",
    "another workflow": f"{REPOSITORY}/.github/workflows/ci.yml@refs/tags/v0.1.0",
    "a fork": OURS.replace("OWNER", "STRANGER"),
}
# The stand-in has neither a log of signatures nor one of certificates.
WITHOUT_LOGS = "--insecure-ignore-tlog --insecure-ignore-sct"


@pytest.fixture(scope="module")
def fulcio(tmp_path_factory: pytest.TempPathFactory) -> Fulcio:
    """The authority that cosign is told to trust."""
    return Fulcio(tmp_path_factory.mktemp("fulcio"))


def blocks() -> str:
    """The page's commands."""
    return "".join(re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def accepted(fulcio: Fulcio) -> list[str]:
    """The options by which the page accepts a signature, as they stand there."""
    (found,) = re.findall(r'^SIGNED_BY="(.*)"$', blocks(), re.MULTILINE)
    return [*shlex.split(found.replace("$VERSION", "0.1.0")), "--trusted-root", str(fulcio.trusted_root)]


def test_the_commands_of_the_page_run_as_they_stand(
    isle: IsolatedNetwork, signed: Path, keys: Keys, fulcio: Fulcio, tmp_path: Path
) -> None:
    """Image, chart, files, SBOM and provenance; without a network, as the page says, with the file of trusted roots."""
    folder = shutil.copytree(signed, tmp_path / "downloads")
    certificate = fulcio.certify(keys.public, OURS)
    sign(folder, str(keys.ours), ("--certificate", str(certificate), "--trusted-root", str(fulcio.trusted_root)))
    push(isle, folder, "team")
    more = f"--trusted-root {fulcio.trusted_root} {WITHOUT_LOGS}"
    script = re.sub(r'^(SIGNED_BY=".*)"$', rf'\1 {more}"', blocks(), flags=re.MULTILINE)
    done = isle.run("sh", "-euxc", script, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("Verified OK") == 4


@pytest.mark.parametrize("other", OTHERS)
def test_signatures_of_others_are_refused(
    isle: IsolatedNetwork, keys: Keys, fulcio: Fulcio, tmp_path: Path, other: str
) -> None:
    """Whatever else GitHub runs, and Sigstore certifies."""
    done = verified(isle, keys, fulcio, tmp_path, OTHERS[other])
    refuses(done, "no matching CertificateIdentity found")


def test_another_issuer_is_refused(isle: IsolatedNetwork, keys: Keys, fulcio: Fulcio, tmp_path: Path) -> None:
    """It may write any identity into its tokens."""
    done = verified(isle, keys, fulcio, tmp_path, OURS, issuer="https://issuer.example.com")
    refuses(done, "no matching CertificateIdentity found")


def verified(
    isle: IsolatedNetwork, keys: Keys, fulcio: Fulcio, folder: Path, identity: str, issuer: str = GITHUB
) -> Done:
    """`cosign verify-blob` of a file that somebody signed, by the page's options."""
    path = folder / "file"
    path.write_text("a file\n")
    certificate = fulcio.certify(keys.public, identity, issuer)
    options = ("--certificate", str(certificate), "--trusted-root", str(fulcio.trusted_root))
    Signer(str(keys.ours), folder, options).file(path)
    bundle: list[str | Path] = ["--bundle", path.with_name("file.sigstore.json")]
    return isle.run("cosign", "verify-blob", *accepted(fulcio), *WITHOUT_LOGS.split(), *bundle, path)


def test_the_pattern_for_any_version_fits_tags_of_versions_only() -> None:
    """It fits every tag of a version, and nothing else."""
    (pattern,) = re.findall(r"--certificate-identity-regexp '([^']+)'", PAGE.read_text())
    assert re.search(pattern, OURS)
    assert re.search(pattern, OTHERS["another tag"])
    wrong = [identity for name, identity in OTHERS.items() if name != "another tag"]
    wrong += [f"{OURS}-rc1", f"https://example.com/{OURS}", OURS.replace("release.yml", "releasexyml")]
    assert [identity for identity in wrong if re.search(pattern, identity)] == []
