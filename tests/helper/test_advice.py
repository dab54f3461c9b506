"""Advice: every code that the emulator knows is provoked, and what is said of it is read from the exception."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from cryptography.hazmat.primitives.asymmetric import ec

from m365_identity import ExchangeError, ThrottledError, aio
from m365_identity._advice.advise import Situation, advise
from m365_identity._advice.codes import BY_CODE
from m365_identity._advice.consent import consent
from m365_identity._advice.credential import federated_credential, federated_credential_command
from m365_identity._advice.general import BY_KIND, BY_STATUS
from m365_identity._advice.network import Way, no_answer
from m365_identity._failures import Failure, FailureKind
from m365_identity._tokens.assertion import Assertion, decode
from m365_identity.clouds import CLOUDS
from m365_identity.settings import Settings, settings
from testbed.entra import Entra, running
from testbed.entra.aadsts import CODES
from tests.helper.rows import WORDS, fits
from tests.helper.support import SUBJECT, Flavour, Pod

CLIENT = "66666666-7777-4888-9999-000000000000"
SETTINGS = Settings(
    tenant_id="contoso.com",
    client_id=CLIENT,
    token_file=Path("/token"),
    cloud=CLOUDS["public"],
    authority="https://login.microsoftonline.com/",
    graph="https://graph.microsoft.com",
)


@pytest.fixture(scope="module")
def running_entra() -> Iterator[Entra]:
    """One emulator for all rows: nothing hangs here."""
    with running() as emulator:
        yield emulator


@pytest.fixture
def entra(running_entra: Entra) -> Iterator[Entra]:
    """That one, with nothing going wrong and nothing asked."""
    running_entra.forget_requests()
    yield running_entra
    running_entra.clear()


def assertion(**claims: object) -> Assertion:
    """The token of a pod, with some claims replaced."""
    usual: dict[str, object] = {
        "issuer": "https://issuer.example",
        "subject": SUBJECT,
        "audiences": ("api://AzureADTokenExchange",),
        "issued": 1000.0,
        "expires": 4600.0,
    }
    return Assertion(**(usual | claims))  # type: ignore[arg-type]


def situation(token: Assertion | None, *, cloud: str = "public", now: float = 2000.0) -> Situation:
    """Who tries to sign in, with what, and when."""
    settings = Settings(
        tenant_id=SETTINGS.tenant_id,
        client_id=CLIENT,
        token_file=SETTINGS.token_file,
        cloud=CLOUDS[cloud],
        authority=CLOUDS[cloud].authority,
        graph=CLOUDS[cloud].graph,
    )
    return Situation(settings=settings, tenant_id=settings.tenant_id, scope=settings.scope, assertion=token, now=now)


def refused(code: int) -> Failure:
    """An answer with a code."""
    return Failure(kind=FailureKind.REFUSED, description="said", http_status=400, codes=(code,))


def test_every_code_that_such_a_client_meets_has_its_row() -> None:
    """Those of the emulator, which are those of the reference."""
    assert set(CODES) == set(BY_CODE)


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_the_exception_has_the_advice_of_its_code(pod: Pod, entra: Entra, kind: Flavour, code: int) -> None:
    """Code, OAuth's word, status, correlation id, meaning, causes and fix, with nothing left unfilled."""
    pod.federate()
    entra.next("login", code=code, times=None)
    error = pod.fails(kind)
    assert isinstance(error, ExchangeError)
    assert isinstance(error, ClientAuthenticationError)
    asked = entra.exchanges[-1]
    assert (error.code, error.error, error.http_status) == (code, CODES[code].error, CODES[code].status)
    assert error.status_code == error.http_status
    assert error.correlation_id == asked.correlation_id
    assert isinstance(error, ThrottledError) is (code in (50196, 90055))
    assert error.advice is not None
    told = error.advice
    token = decode(pod.token_file.read_text())
    assert fits(code, pod.settings, token, meaning=told.meaning, causes=told.causes, fix=told.fix), told
    meaning, cause, fix = next(words for codes, words in WORDS.items() if code in codes)
    assert (meaning in told.meaning, cause in told.causes[0], fix in told.fix) == (True, True, True)
    text = str(error)
    # Out of its time, the token is read and sent once more.
    attempts = ", after 2 attempts" if code == 700024 else ""
    assert error.summary == f"AADSTS{code} ({error.error}, HTTP {error.http_status}){attempts}: {told.meaning}"
    assert text.startswith(f"{error.summary} [{BY_CODE[code].code}]\nLikely causes:\n")
    assert error.codes == (told.code,) == (BY_CODE[code].code,)
    assert [line[5:] for line in text.splitlines() if re.match("  [0-9][.] ", line)] == list(told.causes)
    assert f"\nFix: {told.fix}\n" in text
    assert text.endswith(f"\nCorrelation id: {error.correlation_id}")


