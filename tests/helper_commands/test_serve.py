"""`serve` as a process, and the clients of managed identities that it is for."""

from __future__ import annotations

import asyncio
import datetime as dt
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msal  # type: ignore[import-untyped]
import pytest
import requests
from azure.core.credentials import AccessToken
from azure.identity import (
    ChainedTokenCredential,
    CredentialUnavailableError,
    DefaultAzureCredential,
    ManagedIdentityCredential,
)
from azure.identity.aio import ManagedIdentityCredential as AsyncManagedIdentityCredential

from bench.programs import Program, binary
from m365_identity import Retry
from m365_identity._commands import serve
from m365_identity._tokens import access_token
from tests.authorities import make_authority
from tests.helper_commands.processes import Commands, Process

pytestmark = pytest.mark.slow

HEADER = "0a1b2c3d-4e5f-4a6b-8c7d-8e9f0a1b2c3d"
SCOPE = "https://graph.microsoft.com/.default"
CLIENT = Program("managed-identity", Path(__file__).parent / "go", ".")


@dataclass(frozen=True)
class Serving:
    """A running endpoint."""

    process: Process
    url: str

    @property
    def port(self) -> int:
        found = re.search(r":(\d+)/", self.url)
        assert found
        return int(found[1])


def start(commands: Commands, *arguments: str) -> Serving:
    """Starts it at any free port and waits until it listens."""
    commands.environ["IDENTITY_HEADER"] = HEADER
    process = commands.start("serve", "--endpoint", "http://127.0.0.1:0/msi/token", *arguments)
    return Serving(process, process.line_with("tokens of application").rpartition(" at ")[2])


@pytest.fixture
def serving(commands: Commands) -> Serving:
    return start(commands)


