"""Runs of `onboard` that are killed between two requests to Graph."""

import functools
from typing import Any

import pytest

from webhook.entra.rest import Rest


class Killed(BaseException):
    """Stands for a kill: nothing in the program handles it."""


class Kills:
    """Kills a run when `left` more requests to Graph have been answered. left: 0 for never."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        real = Rest.request

        @functools.wraps(real)
        async def request(rest: Rest, *arguments: Any, **options: Any) -> Any:
            answer = await real(rest, *arguments, **options)
            self.left -= 1
            if self.left == 0:
                raise Killed
            return answer

        monkeypatch.setattr(Rest, "request", request)
