"""`python -m webhook issuer`: can Entra use the cluster's issuer? And the documents that it publishes."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ISSUER, ControlPlane
from testbed.cluster.kubeconfig import Access, render
from tests.commands.live import Ran, authority, endpoint, pair, run, write_authority
from webhook.entra import issuers
from webhook.entra.published import Fetched, addresses, fetch
from webhook.findings import Status, worst

DISCOVERY = ".well-known/openid-configuration"
KEYS = "openid/v1/jwks"
HOME = "https://issuer.example.com/prod"
MODULUS = base64.urlsafe_b64encode(b"\xc5" * 256).decode().rstrip("=")


def key(kid: str | None = "a", **changes: Any) -> dict[str, Any]:
    """A public RSA key of 2048 bits; None takes the id out."""
    made = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": MODULUS, "e": "AQAB", **changes}
    return {name: value for name, value in made.items() if value is not None}


@pytest.mark.parametrize(
    ("issuer", "problem"),
    [
        ("http://issuer.example.com", "is no https URL"),
        ("kubernetes/serviceaccount", "is no https URL"),
        ("https://issuer.example.com ", "is no https URL"),
        ("https://kubernetes.default.svc", "Entra can never reach"),
        ("https://kubernetes.default.svc.cluster.local", "Entra can never reach"),
        ("https://10.0.0.1:6443", "is a private address"),
        ("https://[fd00::1]", "is a private address"),
        ("https://localhost", "is a private address"),
        ("https://issuer.corp.internal/x", "is a private address"),
        ("https://issuer.example.com/?tenant=1", "has a query"),
        ("https://user:word@issuer.example.com/", "has a query, a fragment or a password"),
        ("https://issuer.example.com/" + "x" * 600, "Entra takes 600"),
    ],
)
def test_an_address_that_entra_cannot_reach_is_told_with_the_flag(issuer: str, problem: str) -> None:
    """Each has to do with kube-apiserver's --service-account-issuer."""
    found = issuers.address(issuer)
    assert found.status is Status.FAIL
    assert problem in found.detail
    assert "--service-account-issuer" in found.fix


@pytest.mark.parametrize(("issuer", "said"), [(f"{HOME}/", "ends with a slash"), (HOME, "has no slash at its end")])
def test_the_slash_at_the_end_is_told(issuer: str, said: str) -> None:
    """The classic mistake: the credential has to have it, too."""
    found = issuers.address(issuer)
    assert found.status is Status.OK
    assert said in found.detail


def test_a_name_with_private_addresses_only_is_told() -> None:
    """A name of the company's own network; one public address is enough."""
    assert issuers.private_address(HOME, ["10.1.2.3", "fd00::2"]) is not None
    assert issuers.private_address(HOME, ["10.1.2.3", "8.8.8.8"]) is None
    assert issuers.private_address(HOME, []) is None  # the fetch tells of that


def test_the_documents_are_looked_for_below_the_issuer_whatever_its_slash() -> None:
    """No double slash; keys that the document names below the issuer are looked for at the other place."""
    assert issuers.discovery_url(f"{HOME}/") == issuers.discovery_url(HOME) == f"{HOME}/{DISCOVERY}"
    assert issuers.keys_url(f"{HOME}/", f"{HOME}/{KEYS}", "https://stage.example.com/") == (
        f"https://stage.example.com/{KEYS}"
    )
    assert issuers.keys_url(HOME, "https://keys.example.com/k", "https://stage.example.com") == (
        "https://keys.example.com/k"
    )


@pytest.mark.parametrize(
    ("found", "how"),
    [
        (f"{HOME}/", "they differ in the slash at the end"),
        (HOME.replace("prod", "Prod"), "they differ in upper and lower case"),
        ("https://other.example.com", "names the issuer https://other.example.com"),
    ],
)
def test_another_issuer_in_public_is_told_with_the_difference(found: str, how: str) -> None:
    """Entra compares it letter by letter."""
    finding = issuers.public_issuer(HOME, {"issuer": found}, "https://x/y")
    assert finding.status is Status.FAIL
    assert how in finding.detail


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "does not say where the keys are"),
        ({"jwks_uri": "https://172.18.0.2:6443/openid/v1/jwks"}, "is a private address"),
        ({"jwks_uri": "http://issuer.example.com/jwks"}, "is no https URL"),
    ],
)
def test_keys_that_entra_cannot_fetch_are_told(document: dict[str, str], problem: str) -> None:
    """kube-apiserver's own document names its own address, unless it is told another."""
    finding = issuers.public_keys_address(document, "https://x/y")
    assert finding is not None
    assert problem in finding.detail


