"""Annotations that have no effect where they stand: misspelt, on the wrong object, or really a label."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Final

from webhook.core import names
from webhook.core.annotations import Annotations
from webhook.core.messages import Message, message
from webhook.core.messages.annotations import LABEL_AS_ANNOTATION, MISPLACED_ANNOTATION, UNKNOWN_ANNOTATION

_EFFECTIVE: Final = {"Pod": names.POD_ANNOTATIONS, "ServiceAccount": names.ACCOUNT_ANNOTATIONS}
_OTHER: Final = {"Pod": "ServiceAccount", "ServiceAccount": "Pod"}
_KNOWN: Final = sorted(names.ACCOUNT_ANNOTATIONS | names.POD_ANNOTATIONS)
# A stranger may send thousands of annotations; comparing spellings is the only work that grows with them.
_SPELLINGS_COMPARED: Final = 20
_LONGEST_COMPARED: Final = 100  # characters; the longest known annotation has 56
_PREFIXES: Final = (names.AZURE_PREFIX, names.M365_PREFIX)
_LONGEST_PREFIX: Final = 40  # characters; ours have 23
_SIMILAR_PREFIX: Final = 0.85
_SIMILAR: Final = 0.8  # of 1: `client_id` and `tenant` resemble a known name, `event` does not resemble `env`


def near_misses(annotations: Annotations) -> Iterator[Message]:
    """A warning for each annotation under our prefixes, or one like them, that has no effect on this object."""
    compared = 0
    effective = _EFFECTIVE[annotations.kind]
    elsewhere = _OTHER[annotations.kind]
    for key in annotations.values:
        if key in effective:
            continue
        if not key.startswith((names.AZURE_PREFIX, names.M365_PREFIX)):
            if compared < _SPELLINGS_COMPARED and _may_be_near(key):
                compared += 1
                meant = _meant_with_prefix(key)
                if meant:
                    yield _unknown(annotations, key, meant)
            continue
        if key in _EFFECTIVE[elsewhere]:
            yield message(MISPLACED_ANNOTATION, annotations.place(key), kind=annotations.kind, owner=elsewhere)
        elif compared < _SPELLINGS_COMPARED:
            compared += 1
            meant = _meant(key)
            if meant:
                yield _unknown(annotations, key, meant)


def _unknown(annotations: Annotations, key: str, meant: str) -> Message:
    """The message for an annotation that means another one, or the label."""
    place = annotations.place(key)
    if meant == names.USE_LABEL:
        return message(LABEL_AS_ANNOTATION, place)
    # The prefix is said only if it is what is wrong: kube-apiserver passes on 120 characters.
    prefix = key.partition("/")[0] + "/"
    prefix = prefix if meant.startswith(prefix) else ""
    similar = meant.removeprefix(prefix)
    return message(UNKNOWN_ANNOTATION, place, unknown=key.removeprefix(prefix), similar=similar, meant=meant)


def concerns_us(keys: Iterable[str]) -> bool:
    """Whether one of the annotations `keys` has our prefix, or one that is misspelt, as `azure.worklod.identity/`."""
    compared = 0
    for key in keys:
        if key.startswith(_PREFIXES):
            return True
        if compared < _SPELLINGS_COMPARED and _may_be_near(key):
            compared += 1
            if _near_prefix(key.partition("/")[0]):
                return True
    return False


def _may_be_near(key: str) -> bool:
    """Whether it is worth to compare the prefix of `key` with ours; one that is misspelt has one of the two words."""
    return 0 < key.find("/") <= _LONGEST_PREFIX and ("workload" in key or "identity" in key)


def similar_prefix(prefix: str) -> str:
    """Our prefix that `prefix`, without its slash, is or resembles; "" if it does not resemble one."""
    return _near_prefix(prefix) if len(prefix) < _LONGEST_PREFIX else ""


# The prefixes of a cluster's annotations are few; those of a stranger may be many.
@lru_cache(maxsize=256)
def _near_prefix(prefix: str) -> str:
    """Our prefix that `prefix` resembles, or ""."""
    close = difflib.get_close_matches(prefix + "/", _PREFIXES, n=1, cutoff=_SIMILAR_PREFIX)
    return close[0] if close else ""


def _meant_with_prefix(key: str) -> str:
    """The annotation that `key`, with a misspelt prefix, stands for, or ""."""
    prefix, _, spelled = key[:_LONGEST_COMPARED].partition("/")
    near = _near_prefix(prefix)
    return _meant(near + spelled) if near else ""


def _meant(key: str) -> str:
    """The annotation that `key` is a misspelling of, or ""; one with the prefix that it has is likelier.

    The label is one, if it is spelled right.
    """
    prefix, _, spelled = key[:_LONGEST_COMPARED].partition("/")
    if _letters(spelled) == "use":
        return names.USE_LABEL
    return similar_name(spelled, _KNOWN, prefix + "/")


def similar_name(spelled: str, known: Collection[str], prefix: str) -> str:
    """The one of `known` that `spelled`, without a prefix, resembles, or ""; one with `prefix` is likelier."""
    for same in (True, False):
        names_by_letters = {_letters(each.partition("/")[2]): each for each in known if each.startswith(prefix) is same}
        close = difflib.get_close_matches(_letters(spelled), names_by_letters, n=1, cutoff=_SIMILAR)
        if close:
            return names_by_letters[close[0]]
    return ""


def _letters(name: str) -> str:
    return re.sub("[-_.]", "", name).lower()