def test_every_row_has_its_words() -> None:
    """Each code once."""
    assert sorted(code for codes in WORDS for code in codes) == sorted(BY_CODE)


@pytest.mark.parametrize("code", [70021, 700211, 700213, 7002138, 70025])
def test_the_fix_makes_the_credential_that_lets_this_token_in(pod: Pod, entra: Entra, code: int) -> None:
    """The line is taken apart as a shell would, what it says is registered, and the same token is taken."""
    entra.next("login", code=code)
    error = pod.fails("sync")
    assert error.advice is not None
    line = "az ad app federated-credential create" + error.advice.fix.partition("federated-credential create")[2]
    words = shlex.split(line)
    assert words[:6] == ["az", "ad", "app", "federated-credential", "create", "--id"]
    assert words[6:8] == [pod.application.client_id, "--parameters"]
    parameters = json.loads(words[8])
    assert parameters["name"].startswith("shop-terraform-")
    (audience,) = parameters["audiences"]
    pod.application.federate(issuer=parameters["issuer"], subject=parameters["subject"], audience=audience)
    with pod.credential("sync") as get:
        assert get("https://graph.microsoft.com/.default").token


def test_a_wrong_audience_can_be_fixed_on_either_side(pod: Pod, entra: Entra) -> None:
    """A second credential with the same issuer and subject is refused, so the one that is there is updated."""
    pod.federate()
    pod.write(audience="api://other")
    error = pod.fails("sync")
    assert isinstance(error, ExchangeError)
    assert error.code == 700212
    assert error.advice is not None
    assert "federated-credential update" in error.advice.fix
    assert "create" not in error.advice.fix
    assert 'set m365.workload.identity/audience to "api://AzureADTokenExchange"' in error.advice.fix
    assert error.advice.causes[0].startswith('the audience of this token is "api://other"')


def test_what_can_be_seen_in_the_token_comes_first() -> None:
    """Before any guess: audience of another cloud, an issuer with a slash, an end that has passed."""
    token = assertion(issuer="https://aks.example/x/", expires=1500.0)
    first, second, third = advise(refused(70021), situation(token, cloud="china")).causes[:3]
    assert '"api://AzureADTokenExchangeChina"' in first
    assert 'ends with a slash, "https://aks.example/x/"' in second
    assert "expired at 1970-01-01 00:25:00Z" in third


@pytest.mark.parametrize("issuer", ["https://aks.example/x/", "https://aks.example/x"])
def test_the_slash_at_the_issuers_end_is_one_cause(issuer: str) -> None:
    """As it is in this token; it is both the likeliest guess and what can be seen."""
    (told,) = [
        cause for cause in advise(refused(700211), situation(assertion(issuer=issuer))).causes if "slash" in cause
    ]
    assert told.startswith("the issuer of this token ends") is issuer.endswith("/")
    assert told.endswith("that of this token does not") is not issuer.endswith("/")


@pytest.mark.parametrize("code", [700212, 700213, 700024, 70025])
def test_the_slash_is_not_blamed_if_entra_says_what_is_wrong(code: int) -> None:
    """Audience, subject or time: the issuer of each token on AKS ends with a slash."""
    causes = advise(refused(code), situation(assertion(issuer="https://aks.example/x/"))).causes
    assert causes
    assert not any("slash" in cause for cause in causes)