@pytest.mark.parametrize(
    ("keys", "status", "problem"),
    [
        ([], Status.FAIL, "has no keys"),
        ([key(str(number)) for number in range(101)], Status.FAIL, "Entra keeps the first 100"),
        ([key(None)], Status.FAIL, "has 1 without an id"),
        ([key("a"), key("a")], Status.FAIL, "has key a more than once"),
        ([key(d="secret")], Status.FAIL, "holds a PRIVATE key"),
        ([key(kty="EC", alg="ES256", n=None, e=None, crv="P-256", x="x", y="y")], Status.FAIL, "keys for ES256"),
        ([key("a"), key("b", alg="RS512")], Status.WARN, "keys for RS512"),
        ([key(n=base64.urlsafe_b64encode(b"\xc5" * 128).decode())], Status.WARN, "RSA key of 1024 bits"),
        ([key("a"), key("b", alg=None)], Status.OK, "has 2 keys, RS256"),
    ],
)
def test_keys_that_entra_cannot_use_are_told(keys: list[dict[str, Any]], status: Status, problem: str) -> None:
    """Number, ids, algorithm, length; and what must never be published."""
    found = [*issuers.keys(keys, "It")]
    assert worst(found) is status
    assert any(problem in finding.detail for finding in found)
    assert not any("secret" in finding.detail for finding in found)
    assert all(finding.fix for finding in found if finding.status is not Status.OK)


@pytest.mark.parametrize(
    ("public", "status", "problem"),
    [
        ([key("a")], Status.FAIL, "lacks key b"),
        ([key("a"), key("b", e="AQAC")], Status.FAIL, "another key of the id key b"),
        ([key("a"), key("b"), key("c")], Status.WARN, "key c, which the cluster has not"),
        ([key("b"), key("a", n=MODULUS + "==")], Status.OK, "has the cluster's keys"),
    ],
)
def test_published_keys_are_compared_with_the_clusters(
    public: list[dict[str, Any]], status: Status, problem: str
) -> None:
    """By id and content, however they are ordered and padded."""
    found = [*issuers.same_keys([key("a"), key("b")], public, "https://x/y")]
    assert worst(found) is status
    assert any(problem in finding.detail for finding in found)


@pytest.mark.parametrize(
    ("status", "problem", "fix"),
    [
        (403, "RBAC forbids it", "system:service-account-issuer-discovery"),
        (404, "its issuer is no https URL", "--service-account-issuer"),
        (500, "HTTP 500: etcd", "/readyz"),
    ],
)
def test_a_cluster_that_does_not_tell_its_issuer_is_told_of(status: int, problem: str, fix: str) -> None:
    """Each state has its own fix."""
    finding = issuers.unreadable(issuers.DISCOVERY, status, "HTTP 500: etcd")
    assert problem in finding.detail
    assert fix in finding.fix


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"issuer": ""}', b"[" * 100_000])
def test_what_is_no_discovery_document_is_refused(body: bytes) -> None:
    """A login page, a list, no issuer, rubbish."""
    with pytest.raises(issuers.NoDocument):
        issuers.read_discovery(body)


@pytest.mark.parametrize("body", [b"", b'{"keys": {}}', b'{"keys": ["a"]}'])
def test_what_is_no_key_set_is_refused(body: bytes) -> None:
    """Nothing, and keys that are none."""
    with pytest.raises(issuers.NoDocument):
        issuers.read_keys(body)


async def test_where_a_name_leads_is_looked_up() -> None:
    """The machine's own name for itself, and a name that nobody has."""
    assert set(await addresses("localhost")) <= {"127.0.0.1", "::1"}
    assert await addresses("localhost") != ()
    assert await addresses("no such host") == ()


async def test_only_https_is_fetched() -> None:
    """As Entra does."""
    assert (await fetch("http://127.0.0.1:1/")).problem == "it is no https URL"


def test_wrong_usage_is_told_all_at_once(tmp_path: Path) -> None:
    """Exit code 2, a line for each mistake."""
    done = run("issuer", "--from-url", "http://x")
    assert done.code == 2
    assert len(done.err.splitlines()) == 2
    file = tmp_path / "file"
    file.write_text("")
    assert "expected a folder" in run("issuer", "--export", str(file)).err


