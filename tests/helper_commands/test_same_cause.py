"""`doctor` and exceptions say the same of the same fault: both run, and what each says first is compared."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from m365_identity import M365IdentityError, Retry, SettingsError, WorkloadIdentityCredential, aio
from testbed.entra import Entra
from testbed.entra.proxy import Proxy, proxying
from tests.authorities import make_authority
from tests.helper.support import SCOPE, run
from tests.helper_commands.doctor_support import doctor, write
from tests.helper_commands.processes import SUBJECT, Pod

pytestmark = pytest.mark.slow

ONCE = Retry(bound=0, silence=5)


@dataclass
class Lab:
    """A pod with a fault, and what it needs around it."""

    pod: Pod
    folder: Path
    stack: contextlib.ExitStack
    proxy: Proxy | None = field(default=None)

    def through(self, address: str = "") -> Proxy:
        """A proxy, with `address` put in the place of its own."""
        self.pod.environ.pop("NO_PROXY", None)
        proxy = self.stack.enter_context(proxying(is_closed=False))
        self.pod.environ["HTTPS_PROXY"] = address or proxy.url
        return proxy


@pytest.fixture
def lab(pod: Pod, tmp_path: Path) -> Iterator[Lab]:
    with contextlib.ExitStack() as stack:
        yield Lab(pod, tmp_path, stack)


def unknown_name(lab: Lab) -> None:
    lab.pod.environ["AZURE_AUTHORITY_HOST"] = "https://login.invalid/"


def closed_port(lab: Lab) -> None:
    lab.pod.environ["AZURE_AUTHORITY_HOST"] = "https://127.0.0.1:1/"


def proxy_of_unknown_name(lab: Lab) -> None:
    lab.through("http://proxy.invalid:3128")


def proxy_that_is_down(lab: Lab) -> None:
    lab.through("http://127.0.0.1:1")


def proxy_is_not_spoken_to_by_tls(lab: Lab) -> None:
    """As people write it who take the scheme for that of the servers."""
    listener = lab.stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def answer() -> None:
        with contextlib.suppress(OSError):  # the listener is closed at the end
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=answer, daemon=True).start()
    lab.stack.callback(listener.shutdown, socket.SHUT_RDWR)
    lab.through(f"https://127.0.0.1:{listener.getsockname()[1]}")


def proxy_by_tls_that_is_down(lab: Lab) -> None:
    lab.through("https://127.0.0.1:1")


def proxy_refuses(status: int) -> Callable[[Lab], None]:
    def fault(lab: Lab) -> None:
        lab.through().refuse_with = status

    fault.__name__ = f"proxy_refuses_with_{status}"
    return fault


def proxy_does_not_take_the_password(lab: Lab) -> None:
    proxy = lab.through()
    proxy.wants = "user:right"
    lab.pod.environ["HTTPS_PROXY"] = proxy.url.replace("http://", "http://user:wrong@")


def proxy_is_not_a_url(lab: Lab) -> None:
    lab.through("http://user:p#ss@proxy.example:3128")


def untrusted(lab: Lab) -> None:
    other = lab.folder / "other.pem"
    other.write_text(make_authority(now=dt.datetime.now(dt.UTC), lifetime=dt.timedelta(days=1)).pem)
    lab.pod.environ |= {"REQUESTS_CA_BUNDLE": str(other), "SSL_CERT_FILE": str(other)}


def no_authorities(lab: Lab) -> None:
    lab.pod.environ["REQUESTS_CA_BUNDLE"] = "/nowhere/ca.pem"


def no_file(lab: Lab) -> None:
    lab.pod.token_file.unlink()


def no_tenant(lab: Lab) -> None:
    for name in ("M365_TENANT_ID", "AZURE_TENANT_ID"):
        del lab.pod.environ[name]


def no_credential(lab: Lab) -> None:
    lab.pod.application.unfederate()


def no_service_principal(lab: Lab) -> None:
    lab.pod.application.has_service_principal = False


def expired(lab: Lab) -> None:
    write(lab.pod, lifetime=-7200)


def not_yet_valid(lab: Lab) -> None:
    write(lab.pod, iat=9_000_000_000, nbf=9_000_000_000, exp=9_000_003_600)


def clock_behind(lab: Lab) -> None:
    lab.pod.entra.clock.advance(7200)


def clock_ahead(lab: Lab) -> None:
    write(lab.pod, iat=9_000_000_000, nbf=9_000_000_000, exp=9_000_003_600)
    lab.pod.entra.behaviour.date_skew = -7200


def token_of_the_api_server(lab: Lab) -> None:
    write(lab.pod, audience="https://kubernetes.default.svc")


def unknown_tenant(lab: Lab) -> None:
    lab.pod.environ["M365_TENANT_ID"] = "99999999-2222-4333-8444-555555555555"


def throttled(lab: Lab) -> None:
    lab.pod.entra.next("login", status=429, retry_after=3600, times=None)


def silent(lab: Lab) -> None:
    lab.pod.entra.next("login", cut="answer", times=None)


FAULTS = (
    unknown_name,
    closed_port,
    proxy_of_unknown_name,
    proxy_that_is_down,
    proxy_is_not_spoken_to_by_tls,
    proxy_by_tls_that_is_down,
    *map(proxy_refuses, (401, 403, 407, 429, 500, 502)),
    proxy_does_not_take_the_password,
    proxy_is_not_a_url,
    untrusted,
    no_authorities,
    no_file,
    no_tenant,
    no_credential,
    no_service_principal,
    expired,
    not_yet_valid,
    clock_behind,
    clock_ahead,
    token_of_the_api_server,
    unknown_tenant,
    throttled,
    silent,
)


def first_of(error: M365IdentityError) -> str:
    """The first cause, or what was found if that says all."""
    if isinstance(error, SettingsError):
        return error.problems[0]
    assert error.advice is not None
    return error.advice.causes[0]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_first_cause_is_the_same(lab: Lab, fault: Callable[[Lab], None]) -> None:
    """Of `doctor`'s first failure and of both credentials' exceptions; no password is shown."""
    lab.pod.federate()
    fault(lab)
    environ = lab.pod.environ
    report = doctor(environ, "--timeout", "5")
    (first, *_) = [result for result in report.document["checks"] if result["status"] == "fail"]
    assert report.document["first"] == first["id"]
    told = first["causes"][0] if first["causes"] else first["detail"]
    with mock.patch.dict("os.environ", environ, clear=True):
        errors = [direct(environ), run(waiting(environ))]
    assert [first_of(error) for error in errors] == [told] * 2
    for said in (str(report), *map(str, errors)):
        assert "wrong@" not in said
        assert "p#ss" not in said


def direct(environ: dict[str, str]) -> M365IdentityError:
    try:
        with WorkloadIdentityCredential(environ=environ, retry=ONCE) as credential:
            credential.get_token(SCOPE)
    except M365IdentityError as error:
        return error
    raise AssertionError("it has a token")


async def waiting(environ: dict[str, str]) -> M365IdentityError:
    try:
        async with aio.WorkloadIdentityCredential(environ=environ, retry=ONCE) as credential:
            await credential.get_token(SCOPE)
    except M365IdentityError as error:
        return error
    raise AssertionError("it has a token")


def test_a_service_principal_is_what_the_advice_makes(pod: Pod, entra: Entra) -> None:
    """`az ad app create` alone leaves it out; with it, the same token is taken."""
    pod.federate()
    pod.application.has_service_principal = False
    error = direct(pod.environ)
    assert error.advice is not None
    assert f"az ad sp create --id {pod.application.client_id}" in error.advice.fix
    assert not error.may_heal
    pod.application.has_service_principal = True
    with WorkloadIdentityCredential(environ=pod.environ) as credential:
        assert credential.get_token(SCOPE).token


def test_the_audience_of_the_api_server_is_never_advised(pod: Pod) -> None:
    """Neither by the exception nor by `doctor`, whatever else is wrong; what they advise lets the right token in."""
    for audience in (
        "https://kubernetes.default.svc",
        "k3s",
        "https://x.hcp.westeurope.azmk8s.io",
        pod.entra.issuer.url,
    ):
        pod.application.unfederate()
        write(pod, audience=audience)
        texts = [str(direct(pod.environ).advice), doctor(pod.environ).fix("audience")]
        pod.federate()
        texts += [str(direct(pod.environ).advice), *map(doctor(pod.environ).fix, ("audience", "exchange"))]
        for text in texts:
            assert f'"audiences": ["{audience}"]' not in text
            assert f"--audiences {audience}" not in text
            assert 'audience: "api://AzureADTokenExchange"' in text or '["api://AzureADTokenExchange"]' in text
    write(pod, subject=SUBJECT)
    assert doctor(pod.environ).status("exchange") == "ok"
