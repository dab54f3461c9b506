"""A value of an annotation as a message may show it: whole, unless it may be a secret that was pasted by mistake.

Every client that reaches the webhook's port can name a ServiceAccount and read what is wrong with its annotations. What
people put there by mistake is the name of an application, a GUID with a typo, a URL, or, worst, its secret.
"""

import re
from typing import Final

from webhook.core.text import quoted

_BEGINNING: Final = 4  # characters shown of a secret, or a quarter if it is short: enough to find it again
_LONGEST: Final = 200  # characters; more than the longest message about a value shows, and an annotation has 256 KiB
# Characters of names, URLs and placeholders. A secret of Entra has "~", base64 often has "+" or "=".
_NAME: Final = re.compile(r"[\w\s.:/@,;<>(){}$-]*")
# A GUID, or one with a few characters too many, too few or wrong: it is made at random, but it is not a secret.
_LIKE_A_GUID: Final = re.compile(
    r"(?<![A-Za-z0-9])[0-9A-Za-z]{6,10}(-[0-9A-Za-z]{2,6}){3}-[0-9A-Za-z]{10,14}(?![A-Za-z0-9])"
)
_WRONG_IN_A_GUID: Final = 2  # characters that are not hexadecimal digits, such as the letter O for a zero
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
# What people write: `contoso`, `ContosoProd`, `AzureUSGovernment`, `PROD01`, `2024`, `k8s`. Random characters change
# between capitals, small letters and digits more often.
_WRITTEN: Final = re.compile(
    r"([A-Z]?[a-z]+|[A-Z]{1,8}|[A-Z]{2,6}[a-z]{3,})([A-Z][a-z]{2,}|[A-Z]{2,3}[a-z]{4,}){0,3}(Id)?[0-9]{0,4}"
    r"|[0-9]{1,8}|k8s"
)
_UNPRONOUNCEABLE: Final = re.compile(r"[b-df-hj-np-tv-xz]{6}", re.IGNORECASE)
_FEW: Final = 4  # different letters and digits; `xxxxxxxx` and a GUID of ones are examples
_SHORTEST_SECRET: Final = 10  # letters and digits; names as short as `MyApp2Go` may be written in any way
# Two short words beside each other are words of a name, such as `my-app`; more than half of them are not one.
_SHORT_WORD: Final = 2


def is_likely_secret(text: str) -> bool:
    """Whether `text` may be a password, a key or a token. Some names look the same: they are taken for secrets."""
    if len(text) > _LONGEST or not _NAME.fullmatch(text):
        return True
    rest = _LIKE_A_GUID.sub(lambda found: "" if _is_nearly_hexadecimal(found[0]) else found[0], text)
    words = _WORD.findall(_NOT_ASCII.sub("a", rest))
    if sum(map(len, words)) < _SHORTEST_SECRET or len(set().union(*words)) <= _FEW:
        return False
    short = sum(len(word) <= _SHORT_WORD for word in words)
    return 2 * short > len(words) or not all(map(_is_written, words))


def quoted_unless_secret(text: str) -> str:
    """`text` in double quotes; of a likely secret the first characters and the length."""
    if not is_likely_secret(text):
        return quoted(text)
    beginning = text[: min(_BEGINNING, len(text) // 4)]
    return f"{quoted(beginning + '...')} ({len(text)} characters, not shown: it may be a secret)"


def _is_nearly_hexadecimal(text: str) -> bool:
    return sum(each not in "0123456789abcdefABCDEF-" for each in text) <= _WRONG_IN_A_GUID


def _is_written(word: str) -> bool:
    return bool(_WRITTEN.fullmatch(word)) and not _UNPRONOUNCEABLE.search(word)