def test_a_cluster_that_is_away_is_told(tmp_path: Path) -> None:
    """One sentence and the exit code 1."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(render(Access("https://127.0.0.1:1", None, token="a")))
    done = run("issuer", "--kubeconfig", str(kubeconfig))
    assert done.code == 1
    assert "The API server cannot be reached" in done.finding("cluster")


def issuer(cluster: Cluster, *arguments: str, trust: Path | None = None) -> Ran:
    """The command against `cluster`; trust: whose certificates the public documents may have."""
    environ = {"KUBECONFIG": str(cluster.kubeconfig), **({"SSL_CERT_FILE": str(trust)} if trust else {})}
    return run("issuer", *arguments, environ=environ)


def test_an_export_that_names_an_unusable_issuer_is_told(control_plane: Cluster, tmp_path: Path) -> None:
    """The documents have the issuer of that moment in them, so kube-apiserver has to be told first."""
    done = issuer(control_plane, "--export", str(tmp_path))
    assert done.code == 1
    found = done.finding("export")
    assert "they name an issuer that Entra cannot use" in found
    assert "--service-account-issuer, and export again" in found


def test_an_issuer_of_the_clusters_own_is_told_and_not_asked(control_plane: Cluster) -> None:
    """What kubeadm and kind give a cluster: Entra can never reach it, so nothing is fetched."""
    done = issuer(control_plane, "-o", "json")
    assert done.code == 1
    assert done.json["issuer"] == ISSUER
    assert done.json["status"] == "fail"
    assert {finding["about"] for finding in done.json["findings"]} == {"address", "keys"}


@pytest.fixture(scope="module")
def published_cluster() -> Iterator[ControlPlane]:
    """A cluster whose issuer is an address of the internet, and that names its own for the keys, as is the default."""
    with ControlPlane(issuer=HOME, apiserver_flags=["--service-account-jwks-uri=https://192.0.2.1/keys"]) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def exported(published_cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `--export` wrote."""
    folder = tmp_path_factory.mktemp("exported") / "site"
    done = issuer(published_cluster, "--export", str(folder))
    assert done.code == 0, done.out
    assert f"publish both below {HOME}" in done.finding("export", "ok")
    return folder


@contextmanager
def site(folder: Path, tmp_path: Path, changes: Mapping[str, bytes | int] | None = None) -> Iterator[tuple[str, Path]]:
    """A web server with the files of `folder`, and a few of them changed; its URL and whom to trust for it."""
    signer = authority()

    def answer(path: str) -> tuple[int, bytes, Mapping[str, str]]:
        name = path.strip("/")
        content = (changes or {}).get(name)
        if isinstance(content, int):
            return content, b"", {"Location": "/elsewhere"}
        file = folder / name
        if content is None and not file.is_file():
            return 404, b"", {}
        return 200, file.read_bytes() if content is None else content, {"Content-Type": "application/json"}

    with endpoint(pair(signer), answer) as port:
        yield f"https://localhost:{port}", write_authority(tmp_path, signer)


