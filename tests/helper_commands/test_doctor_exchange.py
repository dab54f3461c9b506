"""`doctor` and Entra: every code of the advice table, the tenant, answers that are not Entra's, and the clock."""

import math
from collections.abc import Iterator
from typing import Any

import pytest

from m365_identity._advice.codes import BY_CODE
from m365_identity._tokens.assertion import decode
from m365_identity.settings import settings
from testbed.entra import Entra, running
from testbed.entra.aadsts import CODES
from tests.helper.rows import fits
from tests.helper_commands.doctor_support import doctor, write
from tests.helper_commands.processes import Pod

pytestmark = pytest.mark.slow

PATIENCE = {"slow": ("--timeout", "4")}
"""Only what never answers is waited for in vain; the rest has time on a busy machine."""
PROVOKED = sorted({kind: code for code, kind in reversed(BY_CODE.items())}.values())
"""A code of each message: tests/helper/test_advice.py has them all."""


@pytest.fixture(scope="module")
def emulator() -> Iterator[Entra]:
    """One for all codes."""
    with running() as entra:
        yield entra


def test_no_code_of_the_table_is_left_out() -> None:
    """The emulator knows every code that there is advice for."""
    assert set(BY_CODE) <= set(CODES)


@pytest.mark.parametrize("code", PROVOKED)
def test_each_code_has_its_meaning_causes_and_fix(
    emulator: Entra, code: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The line has the code and what it means; the values of this token are filled in; what follows is skipped."""
    emulator.clear()
    pod = Pod(emulator, tmp_path_factory.mktemp("pod"))
    pod.federate()
    emulator.next("login", code=code, times=None)
    report = doctor(pod.environ)
    emulator.clear()
    assert report.code == 1
    assert report.failed() == {"exchange"}
    assert report.document["first"] == "exchange"
    result = report.worst("exchange")
    attempts = ", after 2 attempts" if code == 700024 else ""  # the token is read and sent once more
    start = f"AADSTS{code} ({CODES[code].error}, HTTP {CODES[code].status}){attempts}: "
    end = f" (correlation id {emulator.exchanges[-1].correlation_id})"
    assert result["detail"].startswith(start)
    assert result["detail"].endswith(end)
    meaning = result["detail"].removeprefix(start).removesuffix(end)
    known, token = settings(environ=pod.environ), decode(pod.token_file.read_text())
    assert fits(code, known, token, meaning=meaning, causes=result["causes"], fix=result["fix"]), result
    assert {report.status(check) for check in ("access-token", "roles", "graph")} == {"skip"}
    assert report.status("graph-tls") == "ok"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"subject": "system:serviceaccount:shop:Terraform"}, 7002138),
        ({"subject": "system:serviceaccount:shop:other"}, 700213),
        ({"audience": "api://AzureADTokenExchangeUSGov"}, 700212),
        ({"lifetime": -7200}, 700024),
        ({"nbf": 9_000_000_000}, 700024),
    ],
)
def test_a_token_that_does_not_fit(pod: Pod, claims: dict[str, Any], code: int) -> None:
    """Compared by the emulator itself, as Entra compares it."""
    pod.federate()
    write(pod, **claims)
    report = doctor(pod.environ)
    assert f"AADSTS{code} " in report.detail("exchange")


def test_the_slash_at_the_end_of_the_issuer(pod: Pod) -> None:
    """The classic: it is in the token and not in the credential."""
    issuer = pod.entra.add_issuer("/cluster/")
    pod.application.federate(issuer=issuer.url.rstrip("/"), subject="system:serviceaccount:shop:terraform")
    pod.token_file.write_text(issuer.token(subject="system:serviceaccount:shop:terraform"))
    report = doctor(pod.environ)
    assert "AADSTS700211 " in report.detail("exchange")
    assert any("ends with a slash" in cause for cause in report.worst("exchange")["causes"])
    assert f'"issuer": "{issuer.url}"' in report.fix("exchange")


def test_the_file_is_wrong_and_entra_is_asked_all_the_same(pod: Pod) -> None:
    """What the token says is judged by Entra: what is odd here may be what the credential has."""
    pod.application.federate(
        issuer=pod.entra.issuer.url, subject="system:serviceaccount:shop:terraform", audience="api://own"
    )
    write(pod, audience="api://own")
    report = doctor(pod.environ)
    assert (report.code, report.status("audience"), report.status("exchange")) == (0, "warn", "ok")


def test_an_unknown_tenant_fails_before_the_exchange(pod: Pod) -> None:
    """The tenant's own link fails before the exchange does."""
    report = doctor(pod.environ | {"M365_TENANT_ID": "99999999-2222-4333-8444-555555555555"})
    assert report.document["first"] == "discovery"
    assert report.failed() == {"discovery", "exchange"}
    assert report.detail("discovery").startswith("AADSTS90002 (invalid_tenant, HTTP 400): ")
    assert " does not know tenant 9999" in report.detail("discovery")
    assert "az account show" in report.fix("discovery")
    assert report.status("clock") == "ok"


def test_a_tenant_of_another_cloud_is_told_as_one(pod: Pod) -> None:
    """The cloud is what has to be changed."""
    pod.entra.tenant("99999999-2222-4333-8444-555555555555", cloud="gcchigh")
    report = doctor(pod.environ | {"M365_TENANT_ID": "99999999-2222-4333-8444-555555555555"})
    assert "AADSTS90038 " in report.detail("discovery")
    assert "m365.workload.identity/cloud" in report.fix("discovery")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 503}, "HTTP 503"),
        ({"status": 502}, "HTTP 502, not one of Entra's errors"),
        ({"status": 302, "headers": {"Location": "https://portal.example/"}}, "HTTP 302"),
        ({"body": b"<html>Welcome to our hotel", "content_type": "text/html"}, "content of type text/html"),
        ({"body": b"{}"}, "instead of a configuration"),
        ({"body": b"[" * 100000}, "instead of a configuration"),
        ({"cut": "answer"}, "it cut the connection"),
        ({"cut": "body"}, "it cut the connection"),
        ({"slow": math.inf}, "it did not answer in time"),
    ],
)
def test_a_login_host_that_does_not_answer_as_entra(pod: Pod, fault: dict[str, Any], says: str) -> None:
    """Captive portals, gateways, firewalls: told as such; the exchange does not need the configuration and is tried."""
    pod.federate()
    pod.entra.next("login", at="openid-configuration", times=None, **fault)
    report = doctor(pod.environ, *PATIENCE.get(next(iter(fault)), ()))
    assert report.failed() == {"discovery"}
    assert says in report.detail("discovery")
    assert report.fix("discovery")
    assert report.status("exchange") == "ok"


