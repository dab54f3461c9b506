"""Each setting of an identity, its value, and where the value comes from, by the precedence of `core.identity`."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from webhook.core import names
from webhook.core.annotations import Annotations, Value, pod_annotations
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

    def row(title: str, value: object, found: Value | None, otherwise: str) -> Setting:
        text = shown(value)
        if not text:
            return Setting(title, "", "not set")
        return Setting(title, text, f"{found.key} on {found.owner}" if found else otherwise)

    default = Policy()
    client = reader.either(names.CLIENT_ID) or reader.on_account.value(names.AZURE_CLIENT_ID)
    yield row("client id", identity.client_id, client, _DEFAULT)
    tenant = reader.either(names.TENANT_ID) or reader.on_account.value(names.AZURE_TENANT_ID)
    yield row("tenant id", identity.tenant_id, tenant, _POLICY)
    cloud = _DEFAULT if policy.cloud == default.cloud else _POLICY
    yield row("cloud", identity.cloud.name, reader.either(names.CLOUD), cloud)
    yield row("sign-in method", identity.auth_method, reader.either(names.AUTH_METHOD), _DEFAULT)
    families = _DEFAULT if policy.env == default.env else _POLICY
    yield row("families of variables", ", ".join(identity.families), reader.either(names.ENV), families)
    audience = _POLICY if policy.audience else "the cloud"
    yield row("audience of the token", identity.audience, reader.on_account.value(names.AUDIENCE), audience)
    seconds = f"{identity.token_expiration} s"
    yield row("lifetime of the token", seconds, reader.either(names.TOKEN_EXPIRATION), _DEFAULT)
    if identity.metrics_port:
        yield row("port for metrics", identity.metrics_port, reader.either(names.METRICS), _DEFAULT)
