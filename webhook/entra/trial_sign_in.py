"""Whether a ServiceAccount can sign in, seen by doing it: as in a pod, but with a token that kube-apiserver makes now.

The helper (`m365_identity`) judges Entra's answer, so a failure reads as `m365-identity doctor` says it in the pod.
Neither the ServiceAccount's token nor the access token is ever part of a message, or of an exception.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from m365_identity import _failures
from m365_identity._advice.advise import Situation, advise
from m365_identity._attempts import may_heal
from m365_identity._failures import Failure, FailureKind
from m365_identity._tokens import access_token, assertion
from m365_identity.clouds import CLOUDS
from m365_identity.errors import Advice
from m365_identity.settings import Settings
from webhook.cluster.kube import Kube, Unavailable
from webhook.core.clouds import Cloud
from webhook.core.identity import Account
from webhook.entra.sessions import proxy_for, session

_SECONDS: Final = 30.0  # of one request
_TOKEN_SECONDS: Final = 600  # the shortest life that kube-apiserver gives a token
_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NEW_APPLICATION: Final = frozenset({700016, 7000229, 7000112})
_OLD_CREDENTIAL: Final = frozenset({700212, 7002138})  # another audience, other letters


class NoToken(Exception):
    """kube-apiserver does not make a token for the ServiceAccount. One line; status: of its answer, 0 without one."""

    def __init__(self, reason: str, status: int = 0) -> None:
        self.status = status
        super().__init__(reason)


@dataclass(frozen=True)
class AccessToken:
    """What Entra gave. roles: None if the token cannot be read, which Entra is free to cause."""

    text: str = field(repr=False)
    roles: tuple[str, ...] | None


@dataclass(frozen=True)
class Refusal:
    """Why Entra gave nothing. heals: whether waiting may help."""

    advice: Advice
    heals: bool


async def account_token(kube: Kube, account: Account, audience: str) -> str:
    """A token for the ServiceAccount, as the kubelet asks for it. Raises NoToken."""
    path = f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}/token"
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": _TOKEN_SECONDS},
    }
    try:
        reply = await kube.request("POST", path, seconds=_SECONDS, body=body)
        if reply.status != 201:
            raise NoToken(reply.reason(), reply.status)
        return str(reply.json()["status"]["token"])
    except Unavailable as error:
        raise NoToken(str(error)) from None


@dataclass(frozen=True)
class SignIn:
    """Who signs in, and where.

    authority: instead of the cloud's login host. young: the application may be new. changed: its credentials may have
    been corrected a moment ago, so that Entra still compares with the old ones.
    """

    client: str
    tenant: str
    cloud: Cloud
    authority: str = ""
    young: bool = False
    changed: bool = False

    async def attempt(self, token: str) -> AccessToken | Refusal:
        """One exchange of the ServiceAccount's token for an access token to Microsoft Graph."""
        settings = self.settings()
        url = f"{settings.authority}{self.tenant}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client,
            "scope": settings.scope,
            "client_assertion_type": _JWT_BEARER,
            "client_assertion": token,
        }
        answer = await _post(url, form)
        if isinstance(answer, dict):
            return _access_token(answer["access_token"])
        passing = (_NEW_APPLICATION if self.young else frozenset()) | (_OLD_CREDENTIAL if self.changed else frozenset())
        heals = may_heal(answer) or not passing.isdisjoint(answer.codes)
        return Refusal(self.advice(answer, assertion.decode(token)), heals)

    def refusal(self, code: int, issuer: str, subject: str, audience: str) -> Advice:
        """What the doctor says if Entra refuses a token of this issuer, subject and audience with an AADSTS number."""
        token = assertion.Assertion(issuer=issuer, subject=subject, audiences=(audience,), issued=None, expires=None)
        return self.advice(Failure(kind=FailureKind.REFUSED, description="", codes=(code,)), token)

    def settings(self) -> Settings:
        """The same as those of a helper in the pod."""
        return Settings(
            tenant_id=self.tenant,
            client_id=self.client,
            token_file=Path("azure-identity-token"),
            cloud=CLOUDS[self.cloud.name],
            authority=f"{(self.authority or self.cloud.authority).rstrip('/')}/",
            graph=self.cloud.graph,
        )

    def advice(self, failure: Failure, token: assertion.Assertion) -> Advice:
        """What the doctor says of such a failure."""
        settings = self.settings()
        return advise(
            failure,
            Situation(settings=settings, tenant_id=self.tenant, scope=settings.scope, assertion=token, now=time.time()),
        )


async def _post(url: str, form: dict[str, str]) -> dict[str, Any] | Failure:
    """The answer of the token endpoint if it holds a token."""
    try:
        async with session() as client:
            timeout = aiohttp.ClientTimeout(_SECONDS)
            async with client.post(
                url, data=form, timeout=timeout, allow_redirects=False, proxy=proxy_for(url)
            ) as response:
                body, status, headers = await response.read(), response.status, response.headers
                failure = _failures.from_answer(status=status, headers=headers, body=body, now=time.time())
                document = await response.json(content_type=None) if failure is None else {}
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return _failures.from_exception(error)
    if failure is None and not isinstance(document.get("access_token"), str):
        return Failure(kind=FailureKind.STRANGE, description="an answer without a token", http_status=status)
    return failure or document


def _access_token(text: str) -> AccessToken:
    try:
        return AccessToken(text, access_token.decode(text).roles)
    except ValueError:
        return AccessToken(text, None)
