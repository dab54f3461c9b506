"""WI8xx: federated identity credentials, and the issuer (`fic`, `issuer`)."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

APPLICATION_UNKNOWN: Final = Kind(
    "WI801",
    Severity.ERROR,
    "{object} has no client id",
    fix="kubectl annotate {command} {annotation}=GUID; or, if only the pods say it: --client-id GUID",
    help="A federated identity credential belongs to an application, and this says which one.",
)
