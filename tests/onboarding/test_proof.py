"""The last step: how long it waits, for what, and what it says."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.entra.directory import Application
from testbed.entra.emulator import Entra, running
from testbed.entra.proxy import proxying
from tests.onboarding.support import GROUPS, SUBJECT, desired
from webhook.cluster.kube import Kube, Reply
from webhook.core.clouds import CLOUDS
from webhook.core.messages import onboarding as kinds
from webhook.entra.trial_sign_in import SignIn
from webhook.onboarding.proof import Proof
from webhook.onboarding.verdicts import Verdict


class Cluster(Kube):
    """kube-apiserver, as far as it makes tokens of the emulator's issuer."""

    def __init__(self, entra: Entra, status: int = 201) -> None:
        super().__init__()
        self.entra = entra
        self.status = status

    async def request(self, method: str, path: str, **options: Any) -> Reply:
        token = self.entra.issuer.token(subject=SUBJECT)
        body = {"status": {"token": token}} if self.status == 201 else {"message": "serviceaccounts/token is forbidden"}
        return Reply(self.status, json.dumps(body).encode())


@pytest.fixture
def entra(monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    """An emulator under Microsoft's names."""
    with running() as found, proxying(routes=found.routes) as proxy:
        monkeypatch.setenv("SSL_CERT_FILE", str(found.ca_file))
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        yield found


async def proved(
    entra: Entra, application: Application, *, seconds: float = 60.0, status: int = 201, consented: bool = True
) -> Verdict:
    """The verdict of a proof that waits on the emulator's clock."""

    async def sleep(pause: float) -> None:
        entra.clock.advance(pause)

    proof = Proof(Cluster(entra, status), seconds, sleep=sleep)
    sign_in = SignIn(application.client_id, application.tenant_id, CLOUDS["public"])
    return await proof.verdict(desired(), sign_in, consented=consented)


async def test_a_credential_that_is_new_is_waited_for(entra: Entra) -> None:
    """As long as was said, and not longer."""
    for seconds, kind in ((60.0, kinds.SIGNED_IN), (0.0, kinds.NO_SIGN_IN_YET)):
        application = entra.application(roles=[GROUPS.name])
        application.federate(issuer=entra.issuer.url, subject=SUBJECT, delay=20)
        assert (await proved(entra, application, seconds=seconds)).message.kind is kind


async def test_what_waiting_does_not_help_ends_at_once(entra: Entra) -> None:
    """In the doctor's words."""
    application = entra.application(disabled=True)
    before, began = entra.clock(), time.monotonic()
    found = await proved(entra, application)
    assert "[WIH309]" in found.message.text
    assert entra.clock() - before < time.monotonic() - began + 1


async def test_consent_that_is_not_in_the_token_yet_is_waited_for(entra: Entra) -> None:
    """Unless an administrator still has to give it."""
    application = entra.application(roles=["User.Read.All"])
    application.federate(issuer=entra.issuer.url, subject=SUBJECT)
    found = await proved(entra, application)
    assert (found.message.kind, found.message.values["permissions"]) == (kinds.ROLES_NOT_YET, GROUPS.name)
    assert (await proved(entra, application, consented=False)).message.kind is kinds.SIGNED_IN


async def test_a_token_that_may_not_be_asked_for_is_no_failure(entra: Entra) -> None:
    """Everything is set up; the reason is said."""
    found = await proved(entra, entra.application(), status=403)
    assert found.message.kind is kinds.NOT_SIGNED_IN
    assert "serviceaccounts/token is forbidden" in found.message.text


async def test_graph_that_does_not_take_the_token_is_a_failure(entra: Entra) -> None:
    application = entra.application(roles=[GROUPS.name])
    application.federate(issuer=entra.issuer.url, subject=SUBJECT)
    entra.next("graph", status=401, times=None)
    assert (await proved(entra, application, seconds=5.0)).message.code == "WI875"