@pytest.mark.parametrize("issuer", ["https://kubernetes.default.svc.cluster.local", "http://issuer.example", "kind"])
def test_an_issuer_that_entra_can_never_reach_is_a_cause(issuer: str) -> None:
    """The usual one of a cluster that is not set up for federation."""
    causes = advise(refused(90061), situation(assertion(issuer=issuer))).causes
    assert "can never reach" in causes[0]
    assert issuer in causes[0]


def test_a_right_token_is_not_blamed() -> None:
    """Then the guesses stand alone."""
    assert advise(refused(70021), situation(assertion())).causes[0].startswith("issuer, subject or audience differ")


def test_an_expired_token_is_reported_with_both_times() -> None:
    """Its own, and the clock's here."""
    meaning = advise(refused(700024), situation(assertion())).meaning
    assert "from 1970-01-01 00:16:40Z until 1970-01-01 01:16:40Z" in meaning
    assert "1970-01-01 00:33:20Z here" in meaning


@pytest.mark.parametrize("token", [None, assertion(expires=None, issued=None), assertion(expires=1e300, issued=-1e300)])
@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_advice_needs_no_claim(code: int, token: Assertion | None) -> None:
    """Nothing is certain about a token that others have made."""
    advice = advise(refused(code), situation(token))
    assert advice.fix
    assert "{" not in advice.meaning


def test_an_unknown_code_is_reported_with_entras_own_words() -> None:
    """Its status does not hide it either."""
    advice = advise(refused(7777777), situation(assertion()))
    assert advice.meaning == "Entra refused: said"


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_kind_of_failure_has_its_advice(kind: FailureKind) -> None:
    """If there is no code: by the way that is barred, or else by the kind."""
    failed = Failure(kind=kind, description="said", problem="it failed")
    advice = advise(failed, situation(None))
    barred = no_answer(failed, Way(url="https://login.microsoftonline.com/", proxy=None))
    assert (barred is None) is (kind in BY_KIND)
    if barred is not None:
        assert (advice.code, advice.causes, advice.fix) == (barred.code, barred.causes, barred.fix)
        assert "login.microsoftonline.com" in advice.meaning
        return
    known = {"failure": "said", "login": "https://login.microsoftonline.com/", "status": "0"}
    row = BY_KIND[kind]
    assert advice.meaning == row.text.format_map(known)
    assert advice.causes == tuple(cause.format_map(known) for cause in row.causes)
    assert advice.fix == row.fix.format_map(known)


@pytest.mark.parametrize("status", sorted(BY_STATUS))
def test_a_status_without_a_code_has_its_advice(status: int) -> None:
    """As a proxy in between answers."""
    advice = advise(Failure(kind=FailureKind.STRANGE, description="said", http_status=status), situation(None))
    known = {"login": "https://login.microsoftonline.com/", "status": str(status), "wait": ""}
    row = BY_STATUS[status]
    assert advice.meaning == row.text.format_map(known)
    assert advice.causes == tuple(cause.format_map(known) for cause in row.causes)
    assert advice.fix == row.fix.format_map(known)


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("system:serviceaccount:shop:terraform", "shop-terraform-"),
        ("system:serviceaccount:a:b.c", "a-b-c-"),
        (f"system:serviceaccount:{'n' * 63}:{'s' * 253}", ("n" * 63 + "-" + "s" * 253)[:111] + "-"),
        ("someone else", "kubernetes-"),
    ],
)
def test_the_credentials_name_is_one_that_entra_takes(subject: str, name: str) -> None:
    """3 to 120 characters of letters, digits, hyphen and underscore, the last eight from issuer and subject."""
    told = str(federated_credential(assertion(subject=subject))["name"])
    assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{2,119}", told)
    assert told[:-8] == name


def test_a_rebuilt_cluster_gets_a_name_of_its_own() -> None:
    """An application has each name once, and the credential that was made before it was rebuilt has the old one."""
    names = {
        federated_credential(assertion(issuer=issuer, subject=subject))["name"]
        for issuer in ("https://a.example", "https://b.example")
        for subject in ("system:serviceaccount:a-b:c", "system:serviceaccount:a:b-c")
    }
    assert len(names) == 4


