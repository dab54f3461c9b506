"""WI1xx: annotations of ServiceAccounts and pods, and the identity that they make."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

CLIENT_ID_MISSING: Final = Kind(
    "WI101",
    Severity.WARNING,
    "no client id: annotation {annotation} is missing on {object}",
    fix="kubectl annotate {command} {annotation}=GUID",
    help="A pod without a client id does not know which application it is. It gets its token and the other variables.",
)
