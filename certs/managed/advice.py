"""The row of `certs.messages` for each failure of the self-managed mode: what people read, and the fix."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from certs import messages
from certs.errors import CertificateError, Forbidden, NotFound, Rejected
from certs.managed.settings import RotationSettings
from certs.managed.steps import Create, Promote, Publish, RecordLeafEnd, Retire, Sign, Stage, Step
from certs.messages import Problem, ProblemKind, problem

__all__ = ["STEP_AREAS", "Area", "authority_from_the_future", "clock", "explain", "no_webhook", "not_serving"]


class Area(enum.Enum):
    """What a problem is about. Each has at most one problem at a time."""

    TRUST = enum.auto()
    """Reading the webhook configuration."""
    SECRET = enum.auto()
    """Reading the Secret."""
    CREATE = enum.auto()
    PUBLISH = enum.auto()
    RECORD_LEAF_END = enum.auto()
    SIGN = enum.auto()
    RETIRE = enum.auto()
    STAGE = enum.auto()
    PROMOTE = enum.auto()
    WEBHOOK = enum.auto()
    """The configuration has no webhook that is ours."""
    CLOCK = enum.auto()
    AUTHORITY = enum.auto()
    """The authority is not valid yet."""
    LEAF = enum.auto()
    """No trusted leaf is served."""
    DIAL = enum.auto()
    """A fresh connection to ourselves."""


STEP_AREAS: Final[Mapping[type[Step], Area]] = {
    Create: Area.CREATE,
    Publish: Area.PUBLISH,
    RecordLeafEnd: Area.RECORD_LEAF_END,
    Sign: Area.SIGN,
    Retire: Area.RETIRE,
    Stage: Area.STAGE,
    Promote: Area.PROMOTE,
}
_WRITES: Final = (Area.CREATE, Area.RECORD_LEAF_END, Area.RETIRE, Area.STAGE, Area.PROMOTE)
_BY_ERROR: Final[Mapping[tuple[Area, type[CertificateError]], ProblemKind]] = {
    **{(area, Forbidden): messages.SECRET_UPDATE_FORBIDDEN for area in _WRITES},
    **{(area, Rejected): messages.SECRET_REJECTED for area in _WRITES},
    (Area.CREATE, Forbidden): messages.SECRET_CREATE_FORBIDDEN,
    (Area.SECRET, Forbidden): messages.SECRET_GET_FORBIDDEN,
    (Area.TRUST, Forbidden): messages.CONFIGURATION_GET_FORBIDDEN,
    (Area.TRUST, NotFound): messages.CONFIGURATION_ABSENT,
    (Area.PUBLISH, Forbidden): messages.BUNDLE_PATCH_FORBIDDEN,
    (Area.PUBLISH, Rejected): messages.BUNDLE_REJECTED,
}
_BY_AREA: Final[Mapping[Area, ProblemKind]] = {
    **dict.fromkeys(_WRITES, messages.SECRET_NOT_WRITTEN),
    Area.SECRET: messages.SECRET_UNREADABLE,
    Area.TRUST: messages.CONFIGURATION_UNREADABLE,
    Area.PUBLISH: messages.BUNDLE_NOT_WRITTEN,
    Area.SIGN: messages.NO_LEAF_SIGNED,
    Area.DIAL: messages.DIAL_FAILED,
}


def explain(area: Area, error: CertificateError, settings: RotationSettings) -> Problem:
    """The problem that `error` is, in an area of reading, of a step or of the dial."""
    namespace, _, name = settings.secret.partition("/")
    return problem(
        _BY_ERROR.get((area, type(error)), _BY_AREA[area]),
        secret=settings.secret,
        namespace=namespace,
        name=name,
        configuration=settings.configuration,
        reason=error,
    )


def no_webhook(settings: RotationSettings) -> Problem:
    """The configuration has no webhook that is ours."""
    names = f" or is called {', '.join(sorted(settings.webhooks))}" if settings.webhooks else ""
    expected = f"calls Service {settings.service}{names}"
    return problem(messages.NO_WEBHOOK, configuration=settings.configuration, expected=expected)


def clock(offset: timedelta, settings: RotationSettings) -> Problem:
    """The clock here is far from the API server's."""
    direction = "ahead of" if offset > timedelta(0) else "behind"
    return problem(messages.CLOCK_DIFFERS, skew=settings.skew, direction=direction)


def authority_from_the_future(not_before: datetime, settings: RotationSettings) -> Problem:
    """The authority in the Secret is not valid yet."""
    when = f"{not_before:%Y-%m-%d %H:%M:%SZ}"
    return problem(messages.AUTHORITY_FROM_THE_FUTURE, secret=settings.secret, not_before=when)


def not_serving(settings: RotationSettings) -> Problem:
    """No trusted leaf is served, and no other problem explains it."""
    return problem(messages.NOT_SERVING, secret=settings.secret)
