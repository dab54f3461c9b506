"""`python -m testbed.entra` as people and pods run it."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from certs.authority import make_leaf
from certs.pem import bundle_pem, private_pem
from testbed.entra import Entra, Issuer, Listening, running
from testbed.entra.client import SUBJECT, Client
from testbed.entra.configuration import ConfigurationError, read
from tests.authorities import make_authority

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
TENANT = "aaaaaaaa-2222-4333-8444-555555555555"
OTHER_TENANT = "bbbbbbbb-2222-4333-8444-555555555555"
CLIENT = "cccccccc-2222-4333-8444-555555555555"


class Command:
    """A running command and what it printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.address: dict[str, str] = {}
        for _ in range(5):
            name, _, value = self.line().partition(" ")
            self.address[name] = value.strip()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def rest(self) -> list[str]:
        """The other lines, once the command has ended by SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=60)
        return output.splitlines()


@contextlib.contextmanager
def command(*arguments: str) -> Iterator[Command]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "testbed.entra", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        try:
            yield Command(process)
        finally:
            process.kill()


def session(ca_file: str) -> requests.Session:
    plain = requests.Session()
    plain.trust_env = False
    plain.verify = ca_file
    return plain


def test_what_it_prints_can_be_used(tmp_path: Path) -> None:
    """Addresses, an environment, and a curl line whose fields get a token; SIGTERM ends it with 0 and cleans up."""
    with command("--directory", str(tmp_path)) as emulator:
        lines = [emulator.line() for _ in range(14)]
        exports = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
        assert exports["AZURE_AUTHORITY_HOST"] == emulator.address["login"]
        assert exports["SSL_CERT_FILE"] == emulator.address["CA"] == str(tmp_path / "ca.pem")
        (curl,) = (shlex.split(line) for line in lines if line.startswith("curl "))
        form = dict(word.split("=", 1) for flag, word in itertools.pairwise(curl) if flag == "-d")
        form["client_assertion"] = Path(exports["AZURE_FEDERATED_TOKEN_FILE"]).read_text()
        with session(emulator.address["CA"]) as plain:
            token = plain.post(curl[-1], data=form, timeout=60).json()["access_token"]
            url = f"{emulator.address['graph']}/v1.0/organization"
            assert plain.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60).ok
        for_az = [emulator.line() for _ in range(7)]
        assert [line.split()[:2] for line in for_az[3:]] == [
            ["az", word] for word in ("cloud", "cloud", "login", "login")
        ]
        assert emulator.address["arm"] in for_az[3]
        assert emulator.rest() == []
        assert emulator.process.returncode == 0


def test_the_log_has_a_line_for_each_request(tmp_path: Path) -> None:
    """--log, as JSON."""
    config = tmp_path / "entra.yaml"
    config.write_text("")
    with command("--log", "--config", str(config)) as emulator, session(emulator.address["CA"]) as plain:
        plain.get(f"{emulator.address['graph']}/v1.0/organization", timeout=60)
        entry = json.loads(emulator.line())
        assert entry["on"] == "graph"
        assert (entry["path"], entry["status"]) == ("/v1.0/organization", 401)


def test_names_and_a_certificate_of_ones_own(tmp_path: Path, entra: Entra) -> None:
    """As in a pod: listening on all addresses, with a certificate from a Secret."""
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    authority = make_authority(now=now, lifetime=day)
    leaf = make_leaf(authority, names=["entra.test", "localhost"], now=now, lifetime=day)
    (tmp_path / "tls.crt").write_bytes(bundle_pem([leaf.certificate, authority.certificate]))
    (tmp_path / "tls.key").write_bytes(private_pem(leaf.key))
    (tmp_path / "authority.pem").write_text(authority.pem)
    files = ["--tls-cert", str(tmp_path / "tls.crt"), "--tls-key", str(tmp_path / "tls.key")]
    with command("--host", "0.0.0.0", "--cloud", "china", *files) as emulator:
        with session(str(tmp_path / "authority.pem")) as plain:
            keys = plain.get(f"{emulator.address['login']}common/discovery/v2.0/keys", timeout=60)
            assert keys.json()["keys"]


def test_further_names() -> None:
    """--name is in the certificate."""
    with running(listening=Listening(names=["entra.default.svc"])) as entra, Client(entra) as client:
        adapter = requests.adapters.HTTPAdapter()
        adapter.init_poolmanager(1, 1, server_hostname="entra.default.svc", assert_hostname="entra.default.svc")
        client.session.mount("https://", adapter)
        assert client.get(f"{entra.login}common/discovery/v2.0/keys").ok


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--config", "nothing.yaml"], "nothing.yaml"),
        (["--tls-cert", "a"], "must be given together"),
        (["--tls-cert", "a", "--tls-key", "b"], "No such file"),
        (["--host", "192.0.2.1"], "assign"),
    ],
)
def test_what_cannot_be_run(arguments: list[str], says: str) -> None:
    """Exit status 2 and a sentence."""
    done = subprocess.run(
        [sys.executable, "-m", "testbed.entra", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def _document(cluster: Issuer, fetch_from: str, ca: Path, token_file: Path) -> dict[str, Any]:
    """A file with two tenants, an application with two credentials, and where the documents of `cluster` are."""
    return {
        "cloud": "gcchigh",
        "tenants": [
            {"id": TENANT, "name": "Fabrikam", "domains": ["fabrikam.example"]},
            {"id": OTHER_TENANT, "cloud": "public"},
        ],
        "issuers": [{"issuer": cluster.url, "fetch_from": fetch_from, "ca": str(ca), "token_file": str(token_file)}],
        "applications": [
            {
                "client_id": CLIENT,
                "tenant_id": TENANT,
                "roles": ["Organization.Read.All"],
                "federated_credentials": [
                    {"issuer": cluster.url, "subject": SUBJECT},
                    {"subject": "other", "audience": "api://mine", "delay": 40},
                ],
            }
        ],
    }


def test_a_file_fills_the_emulator(tmp_path: Path) -> None:
    """Its tenants, applications and credentials are known, and issuers' documents are fetched from where it says."""
    path, token_file = tmp_path / "entra.yaml", tmp_path / "token"
    with running() as apiserver:
        cluster = apiserver.issuer
        address, cluster.url = cluster.url, "https://kubernetes.default.svc"
        token_file.write_text("opaque\n")
        document = _document(cluster, address, apiserver.ca_file, token_file)
        path.write_text(yaml.safe_dump(document))
        configuration = read(path)
        with running(cloud=configuration.cloud) as entra, Client(entra) as client:
            configuration.apply(entra)
            app = entra.directory.application(TENANT, CLIENT)
            assert app is not None
            assertion = cluster.token(subject=SUBJECT, audience="api://AzureADTokenExchangeUSGov")
            token = client.exchange(app, assertion, tenant="fabrikam.example").json()["access_token"]
            assert {asked.is_bearer for asked in apiserver.requests} == {True}
            organization = client.graph("/v1.0/organization", token).json()["value"][0]
            assert organization["displayName"] == "Fabrikam"
            assert client.exchange(app, tenant=OTHER_TENANT).json()["error_codes"] == [90038]
            mine = entra.issuer.token(subject="other", audience="api://mine")
            assert client.exchange(app, mine).json()["error_codes"] == [700211]
            entra.clock.advance(41)
            assert client.exchange(app, mine).ok


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "is not YAML"),
        ("[]", "is list, expected a mapping"),
        ("cloud: moon", "cloud is 'moon', expected one of public"),
        ("clouds: public", "'clouds' is unknown, expected one of cloud, tenants"),
        ("tenants: [{name: x}]", "tenants[0]: id is missing"),
        ("applications: [{client_id: a, disabled: no way}]", "disabled is 'no way'"),
        ("applications: [{client_id: a, federated_credentials: [{}]}]", "federated_credentials[0]: subject is missing"),
        ("users: [{name: a, azure_roles: [King]}]", "azure_roles has 'King', expected one of Owner"),
        ("applications: [a]", "applications[0] is str, expected a mapping"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, text: str, says: str) -> None:
    """The sentence says where."""
    path = tmp_path / "entra.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        read(path)
    assert says in str(raised.value)


