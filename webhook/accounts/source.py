"""Where ServiceAccounts come from: what every source offers, and an Account from JSON or YAML."""

from typing import Any, Protocol

from webhook.core import names
from webhook.core.identity import Account


class LookupFailed(Exception):
    """Whether there is a ServiceAccount could not be found out in time. One line, for whoever runs the webhook."""


class AccountSource(Protocol):
    """Where ServiceAccounts come from."""

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        """The ServiceAccount, None when there is none. Raises LookupFailed, at the latest after `seconds`."""


def account_from(document: Any, *, place: str = "ServiceAccount") -> Account:
    """An Account from the JSON or YAML of a ServiceAccount. Raises ValueError that names `place`."""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise ValueError(f"{place}: expected a ServiceAccount with metadata.name")
    annotations = metadata.get("annotations") or {}
    if not isinstance(annotations, dict):
        raise ValueError(f"{place}: metadata.annotations: expected an object of strings")
    annotations = {key: "" if value is None else value for key, value in annotations.items()}  # as kube-apiserver does
    for key, value in annotations.items():
        if not isinstance(value, str):
            raise ValueError(f"{place}: annotation {key} is {value!r}, expected a string: put it in quotes")
    ours = {k: v for k, v in annotations.items() if k.startswith((names.AZURE_PREFIX, names.M365_PREFIX))}
    return Account(str(metadata.get("namespace") or "default"), metadata["name"], ours)
