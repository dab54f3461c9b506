"""Each setting of an identity, its value, and where the value comes from, by the precedence of `core.identity`."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from webhook.core import names
from webhook.core.annotations import Annotations, pod_annotations
from webhook.core.identity import Account, Identity, read_identity
from webhook.core.policy import Policy
from webhook.core.reader import Reader
from webhook.core.review import Request
from webhook.core.text import shown

_DEFAULT: Final = "the default"
_POLICY: Final = "the webhook's setting"


class Setting(NamedTuple):
    """A setting. value: "" if it is not set. source: where the value comes from, in words."""

    title: str
    value: str
    source: str


def settings(request: Request, account: Account, policy: Policy) -> tuple[Setting, ...]:
    """Those of the pod; none if an annotation makes no sense."""
    identity = read_identity(request, account, policy).identity
    return tuple(_settings(request, account, identity, policy)) if identity else ()


def _settings(request: Request, account: Account, identity: Identity, policy: Policy) -> Iterator[Setting]:
    reader = Reader(pod_annotations(request), Annotations("ServiceAccount", str(account), account.annotations))

    def row(title: str, value: object, *keys: str, otherwise: str) -> Setting:
        found = next((each for key in keys if (each := reader.either(key))), None)
        text = shown(value)
        if not text:
            return Setting(title, "", "not set")
        return Setting(title, text, f"{found.key} on {found.owner}" if found else otherwise)

    default = Policy()
    yield row("client id", identity.client_id, names.CLIENT_ID, names.AZURE_CLIENT_ID, otherwise=_DEFAULT)
    yield row("tenant id", identity.tenant_id, names.TENANT_ID, names.AZURE_TENANT_ID, otherwise=_POLICY)
    cloud = _DEFAULT if policy.cloud == default.cloud else _POLICY
    yield row("cloud", identity.cloud.name, names.CLOUD, otherwise=cloud)
    yield row("sign-in method", identity.auth_method, names.AUTH_METHOD, otherwise=_DEFAULT)
    families = _DEFAULT if policy.env == default.env else _POLICY
    yield row("families of variables", ", ".join(identity.families), names.ENV, otherwise=families)
    audience = _POLICY if policy.audience else "the cloud"
    yield row("audience of the token", identity.audience, names.AUDIENCE, otherwise=audience)
    seconds = f"{identity.token_expiration} s"
    yield row("lifetime of the token", seconds, names.TOKEN_EXPIRATION, otherwise=_DEFAULT)
