"""Folders of authorities, and SSL_CERT_DIR: they count as they do for requests, OpenSSL and Go."""

import datetime as dt
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from m365_identity import SettingsError, UnreachableError
from m365_identity._network.trusted_authorities import VARIABLES, authorities
from testbed.entra import running
from tests.authorities import make_authority
from tests.helper.support import SCOPE, Flavour, Pod
from tests.helper.test_network import PROXIES, trusting


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither proxies nor authorities from outside."""
    for name in (*PROXIES, *VARIABLES, "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def hashed(folder: Path, pem: Path) -> Path:
    """As `openssl rehash` makes it: a certificate, and a link to it by the hash of its subject."""
    folder.mkdir(exist_ok=True)
    (folder / "own.pem").write_bytes(pem.read_bytes())
    (folder / f"{_hash(pem)}.0").symlink_to("own.pem")
    return folder


def _hash(pem: Path) -> str:
    """The hash by which OpenSSL looks for a subject: of its parts in small letters, without what goes around them."""
    subject = x509.load_pem_x509_certificates(pem.read_bytes())[0].subject
    parts = (x509.NameAttribute(part.oid, str(part.value).lower()) for part in subject)
    encoded = x509.Name([x509.RelativeDistinguishedName([part]) for part in parts]).public_bytes()
    assert encoded[1] < 128  # so the length takes one byte
    return hashlib.sha1(encoded[2:], usedforsecurity=False).digest()[3::-1].hex()


def plain(folder: Path, pem: Path) -> Path:
    """Certificates under any names, with something else beside them, as Go reads a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "README").write_text("Our authorities.\n")
    (folder / "broken.0").symlink_to("nowhere")
    (folder / "folder").mkdir()
    (folder / "own.crt").write_bytes(pem.read_bytes())
    return folder


FOLDERS: tuple[Callable[[Path, Path], Path], ...] = (hashed, plain)


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("make", FOLDERS)
def test_a_variable_may_name_a_folder(
    pod: Pod, kind: Flavour, tmp_path: Path, variable: str, make: Callable[[Path, Path], Path]
) -> None:
    """As for requests and azure-identity, and as images do with /etc/ssl/certs."""
    pod.federate()
    folder = make(tmp_path / "authorities", pod.entra.ca_file)
    with pod.credential(kind, environ=trusting(pod, **{variable: str(folder)})) as get:
        assert get(SCOPE).token


@pytest.mark.parametrize("make", FOLDERS)
def test_ssl_cert_dir_counts(pod: Pod, kind: Flavour, tmp_path: Path, make: Callable[[Path, Path], Path]) -> None:
    """Alone, next to SSL_CERT_FILE, and as one of several folders, of which one is not there."""
    pod.federate()
    folder = make(tmp_path / "authorities", pod.entra.ca_file)
    other = tmp_path / "other.pem"
    other.write_text(make_authority(now=dt.datetime.now(dt.UTC), lifetime=dt.timedelta(days=1)).pem)
    for variables in (
        {"SSL_CERT_DIR": str(folder)},
        {"SSL_CERT_DIR": f"/nowhere:{folder}"},
        {"SSL_CERT_DIR": str(folder), "SSL_CERT_FILE": str(other)},
    ):
        with pod.credential(kind, environ=trusting(pod, **variables)) as get:
            assert get(SCOPE).token


def test_ssl_cert_dir_adds_to_the_usual_authorities(pod: Pod, tmp_path: Path) -> None:
    """And nothing takes the usual ones away."""
    folder = plain(tmp_path / "authorities", pod.entra.ca_file)
    context = authorities({"SSL_CERT_DIR": str(folder)})
    assert context is not None
    names = [str(certificate["subject"]) for certificate in context.get_ca_certs()]
    assert len(names) > 50
    assert any("testbed.entra" in name for name in names)


def test_what_requests_reads_comes_without_ssl_cert_dir(pod: Pod, kind: Flavour, tmp_path: Path) -> None:
    """REQUESTS_CA_BUNDLE replaces everything, for requests, and so it does here."""
    folder = plain(tmp_path / "authorities", pod.entra.ca_file)
    with running(directory=tmp_path) as other:
        variables = {"SSL_CERT_DIR": str(folder), "REQUESTS_CA_BUNDLE": str(other.ca_file)}
        error = pod.fails(kind, environ=trusting(pod, **variables))
    assert isinstance(error, UnreachableError)
    assert "certificate is not trusted" in str(error)


def test_a_folder_without_certificates_trusts_nobody(pod: Pod, kind: Flavour, tmp_path: Path) -> None:
    """It is not an error of the variable: OpenSSL looks into a folder when it needs one. No others are trusted."""
    folder = tmp_path / "empty"
    folder.mkdir()
    error = pod.fails(kind, environ=trusting(pod, REQUESTS_CA_BUNDLE=str(folder)))
    assert isinstance(error, UnreachableError)
    assert "certificate is not trusted" in str(error)
    context = authorities({"REQUESTS_CA_BUNDLE": str(folder)})
    assert context is not None
    assert context.get_ca_certs() == []
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_folder_of_debian_is_read_once_for_each_certificate(tmp_path: Path, pod: Pod) -> None:
    """Its certificates have links by hash, which OpenSSL follows when it needs them; the rest is read."""
    folder = hashed(tmp_path / "authorities", pod.entra.ca_file)
    context = authorities({"REQUESTS_CA_BUNDLE": str(folder)})
    assert context is not None
    assert context.get_ca_certs() == []
    other = make_authority(now=dt.datetime.now(dt.UTC), lifetime=dt.timedelta(days=1)).pem
    (folder / "ca-certificates.crt").write_text(pod.entra.ca_file.read_text() + other)
    context = authorities({"REQUESTS_CA_BUNDLE": str(folder)})
    assert context is not None
    assert len(context.get_ca_certs()) == len(
        x509.load_pem_x509_certificates((folder / "ca-certificates.crt").read_bytes())
    )


def test_a_folder_that_cannot_be_read_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With its variable."""

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(SettingsError, match=r"SSL_CERT_FILE.*cannot be read \(Permission denied\)"):
        authorities({"SSL_CERT_FILE": str(tmp_path)})
