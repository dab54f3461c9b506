"""Where ServiceAccounts come from: what every source offers, and an Account from JSON or YAML."""

from typing import Any, Final, Protocol

from webhook.core.identity import Account
from webhook.core.messages import Message, Place, manifests, message
from webhook.core.near_misses import concerns_us
from webhook.documents import metadata as texts

_ANY_PLACE: Final = Place("ServiceAccount")


class LookupFailed(Exception):
    """The ServiceAccount could not be looked up in time. The message is one line for the operator."""


class AccountSource(Protocol):
    """Finds ServiceAccounts by namespace and name."""

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        """The ServiceAccount, or None if it does not exist. Raises LookupFailed, after `seconds` at the latest."""


class BadAccount(ValueError):
    """A document that is not a ServiceAccount, or one that kube-apiserver would refuse."""

    def __init__(self, problem: Message) -> None:
        self.problem = problem
        super().__init__(str(problem))


def account_from(document: Any, *, place: Place = _ANY_PLACE) -> Account:
    """An Account from the JSON or YAML of a ServiceAccount. Raises BadAccount, whose message names `place`."""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise BadAccount(message(manifests.ACCOUNT_WITHOUT_NAME, place))
    annotations = metadata.get("annotations") or {}
    if not isinstance(annotations, dict):
        raise BadAccount(message(manifests.ANNOTATIONS_NOT_TEXTS, place))
    annotations = texts.texts(annotations)
    for key, value in annotations.items():
        if not isinstance(value, str):
            raise BadAccount(texts.problem(place, "annotation", key, value))
    ours = {k: v for k, v in annotations.items() if concerns_us((k,))}
    return Account(str(metadata.get("namespace") or "default"), metadata["name"], ours)
