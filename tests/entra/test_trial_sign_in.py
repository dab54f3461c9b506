"""Signing in for a ServiceAccount, as the pod will."""

from collections.abc import Iterator

import pytest

from testbed.entra.directory import Application
from testbed.entra.emulator import Entra, running
from webhook.core.clouds import CLOUDS
from webhook.entra.trial_sign_in import AccessToken, Refusal, SignIn

SUBJECT = "system:serviceaccount:shop:terraform"


@pytest.fixture
def entra(monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    """An emulator whose authority is trusted."""
    with running() as found:
        monkeypatch.setenv("SSL_CERT_FILE", str(found.ca_file))
        yield found


def sign_in(entra: Entra, application: Application, *, young: bool = False) -> SignIn:
    return SignIn(application.client_id, application.tenant_id, CLOUDS["public"], entra.login, young)


async def test_a_token_of_the_credentials_subject_is_exchanged(entra: Entra) -> None:
    """The roles are known, and the token is not shown."""
    application = entra.application(roles=["Group.Read.All"])
    application.federate(issuer=entra.issuer.url, subject=SUBJECT)
    got = await sign_in(entra, application).attempt(entra.issuer.token(subject=SUBJECT))
    assert isinstance(got, AccessToken)
    assert got.roles == ("Group.Read.All",)
    assert got.text not in repr(got)


async def test_a_refusal_reads_as_the_doctor_says_it(entra: Entra) -> None:
    """With its code, and whether waiting may help: a credential may be new, and an application that is not."""
    application = entra.application()
    token = entra.issuer.token(subject=SUBJECT)
    got = await sign_in(entra, application).attempt(token)
    assert isinstance(got, Refusal)
    assert (got.advice.code, got.heals) == ("WIH307", True)
    assert SUBJECT in got.advice.fix
    application.has_service_principal = False
    for young in (False, True):
        got = await sign_in(entra, application, young=young).attempt(token)
        assert isinstance(got, Refusal)
        assert (got.advice.code, got.heals) == ("WIH337", young)


async def test_a_login_host_that_is_away_is_a_refusal_too(entra: Entra) -> None:
    """Which may heal. No part of the token is in it."""
    application = entra.application()
    entra.next(cut="answer")
    token = entra.issuer.token(subject=SUBJECT)
    got = await sign_in(entra, application).attempt(token)
    assert isinstance(got, Refusal)
    assert got.heals
    assert token not in repr(got)
