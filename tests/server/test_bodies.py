"""Bodies in memory: in pieces, too big, and too many at once."""

from typing import Any

import pytest

from webhook.server.bodies import MAX_BODY, Bodies, NoRoom, TooBig

KIB = 1024


def receiver(*pieces: bytes, ends: bool = True) -> Any:
    """ASGI's `receive` for a body in these pieces; without `ends` its client then goes away."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if ends:
        messages[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


async def test_only_what_exceeds_64_kib_is_held() -> None:
    """A usual pod's review never waits for room."""
    bodies = Bodies(budget=0)
    assert await bodies.read(receiver(b"x" * 64 * KIB)) == (b"x" * 64 * KIB, 0)
    assert await bodies.read(receiver(b"a", b"", b"bc")) == (b"abc", 0)
    with pytest.raises(NoRoom):
        await bodies.read(receiver(b"x" * 65 * KIB))


async def test_what_a_body_held_is_given_back() -> None:
    """When it is answered, when it is refused, and when its client goes."""
    bodies = Bodies(budget=MAX_BODY)
    body = b"x" * 1000 * KIB
    for _ in range(10):
        found, held = await bodies.read(receiver(body))
        assert (len(found or b""), held) == (1000 * KIB, 936 * KIB)
        bodies.release(held)
        assert await bodies.read(receiver(body, ends=False)) == (None, 0)
        with pytest.raises(TooBig):
            await bodies.read(receiver(body, b"x" * MAX_BODY))
    await bodies.read(receiver(b"x" * MAX_BODY))
    with pytest.raises(NoRoom):
        await bodies.read(receiver(body))
