"""How `onboard` knows again what it made: tags of the application.

    m365wi                          made or changed by this tool
    m365wi:1a2b3c4d                 the application was made for the ServiceAccount with this mark
    m365wi:1a2b3c4d:Group.Read.All  the permission is there for that ServiceAccount

If two ServiceAccounts have one application, each has tags of its own: a permission that was added for one of them, and
that the other needs, too, has a tag of both, and goes when the last of them goes.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from webhook.entra.mark import WORD
from webhook.onboarding.permissions import Permission

TOOL: Final = WORD


def made(mark: str) -> str:
    """The tag of an application that was made for a ServiceAccount."""
    return f"{TOOL}:{mark}"


def needed(mark: str, permission: str) -> str:
    """The tag of a permission that is there for a ServiceAccount."""
    return f"{TOOL}:{mark}:{permission}"


def is_made(tags: Iterable[str], mark: str) -> bool:
    """Whether the application was made for the ServiceAccount with this mark."""
    return made(mark) in tags


def users(tags: Iterable[str], permission: str) -> set[str]:
    """The marks of those that need `permission`."""
    parts = (tag.split(":", 2) for tag in tags)
    return {part[1] for part in parts if len(part) == 3 and part[0] == TOOL and part[2] == permission}


def others(tags: Iterable[str], mark: str) -> set[str]:
    """The marks of all other ServiceAccounts that have a tag."""
    parts = (tag.split(":", 2) for tag in tags)
    return {part[1] for part in parts if len(part) >= 2 and part[0] == TOOL} - {mark}


def with_permissions(
    tags: Sequence[str], mark: str, added: Iterable[Permission], present: Iterable[Permission]
) -> list[str]:
    """The tags, once permissions were `added`. present: those that were there before, and are needed as well.

    What was there before and has no tag is not ours, and gets none.
    """
    ours = [*added, *(each for each in present if users(tags, each.name))]
    wanted = [needed(mark, each.name) for each in ours]
    return [*dict.fromkeys([*tags, *([TOOL] if wanted else []), *wanted])]


def without(tags: Iterable[str], mark: str) -> list[str]:
    """The tags without those of a ServiceAccount; without any of the tool's if it was the last."""
    kept = [tag for tag in tags if tag != made(mark) and not tag.startswith(f"{TOOL}:{mark}:")]
    return kept if any(tag.startswith(f"{TOOL}:") for tag in kept) else [tag for tag in kept if tag != TOOL]
