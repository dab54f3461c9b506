"""Values that a template of Helm, Kustomize or envsubst was to fill in, and that are still there."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from webhook.core import names
from webhook.core.messages import Kind, Message, message
from webhook.core.messages.lint import SUBSTITUTION_LEFT, TEMPLATE_LEFT
from webhook.core.text import quoted
from webhook.offline.lint.findings import Finding, found
from webhook.offline.lint.objects import Object

_LEFT: Final = {
    TEMPLATE_LEFT: re.compile(r"\{\{.*?\}\}|\$\([A-Za-z_][\w.-]*\)", re.DOTALL),
    SUBSTITUTION_LEFT: re.compile(r"\$\{[A-Za-z_]\w*([:=#%/-][^{}]*)?\}"),
}
_LONGEST: Final = 4096  # characters of a value that are looked at
# What stands for a value until it is filled in, so that the rest of the object can be judged.
_STAND_INS: Final[Mapping[str, str]] = {
    names.AZURE_CLIENT_ID: "11111111-1111-4111-8111-111111111111",
    names.CLIENT_ID: "11111111-1111-4111-8111-111111111111",
    names.AZURE_TENANT_ID: "22222222-2222-4222-8222-222222222222",
    names.TENANT_ID: "22222222-2222-4222-8222-222222222222",
}
_OURS: Final = names.POD_ANNOTATIONS | names.ACCOUNT_ANNOTATIONS | {names.USE_LABEL, names.INJECT_LABEL}


def kind_of(value: str) -> Kind | None:
    """What is left in `value`, or None."""
    return next((kind for kind, pattern in _LEFT.items() if pattern.search(value[:_LONGEST])), None)


def left_message(value: str, what: str) -> Message | None:
    """What there is to say of a value with something left in it."""
    kind = kind_of(value)
    return message(kind, what=what, value=quoted(value)) if kind else None


def leftovers(each: Object, *steps: str) -> Iterator[Finding]:
    """Of our labels and annotations in the metadata at `steps`."""
    for group in ("labels", "annotations"):
        for key, value in each.texts(*steps, group).items():
            if key in _OURS and (left := left_message(value, f"{group.removesuffix('s')} {key}")):
                yield found(left, each.place(*steps, group, key), each.manifest, each.title)


def filled(annotations: Mapping[str, str]) -> dict[str, str]:
    """`annotations` with something valid in place of what is left; without it if there is nothing to put there."""
    result = {}
    for key, value in annotations.items():
        if key not in _OURS or kind_of(value) is None:
            result[key] = value
        elif key in _STAND_INS:
            result[key] = _STAND_INS[key]
    return result


def presumed() -> dict[str, str]:
    """The annotations of a ServiceAccount that is not known: nothing is wrong with them."""
    return {key: _STAND_INS[key] for key in (names.AZURE_CLIENT_ID, names.AZURE_TENANT_ID)}