def test_a_file_describes_the_directory(tmp_path: Path, entra: Entra, client: Client) -> None:
    """A secret that is known, roles in Azure, a managed identity, and a user who signs in at once."""
    path = tmp_path / "entra.yaml"
    applications = [{"client_id": CLIENT, "tenant_id": TENANT, "secret": "known", "azure_roles": ["Reader"]}]
    identities = [{"name": "shop", "group": "rg", "federated_credentials": [{"subject": SUBJECT}]}]
    users = [{"name": "ann@contoso.example", "roles": [], "azure_roles": ["Owner"], "signed_in": True}]
    document = {"applications": applications, "managed_identities": identities, "users": users}
    path.write_text(yaml.safe_dump(document))
    read(path).apply(entra)
    application = entra.directory.application(TENANT, CLIENT)
    assert application is not None
    nothing: dict[str, Any] = {"client_assertion": None, "client_assertion_type": None}
    assert client.exchange(application, client_secret="known", **nothing).ok
    (identity,) = entra.directory.managed_identities()
    assert "/resourcegroups/rg/" in identity.arm_id
    assert client.exchange(identity).ok
    assert entra.users.signed_in is not None
    scope = f"{identity.arm_id}/federatedIdentityCredentials"
    assert entra.arm.access.may(entra.users.signed_in.id, "Microsoft.ManagedIdentity/x/write", scope)
    assert not entra.arm.access.may(application.object_id, "Microsoft.ManagedIdentity/x/write", scope)


def test_a_credential_that_entra_would_not_take(tmp_path: Path, entra: Entra) -> None:
    """Found when the file is applied."""
    path = tmp_path / "entra.yaml"
    path.write_text(f"applications: [{{client_id: {CLIENT}, federated_credentials: [{{subject: ''}}]}}]")
    with pytest.raises(ConfigurationError) as raised:
        read(path).apply(entra)
    assert CLIENT in str(raised.value)


def test_nothing_stays_behind() -> None:
    """The temporary folder goes with the emulator; a port that is taken leaves nothing open either."""
    with running() as entra:
        folder = entra.ca_file.parent
        assert [path.name for path in folder.iterdir()] == ["ca.pem"]
        with pytest.raises(OSError):
            Entra(listening=Listening(login_port=0, graph_port=entra.graph_server.port))
    assert not folder.exists()