@pytest.mark.cluster
@pytest.mark.xdist_group("issuer")
class TestPublished:
    """A cluster whose documents are published, here on loopback."""

    def test_what_is_exported_is_what_entra_needs(
        self, published_cluster: ControlPlane, exported: Path, tmp_path: Path
    ) -> None:
        """The round trip: served as they were written, all is well."""
        with site(exported, tmp_path) as (url, trust):
            done = issuer(published_cluster, "--from-url", url, trust=trust)
        assert done.code == 0, done.out + done.err
        assert "All is well." in done.out
        assert "names the cluster's issuer" in done.finding("discovery", "ok")
        assert done.out.count("ok    keys") == 3

    def test_the_export_names_where_the_keys_will_be(self, published_cluster: ControlPlane, exported: Path) -> None:
        """Below the issuer, whatever kube-apiserver's own document says; the keys are the cluster's."""
        document = json.loads((exported / DISCOVERY).read_text())
        assert (document["issuer"], document["jwks_uri"]) == (HOME, f"{HOME}/{KEYS}")
        own = published_cluster.api.get(f"/{KEYS}").expect().json
        assert json.loads((exported / KEYS).read_text())["keys"] == own["keys"]

    @pytest.mark.parametrize(
        ("changes", "about", "problem"),
        [
            ({DISCOVERY: 404}, "discovery", "HTTP 404"),
            ({DISCOVERY: b"<html>"}, "discovery", "it is no JSON"),
            ({KEYS: 403}, "keys", "HTTP 403"),
            ({KEYS: b'{"keys": "none"}'}, "keys", "it has no list of keys"),
            ({DISCOVERY: b" " * 2_000_000}, "discovery", "larger than"),
        ],
    )
    def test_documents_that_are_not_there_are_told(
        self,
        published_cluster: ControlPlane,
        exported: Path,
        tmp_path: Path,
        changes: dict[str, bytes | int],
        about: str,
        problem: str,
    ) -> None:
        """With the command that writes them."""
        with site(exported, tmp_path, changes) as (url, trust):
            done = issuer(published_cluster, "--from-url", url, trust=trust)
        assert done.code == 1
        found = done.finding(about)
        assert problem in found
        assert "issuer --export DIR" in found

    def test_keys_of_before_the_signing_key_changed_are_told(
        self, published_cluster: ControlPlane, exported: Path, tmp_path: Path
    ) -> None:
        """The cluster signs with a key that nobody can find."""
        stale = json.dumps({"keys": [key("old")]}).encode()
        with site(exported, tmp_path, {KEYS: stale}) as (url, trust):
            done = issuer(published_cluster, "--from-url", url, trust=trust)
        assert done.code == 1
        assert "Entra refuses every token" in done.finding("keys")
        assert "key old, which the cluster has not" in done.finding("keys", "warn")

    def test_a_redirection_is_followed_and_told(
        self, published_cluster: ControlPlane, exported: Path, tmp_path: Path
    ) -> None:
        """It may work; somebody should look at it."""
        changes: dict[str, bytes | int] = {DISCOVERY: 302, "elsewhere": (exported / DISCOVERY).read_bytes()}
        with site(exported, tmp_path, changes) as (url, trust):
            done = issuer(published_cluster, "--from-url", url, trust=trust)
        assert done.code == 0
        assert "it is not documented that Entra follows" in done.finding("discovery", "warn")

    def test_a_certificate_that_nobody_trusts_is_told(
        self, published_cluster: ControlPlane, exported: Path, tmp_path: Path
    ) -> None:
        """Entra does not trust it either."""
        with site(exported, tmp_path) as (url, _):
            done = issuer(published_cluster, "--from-url", url)
        assert done.code == 1
        assert "its certificate is not trusted" in done.finding("discovery")

    def test_nobody_there_is_told(self, published_cluster: ControlPlane) -> None:
        """With the cause."""
        done = issuer(published_cluster, "--from-url", "https://127.0.0.1:1")
        assert "refused" in done.finding("discovery").lower()

    @pytest.mark.parametrize(
        ("found", "problem"),
        [(("10.1.2.3", "fd00::2"), "has private addresses only (10.1.2.3, fd00::2)"), ((), "HTTP 418")],
    )
    def test_without_a_url_the_issuer_itself_is_asked(
        self,
        published_cluster: ControlPlane,
        monkeypatch: pytest.MonkeyPatch,
        found: tuple[str, ...],
        problem: str,
    ) -> None:
        """Unless its name leads to private addresses only: Entra asks from outside."""
        asked: list[str] = []

        async def addresses(host: str) -> tuple[str, ...]:
            assert host == "issuer.example.com"
            return found

        async def fetch(url: str) -> Fetched:
            asked.append(url)
            return Fetched(problem="HTTP 418")

        monkeypatch.setattr("webhook.commands.issuer.addresses", addresses)
        monkeypatch.setattr("webhook.commands.issuer.fetch", fetch)
        done = issuer(published_cluster)
        assert done.code == 1
        assert problem in done.out
        assert asked == ([] if found else [f"{HOME}/{DISCOVERY}"])

    def test_a_folder_that_cannot_be_written_is_wrong_usage(
        self, published_cluster: ControlPlane, tmp_path: Path
    ) -> None:
        """A file stands where a folder has to be."""
        (tmp_path / ".well-known").write_text("")
        done = issuer(published_cluster, "--export", str(tmp_path))
        assert done.code == 2
        assert "which cannot be written" in done.err
