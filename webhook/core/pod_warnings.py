"""Warnings that depend on what a pod's containers are and set themselves."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from webhook.core.families import CLOUD_VARIABLE, FAMILIES, M365
from webhook.core.identity import Identity
from webhook.core.messages import Message, Place, message
from webhook.core.messages.annotations import TENANT_ID_MISSING
from webhook.core.messages.pods import PROVIDER_WITHOUT_CLOUD
from webhook.core.own_containers import is_set

_CLOUDS: Final = frozenset({CLOUD_VARIABLE, "AZURE_CLOUD"})
_TENANTS: Final = frozenset(family.tenant for family in FAMILIES.values())
_TERRAFORM: Final = re.compile(r"terraform|terragrunt|tofu|atlantis", re.IGNORECASE)
_LONGEST: Final = 4096  # characters of an argument that are looked at


def provider_warnings(containers: Sequence[Mapping[str, Any]], identity: Identity) -> Iterator[Message]:
    """A warning for each container that looks like Terraform, if no variable tells its provider the cloud."""
    if M365 in identity.families:
        return
    for container in containers:
        if _is_terraform(container) and not _sets(container, _CLOUDS):
            place = Place.of_container(container.get("name"))
            yield message(PROVIDER_WITHOUT_CLOUD, place, cloud=identity.cloud.name)


def without_needless(warnings: tuple[Message, ...], containers: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """`warnings` without that of a missing tenant, if every container sets its tenant itself."""
    if not any(each.kind is TENANT_ID_MISSING for each in warnings):
        return warnings
    if not all(_sets(container, _TENANTS) for container in containers):
        return warnings
    return tuple(each for each in warnings if each.kind is not TENANT_ID_MISSING)


def _sets(container: Mapping[str, Any], names: frozenset[str]) -> bool:
    """Whether the container sets one of these variables, by value or by reference."""
    return any(entry.get("name") in names and is_set(entry) for entry in container.get("env") or ())


def _is_terraform(container: Mapping[str, Any]) -> bool:
    """By its name, image, command and arguments, and by the variables that only Terraform reads."""
    texts = [container.get("name"), container.get("image")]
    for field in ("command", "args"):
        words = container.get(field)
        texts += words if isinstance(words, list) else []
    if any(isinstance(text, str) and _TERRAFORM.search(text[:_LONGEST]) for text in texts):
        return True
    names = (entry.get("name") for entry in container.get("env") or ())
    return any(isinstance(name, str) and name.startswith("TF_") for name in names)