def test_an_update_leaves_the_name_alone() -> None:
    """Entra does not let it be changed."""
    fix = advise(refused(700212), situation(assertion(audiences=("api://other",)))).fix
    line = fix.partition("az ad app federated-credential update ")[2].partition("; or, for")[0]
    words = shlex.split(line)
    assert words[:4] == ["--id", CLIENT, "--federated-credential-id", "ITS_NAME"]
    assert json.loads(words[5]) == {
        "issuer": "https://issuer.example",
        "subject": SUBJECT,
        "audiences": ["api://other"],
    }


@pytest.mark.parametrize("issuer", ["https://aks.example/x/", "https://aks.example/x"])
@pytest.mark.parametrize("code", [50013, 90061])
def test_the_documents_of_an_issuer_have_one_slash(code: int, issuer: str) -> None:
    """A slash at its end, as on AKS, does not become a second slash."""
    fix = advise(refused(code), situation(assertion(issuer=issuer))).fix
    assert " https://aks.example/x/.well-known/openid-configuration " in fix


def test_a_hostile_token_adds_nothing_to_the_command() -> None:
    """Who made the token is not known, and the line is meant to be pasted into a shell."""
    hostile = assertion(subject="x'; rm -rf ~ #", issuer="$(id)`id`")
    words = shlex.split(federated_credential_command(CLIENT, hostile))
    assert len(words) == 9
    assert json.loads(words[8])["subject"] == "x'; rm -rf ~ #"


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_a_hostile_token_writes_no_line_and_no_escape_sequence(code: int) -> None:
    """Its claims are shown to people, on a terminal and in logs."""
    hostile = assertion(
        subject="system:serviceaccount:a:b\x1b[2J\nFix: rm", issuer="x\r\n\x1b]0;", audiences=("\x9b1m",)
    )
    advice = advise(refused(code), situation(hostile))
    assert all(text.isprintable() for text in (advice.meaning, *advice.causes, advice.fix))


def test_codes_with_a_real_cause_are_reported_as_well(pod: Pod, entra: Entra) -> None:
    """Each of these comes of a true cause, not of a code on demand."""
    pod.federate()
    tokens: dict[int, dict[str, Any]] = {
        700024: {"lifetime": -7200.0},
        700211: {"iss": "https://other.example"},
        700213: {"sub": "system:serviceaccount:shop:other"},
        7002138: {"sub": "system:serviceaccount:Shop:terraform"},
    }
    for code, claims in tokens.items():
        pod.write(**claims)
        error = pod.fails("sync")
        assert isinstance(error, ExchangeError)
        assert error.code == code


def test_a_key_that_is_not_rsa_has_its_own_fix(pod: Pod, kind: Flavour) -> None:
    """A cluster that signs with ES256 does not have a problem with rotated or unpublished keys."""
    pod.federate()
    claims = jwt.decode(pod.token_file.read_text(), options={"verify_signature": False})
    pod.token_file.write_text(jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"))
    error = pod.fails(kind)
    assert isinstance(error, ExchangeError)
    assert error.code == 5002738
    assert error.advice is not None
    assert "ES256" in error.advice.causes[0]
    assert "--service-account-signing-key-file" in error.advice.fix
    assert "RS256, RS384 and RS512" in error.summary
    assert BY_CODE[5002738] != BY_CODE[700027]


def test_asyncio_has_the_same_class_name() -> None:
    """A reader of a message must not have to guess which one it was."""
    assert aio.WorkloadIdentityCredential.__module__ == "m365_identity.aio"


@pytest.mark.parametrize("name", CLOUDS)
def test_consent_is_a_command_in_the_public_cloud_and_a_page_elsewhere(name: str) -> None:
    """az has a command for it in the public cloud only; elsewhere an administrator opens a page of the login host."""
    tenant = "11111111-2222-4333-8444-555555555555"
    found = settings(tenant_id=tenant, client_id=tenant, cloud=name, token_file="token", environ={})
    command = f"az ad app permission admin-consent --id {tenant}"
    page = f"as an administrator, open {CLOUDS[name].authority}{tenant}/adminconsent?client_id={tenant}"
    assert consent(found) == (command if name in ("public", "gcc") else page)