@pytest.fixture
def workload(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> Serving:
    """This process has what a container with the endpoint has, and nothing else to sign in with."""
    for name in os.environ:
        if name.startswith(("AZURE_", "MSI_", "IDENTITY_", "IMDS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("IDENTITY_ENDPOINT", serving.url)
    monkeypatch.setenv("IDENTITY_HEADER", HEADER)
    return serving


@pytest.fixture
def identity(workload: Serving) -> Iterator[ManagedIdentityCredential]:
    with ManagedIdentityCredential() as credential:
        yield credential


def test_no_token_is_among_its_arguments(serving: Serving, commands: Commands) -> None:
    """Everybody on the node can read them, also once it has given a token."""
    commands.pod.federate()
    parameters = {"api-version": "2019-08-01", "resource": "https://graph.microsoft.com"}
    answer = requests.get(serving.url, parameters, headers={"X-IDENTITY-HEADER": HEADER}, timeout=30)
    said = Path(f"/proc/{serving.process.pid}/cmdline").read_bytes().decode()
    assert "m365_identity" in said
    for token in (answer.json()["access_token"], commands.pod.token_file.read_text()):
        assert not any(part in said for part in token.split("."))


def test_azure_identity_gets_a_token(commands: Commands, identity: ManagedIdentityCredential) -> None:
    """As `ManagedIdentityCredential` does in App Service, and keeps it until its end."""
    commands.pod.federate()
    token = identity.get_token(SCOPE)
    claims = access_token.decode(token.token)
    assert claims.client_id == commands.pod.application.client_id
    assert claims.expires == pytest.approx(token.expires_on, abs=60)
    identity.get_token(SCOPE)
    assert len(commands.pod.entra.exchanges) == 1


def test_azure_identity_may_name_the_applications_own_client_id(commands: Commands, workload: Serving) -> None:
    """The application's own id may be named, another one may not."""
    commands.pod.federate()
    with ManagedIdentityCredential(client_id=commands.pod.application.client_id) as credential:
        assert credential.get_token(SCOPE).token
    with ManagedIdentityCredential(client_id="11111111-0000-4000-8000-000000000000") as credential:
        with pytest.raises(CredentialUnavailableError, match="the only application that signs in here"):
            credential.get_token(SCOPE)


def test_default_azure_credential_gets_a_token(commands: Commands, workload: Serving) -> None:
    """Whose chain comes to the managed identity where nothing before it is set up."""
    commands.pod.federate()
    with DefaultAzureCredential() as credential:
        assert access_token.decode(credential.get_token(SCOPE).token).roles == ("Organization.Read.All",)


def test_azure_identity_for_asyncio_gets_a_token(commands: Commands, workload: Serving) -> None:
    """The other half of azure-identity."""
    commands.pod.federate()

    async def token() -> str:
        async with AsyncManagedIdentityCredential() as credential:
            return str((await credential.get_token(SCOPE)).token)

    assert access_token.decode(asyncio.run(token())).tenant_id == commands.pod.application.tenant_id


class Last:
    """The credential after ours in a chain."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("another", 2**31)


def test_a_chain_goes_on_after_a_refusal(commands: Commands, identity: ManagedIdentityCredential) -> None:
    """What cannot heal is asked for once, and the message has the fix."""
    commands.pod.entra.next("login", code=700016, times=None)
    with pytest.raises(CredentialUnavailableError, match=r"AADSTS700016(.|\n)*Fix: "):
        identity.get_token(SCOPE)
    assert len(commands.pod.entra.exchanges) == 1
    assert ChainedTokenCredential(identity, Last()).get_token(SCOPE).token == "another"


def test_what_may_heal_is_asked_for_again(commands: Commands, workload: Serving) -> None:
    """By the client, beyond the patience of the endpoint."""
    commands.pod.federate()
    serving = start(commands, "--patience", "0")
    commands.pod.entra.next("login", code=700213, times=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDENTITY_ENDPOINT", serving.url)
        with ManagedIdentityCredential() as credential:
            assert credential.get_token(SCOPE).token
    assert len(commands.pod.entra.exchanges) == 3


def test_a_certificate_that_is_not_trusted_is_not_asked_for_again(commands: Commands, tmp_path: Path) -> None:
    """Waiting does not make it trusted: 400 at once with the fix, where a server that is away is 503."""
    commands.pod.federate()
    authority = tmp_path / "other.pem"
    authority.write_text(make_authority(now=dt.datetime.now(dt.UTC), lifetime=dt.timedelta(days=1)).pem)
    trusted = {"REQUESTS_CA_BUNDLE": commands.environ["REQUESTS_CA_BUNDLE"]}
    commands.environ |= {"REQUESTS_CA_BUNDLE": str(authority), "SSL_CERT_FILE": str(authority)}
    status, document = ask(start(commands))
    assert (status, commands.pod.entra.exchanges) == (400, [])
    assert "its certificate is not trusted" in document["message"]
    assert "SSL_CERT_FILE" in document["message"]
    commands.environ |= trusted | {"AZURE_AUTHORITY_HOST": "https://127.0.0.1:1/"}
    status, document = ask(start(commands, "--patience", "0"))
    assert status == 503
    assert "it refused the connection" in document["message"]


def test_msal_gets_a_token(commands: Commands, workload: Serving) -> None:
    """System-assigned, and as the user-assigned one that it is; a resource with the slash at its end."""
    commands.pod.federate()
    chosen = msal.UserAssignedManagedIdentity(client_id=commands.pod.application.client_id)
    with requests.Session() as session:
        for identity in (msal.SystemAssignedManagedIdentity(), chosen):
            client = msal.ManagedIdentityClient(identity, http_client=session)
            answer = client.acquire_token_for_client(resource="https://graph.microsoft.com/")
            assert "error" not in answer, answer
            assert access_token.decode(answer["access_token"]).audience
        other = msal.UserAssignedManagedIdentity(object_id="11111111-0000-4000-8000-000000000000")
        client = msal.ManagedIdentityClient(other, http_client=session)
        answer = client.acquire_token_for_client(resource="https://graph.microsoft.com")
        assert "object_id cannot choose an identity here" in answer["error_description"]


@pytest.mark.cluster
def test_azidentity_of_go_gets_a_token(commands: Commands, workload: Serving) -> None:
    """And its error says what is wrong if it gets none. Needs Go, found or installed as for the control plane."""
    program = str(binary(CLIENT))
    commands.pod.federate()
    arguments = [program, SCOPE, commands.pod.application.client_id]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    assert [access_token.decode(token).audience for token in done.stdout.split()] == [
        SCOPE.removesuffix("/.default")
    ] * 2
    commands.pod.entra.next("login", code=700016, times=None)
    done = subprocess.run(
        [program, "https://vault.azure.net/.default"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "AADSTS700016" in done.stderr


def ask(serving: Serving, *, resource: str = "https://graph.microsoft.com") -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=60)
    try:
        path = f"/msi/token?api-version=2019-08-01&resource={resource}"
        connection.request("GET", path, headers={"X-IDENTITY-HEADER": HEADER})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_many_clients_make_one_exchange(commands: Commands, serving: Serving) -> None:
    """Those that come while Entra is slow wait for the same token."""
    commands.pod.federate()
    held = commands.pod.entra.next("login", slow=float("inf"))
    answers: list[tuple[int, dict[str, Any]]] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(serving))) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert held.reached.wait(30)
    held.release()
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200] * 20
    assert len({document["access_token"] for _, document in answers}) == 1
    assert len(commands.pod.entra.exchanges) == 1
    assert int(answers[0][1]["expires_on"]) > time.time()


def test_terraform_sees_nothing_of_throttling_and_errors(commands: Commands, serving: Serving) -> None:
    """Its provider ends in a panic at 429 and 5xx: at the first token, at a renewal, and after the token's end."""
    pod = commands.pod
    pod.federate()
    pod.entra.behaviour.token_lifetime = 3
    pod.entra.next("login", status=429, retry_after=1)
    pod.entra.next("login", status=500)
    status, first = ask(serving)
    assert (status, [asked.status for asked in pod.entra.exchanges]) == (200, [429, 500, 200])
    pod.entra.next("login", status=429)
    pod.entra.next("login", status=500)
    statuses, kept = zip(*(ask(serving) for _ in range(3)), strict=True)
    assert set(statuses) == {200}
    if time.time() < int(first["expires_on"]):  # else the machine is too slow to see that it is kept
        assert kept[0]["access_token"] == first["access_token"]
    time.sleep(max(0.0, int(first["expires_on"]) - time.time()) + 0.1)
    pod.entra.next("login", status=500, times=2)
    status, renewed = ask(serving)
    assert status == 200
    assert renewed["access_token"] != first["access_token"]


def test_a_wait_that_is_too_long_is_handed_on(commands: Commands) -> None:
    """An hour is beyond every patience: at once, with what Entra said; a minute is not, within the usual one."""
    commands.pod.federate()
    commands.pod.entra.next("login", status=429, retry_after=3600)
    connection = http.client.HTTPConnection("127.0.0.1", start(commands).port, timeout=60)
    path = "/msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com"
    connection.request("GET", path, headers={"X-IDENTITY-HEADER": HEADER})
    answer = connection.getresponse()
    said = json.loads(answer.read())["message"]
    connection.close()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "3600")
    assert re.search(r"Entra wants no request for 60 min, until \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", said), said
    assert Retry(bound=serve._PATIENCE).bound > 2 * 60 + 10


@pytest.mark.parametrize(("status", "retry_after"), [(429, 3600), (503, None)])
def test_terraforms_provider_is_never_answered_with_what_it_does_not_stand(
    commands: Commands, status: int, retry_after: int | None
) -> None:
    """429 and 5xx end it in a panic, in the middle of an apply; a 400 it reports, with what Entra said."""
    commands.pod.federate()
    commands.environ["M365_AUTH_METHOD"] = "managed_identity"
    commands.pod.entra.next("login", times=20, status=status, retry_after=retry_after)
    answered, document = ask(start(commands, "--patience", "0"))
    assert answered == 400
    assert f"HTTP {status}" in document["message"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_ends_it_at_once(commands: Commands, serving: Serving, number: signal.Signals) -> None:
    """With exit code 0, although a request waits for Entra; the log has what was asked and no token."""
    commands.pod.federate()
    assert ask(serving)[0] == 200
    held = commands.pod.entra.next("login", hang=True)
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as connection:
        request = f"GET /msi/token?api-version=2019-08-01&resource=a HTTP/1.1\r\nX-IDENTITY-HEADER: {HEADER}\r\n\r\n"
        connection.sendall(request.encode())
        assert held.reached.wait(30)
        serving.process.popen.send_signal(number)
        done = serving.process.wait()
    assert (done.code, done.out) == (0, "")
    assert re.search(r"^m365-identity serve: 200 https://graph\.microsoft\.com \d+ ms$", done.err, re.MULTILINE)
    assert HEADER not in done.err


def test_check_asks_whether_it_is_healthy(commands: Commands, serving: Serving) -> None:
    """For the kubelet's probes: by the same variable, without any other setting; its exit code is the answer."""
    environ = commands.environ
    commands.environ = {"PATH": environ["PATH"], "IDENTITY_ENDPOINT": serving.url, "http_proxy": "http://127.0.0.1:1"}
    done = commands.run("serve", "--check")
    assert (done.code, done.out, done.err) == (0, "healthy\n", "")
    serving.process.popen.terminate()
    assert serving.process.wait().code == 0
    done = commands.run("serve", "--check")
    assert (done.code, done.out) == (1, "")
    assert f"nothing healthy at {serving.url}: Connection refused" in done.err


def test_a_port_in_use_is_reported(commands: Commands, serving: Serving) -> None:
    """Exit code 1, and where."""
    done = commands.run("serve", "--endpoint", serving.url)
    assert (done.code, done.err) == (
        1,
        f"m365-identity serve: cannot listen on {serving.url}: Address already in use\n",
    )


def test_everything_wrong_is_reported_at_once(commands: Commands) -> None:
    """The endpoint, the secret, whose value is not shown, and who signs in."""
    commands.environ |= {"IDENTITY_HEADER": "sécret-value", "M365_CLOUD": "mars"}
    done = commands.run("serve")
    assert (done.code, done.out) == (2, "")
    lines = done.err.splitlines()
    assert len(lines) == 3
    for said in (
        "IDENTITY_ENDPOINT is not set: expected http://127.0.0.1:PORT/PATH",
        "IDENTITY_HEADER holds",
        '"mars"',
    ):
        assert sum(said in line for line in lines) == 1, lines
    assert "cret-value" not in done.err


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "127.0.0.1:80/token",
        "https://127.0.0.1:8000/token",
        "http://0.0.0.0:8000/token",
        "http://localhost:8000/token",
        "http://127.0.0.1/token",
        "http://127.0.0.1:99999/token",
        "http://user@127.0.0.1:8000/token",
        "http://127.0.0.1:8000/token?x=y",
        "http://127.0.0.1:8000/to ken",
        "http://127.0.0.1:8000/healthz",
    ],
)
def test_only_loopback_with_a_port_is_served(commands: Commands, url: str) -> None:
    """Whatever else is asked for is wrong usage."""
    commands.environ["IDENTITY_HEADER"] = HEADER
    done = commands.run("serve", "--endpoint", url)
    assert (done.code, done.out) == (2, "")
    assert "expected http://127.0.0.1:PORT/PATH" in done.err


def test_tokens_never_get_into_a_core_file(serving: Serving) -> None:
    """The limit of core files is zero, for good."""
    limits = Path(f"/proc/{serving.process.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