def test_one_attempt_is_made(pod: Pod) -> None:
    """A doctor does not wait for things to heal."""
    pod.federate()
    pod.entra.next("login", status=503, times=None)
    report = doctor(pod.environ)
    assert "HTTP 503" in report.detail("exchange")
    assert len(pod.entra.exchanges) == 1


@pytest.mark.parametrize(
    ("skew", "status", "says"),
    [
        (0, "ok", "it agrees with the login host's"),
        (200, "warn", "3 min behind that of the login host; Entra lets it be off by 5 min"),
        (-200, "warn", "3 min ahead of that of the login host; Entra lets it be off by 5 min"),
        (3600, "fail", "60 min behind that of the login host: tokens count as"),
        (-86400 * 3, "fail", "3 d ahead of that of the login host: tokens count as"),
    ],
)
def test_the_clock_is_compared_with_the_date_of_the_answer(pod: Pod, skew: float, status: str, says: str) -> None:
    """In both directions; the fix is to synchronise it."""
    pod.federate()
    pod.entra.behaviour.date_skew = skew
    report = doctor(pod.environ)
    assert report.status("clock") == status
    assert says.replace("100 s", "") in report.detail("clock").replace("99 s", "").replace("101 s", "").replace(
        "100 s", ""
    )
    assert ("synchronised" in report.fix("clock")) is (status != "ok")


def test_a_token_is_expired_by_the_login_hosts_clock(pod: Pod) -> None:
    """The one that decides: a node whose clock stands still would hold it for good."""
    pod.federate()
    pod.entra.behaviour.date_skew = 7200
    report = doctor(pod.environ)
    assert report.document["first"] == "clock"
    assert "expired at" in report.detail("lifetime")


def test_the_clock_is_looked_at_without_an_application(pod: Pod) -> None:
    """The token's times are judged by the login host's clock then, too."""
    pod.entra.behaviour.date_skew = 3600
    report = doctor(pod.environ | {"M365_CLIENT_ID": "contoso-app"})
    assert report.status("discovery") == "skip"
    assert report.status("clock") == "fail"
    assert "60 min behind that of the login host" in report.detail("clock")


def test_without_a_date_the_clock_is_not_judged(pod: Pod) -> None:
    """A proxy may take it off, or write nonsense."""
    pod.federate()
    pod.entra.next("login", at="openid-configuration", headers={"Date": "soon"})
    report = doctor(pod.environ)
    assert (report.code, report.status("clock")) == (0, "skip")
