"""Bodies that hold memory: parsed many times their text, announced and not finished, or waiting for a look-up."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.client import Client, post
from tests.server.conftest import Server

pytestmark = pytest.mark.slow

KIB = 1024
MIB = 1024 * KIB
VALUES = {"lists": "[],", "objects": "{},", "members": '{"":0},', "strings": '["a"],', "nested": "[[0]],"}


def resident(server: Server) -> int:
    """Bytes of memory that the worker holds."""
    return int(Path(f"/proc/{server.worker}/statm").read_text().split()[1]) * 4096


def bomb(values: str, size: int, **more: object) -> bytes:
    """A body of `size` bytes with as many of `values` as fit."""
    frame = json.dumps({**more, "x": []})
    return frame.replace("[]", "[" + values * ((size - len(frame) - 1) // len(values)) + "0]").encode()


@contextlib.contextmanager
def begun(server: Server, count: int, body: bytes) -> Iterator[list[Client]]:
    """So many connections that have sent all of `body` but its last byte."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(count)]
        for client in clients:
            client.send(post(body)[:-1])
        yield clients


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_a_body_that_would_take_too_much_is_refused_before_it_is_parsed(
    serve: Callable[..., Server], values: str
) -> None:
    """Four of 6.5 MiB: memory for their text is used, and none for what is in them."""
    server = serve().ready()
    assert server.ask().status == 200
    before = resident(server)
    for _ in range(4):
        assert server.ask(bomb(values, 6 * MIB + 512 * KIB)).status == 413
    assert server.refused("size") == 4
    assert resident(server) - before < 30 * MIB
    assert server.ask().status == 200


def test_bodies_that_wait_for_a_look_up_are_bounded(serve: Callable[..., Server], tmp_path: Path) -> None:
    """200 of 64 KiB, each of them 1.5 MB when parsed: what does not fit is refused at once."""
    server = serve().ready()
    assert server.ask().status == 200
    before, statuses = resident(server), []
    body = bomb(VALUES["lists"], 64 * KIB, until=str(tmp_path / "found"))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(200)]
        for client in clients:
            client.send(post(body))
        server.wait_until(lambda: server.refused("memory") > 100)
        assert resident(server) - before < 110 * MIB
        assert server.ask().status in (200, 503)
        (tmp_path / "found").touch()
        statuses = [client.response().status for client in clients]
    assert set(statuses) == {200, 503}
    assert server.ask(body).status == 200


def test_slow_bodies_do_not_take_the_room_of_others(serve: Callable[..., Server]) -> None:
    """16 bodies of 6 MiB that never end, and 30 reviews of 100 KB: none of these is refused."""
    server = serve().ready()
    with begun(server, 16, json.dumps({"x": "x" * 6 * MIB}).encode()):
        statuses: list[int] = []
        body = json.dumps({"x": [{"name": f"E{n}", "value": "x" * 20} for n in range(2200)], "sleep": 0.1}).encode()
        threads = [threading.Thread(target=lambda: statuses.append(server.ask(body).status)) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 30
        assert server.ask(json.dumps({"x": "x" * 3 * MIB}).encode()).status == 200
