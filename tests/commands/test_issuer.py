"""`python -m webhook issuer`: can Entra use the cluster's issuer? And the documents that it publishes."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.cluster.cluster import Cluster
from testbed.cluster.control_plane import ISSUER, ControlPlane
from testbed.cluster.kubeconfig import Access, render
from testbed.cluster.pods import make_account
from tests.commands.live import Ran, authority, endpoint, pair, run, write_authority
from tests.entra.support import DISCOVERY, HOME, KEYS, key
from webhook.entra.published import Fetched


def test_all_wrong_usage_is_reported_at_once(tmp_path: Path) -> None:
    """Exit code 2, a line for each mistake."""
    done = run("issuer", "--from-url", "http://x")
    assert done.code == 2
    assert len(done.err.splitlines()) == 2
    file = tmp_path / "file"
    file.write_text("")
    assert "expected a folder" in run("issuer", "--export", str(file)).err


def test_a_cluster_that_is_away_is_reported(tmp_path: Path) -> None:
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


def test_an_export_that_names_an_unusable_issuer_is_reported(control_plane: Cluster, tmp_path: Path) -> None:
    """The documents have the issuer of that moment in them, so kube-apiserver must be changed first."""
    done = issuer(control_plane, "--export", str(tmp_path))
    assert done.code == 1
    found = done.finding("export")
    assert "they name an issuer that Entra cannot use" in found
    assert "--service-account-issuer, and export again" in found


def test_the_clusters_own_name_is_reported_and_not_fetched(control_plane: Cluster) -> None:
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
    """A web server with the files of `folder`, a few of them changed; its URL, and the authority to trust for it."""
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
            ({DISCOVERY: b"<html>"}, "discovery", "it is not JSON"),
            ({KEYS: 403}, "keys", "HTTP 403"),
            ({KEYS: b'{"keys": "none"}'}, "keys", "it has no list of keys"),
            ({DISCOVERY: b" " * 2_000_000}, "discovery", "larger than"),
        ],
    )
    def test_missing_documents_are_reported(
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
        assert "m365wi issuer --export DIR" in found

    def test_keys_from_before_a_change_are_reported(
        self, published_cluster: ControlPlane, exported: Path, tmp_path: Path
    ) -> None:
        """The cluster signs with a key that is not published."""
        stale = json.dumps({"keys": [key("old")]}).encode()
        with site(exported, tmp_path, {KEYS: stale}) as (url, trust):
            done = issuer(published_cluster, "--from-url", url, trust=trust)
        assert done.code == 1
        assert "Entra refuses every token" in done.finding("keys")
        assert "key old, which the cluster does not have" in done.finding("keys", "warn")

    def test_a_redirection_is_followed_and_reported(
        self, published_cluster: ControlPlane, exported: Path, tmp_path: Path
    ) -> None:
        """It may work; somebody should look at it."""
        changes: dict[str, bytes | int] = {DISCOVERY: 302, "elsewhere": (exported / DISCOVERY).read_bytes()}
        with site(exported, tmp_path, changes) as (url, trust):
            done = issuer(published_cluster, "--from-url", url, trust=trust)
        assert done.code == 0
        assert "it is not documented that Entra follows" in done.finding("discovery", "warn")

    def test_an_untrusted_certificate_is_reported(
        self, published_cluster: ControlPlane, exported: Path, tmp_path: Path
    ) -> None:
        """Entra does not trust it either."""
        with site(exported, tmp_path) as (url, _):
            done = issuer(published_cluster, "--from-url", url)
        assert done.code == 1
        assert "its certificate is not trusted" in done.finding("discovery")

    def test_a_closed_port_is_reported(self, published_cluster: ControlPlane) -> None:
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

        monkeypatch.setattr("webhook.entra.public_documents.addresses", addresses)
        monkeypatch.setattr("webhook.entra.public_documents.fetch", fetch)
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

    @pytest.mark.parametrize("published", [True, False])
    def test_fic_leaves_nothing_to_a_shell_until_the_issuer_is_published(
        self,
        published_cluster: ControlPlane,
        exported: Path,
        monkeypatch: pytest.MonkeyPatch,
        published: bool,
    ) -> None:
        """It looks as `issuer` does, unless it is told not to; what is wrong is said with its fix."""
        namespace = published_cluster.create_namespace()
        make_account(published_cluster, namespace)

        async def addresses(_: str) -> tuple[str, ...]:
            return ()

        async def fetch(url: str) -> Fetched:
            file = exported / url.removeprefix(f"{HOME}/")
            return Fetched(file.read_bytes()) if published else Fetched(problem="the host does not exist")

        monkeypatch.setattr("webhook.entra.public_documents.addresses", addresses)
        monkeypatch.setattr("webhook.entra.public_documents.fetch", fetch)
        command = ("fic", "-n", namespace, "--service-account", "terraform")
        environ = {"KUBECONFIG": str(published_cluster.kubeconfig)}
        done, unseen = run(*command, environ=environ), run(*command, "--no-lookup", environ=environ)
        assert unseen.code == 0
        assert unseen.out.startswith("az ad app federated-credential create")
        if published:
            assert (done.code, done.out, done.err) == (0, unseen.out, "")
        else:
            assert done.code == 1
            assert all(line.startswith("# ") for line in done.out.splitlines())
            assert "cannot be fetched: the host does not exist" in done.err
            assert "`m365wi issuer --export DIR` writes them" in done.err
