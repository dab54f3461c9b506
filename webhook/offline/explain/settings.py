"""Each setting of an identity, its value, and where the value comes from, as `core.precedence` says."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from webhook.core.identity import Account, Identity, read_identity
from webhook.core.policy import Policy
from webhook.core.precedence import Annotated, Origin, otherwise
from webhook.core.review import Request
from webhook.core.text import shown

_WORDS: Final = {
    Origin.DEFAULT: "the default",
    Origin.SETTINGS: "the webhook's setting",
    Origin.CLOUD: "the cloud",
}


class Setting(NamedTuple):
    """A setting. value: "" if it is not set. source: where the value comes from, in words."""

    title: str
    value: str
    source: str


def settings(request: Request, account: Account, policy: Policy) -> tuple[Setting, ...]:
    """Those of the pod; none if an annotation makes no sense."""
    reading = read_identity(request, account, policy)
    return tuple(_settings(reading.identity, reading.sources, policy)) if reading.identity else ()


def _settings(identity: Identity, sources: Annotated, policy: Policy) -> Iterator[Setting]:
    origins = otherwise(policy)

    def row(title: str, name: str, value: object) -> Setting:
        text, found = shown(value), getattr(sources, name)
        if not text:
            return Setting(title, "", "not set")
        origin = _WORDS[origins.get(name, Origin.DEFAULT)]
        return Setting(title, text, f"{found.key} on {found.owner}" if found else origin)

    yield row("client id", "client_id", identity.client_id)
    yield row("tenant id", "tenant_id", identity.tenant_id)
    yield row("cloud", "cloud", identity.cloud.name)
    yield row("sign-in method", "auth_method", identity.auth_method)
    yield row("families of variables", "families", ", ".join(identity.families))
    yield row("audience of the token", "audience", identity.audience)
    yield row("lifetime of the token", "token_expiration", f"{identity.token_expiration} s")
    if identity.metrics_port:
        yield row("port for metrics", "metrics", identity.metrics_port)
