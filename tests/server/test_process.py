"""The life of the process: how it starts, what it survives, and that its end loses no review.

What must not be waited for takes 600 s here, five times as long as `Server.wait` waits.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.client import Client, post
from tests.server.conftest import Server

pytestmark = pytest.mark.slow

Serve = Callable[..., Server]


class Caller(threading.Thread):
    """Posts reviews one after the other, as kube-apiserver does: on one connection until the server ends it."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server
        self.answered = 0
        self.lost: list[str] = []
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                client = self.server.client()
            except OSError:
                return  # no review was on its way
            with client:
                self.use(client)

    def use(self, client: Client) -> None:
        while not self.stop.is_set():
            try:
                response = client.ask({"uid": f"{self.name}-{self.answered}", "sleep": 0.002})
            except OSError as error:
                self.lost.append(repr(error))
                return
            if response.status != 200:
                self.lost.append(f"{response.status} {response.body!r}")
            self.answered += 1
            if response.closes:
                return


def test_sigterm_under_load_loses_no_review(serve: Serve) -> None:
    """While it drains, the server answers on connections old and new, each with `Connection: close`."""
    server = serve(drain={"pause": 1.5, "finish": 5}).ready()
    callers = [Caller(server) for _ in range(8)]
    for caller in callers:
        caller.start()
    server.wait_until(lambda: all(caller.answered > 5 for caller in callers))
    server.process.send_signal(signal.SIGTERM)
    server.wait_for("draining")
    before = [caller.answered for caller in callers]
    assert server.wait() == 0
    for caller in callers:
        caller.join()
    assert [caller.lost for caller in callers] == [[]] * 8
    assert sum(caller.answered for caller in callers) > sum(before) + 8, "the pause served no reviews"


def test_the_pause_serves_old_and_new_connections_alike(serve: Serve) -> None:
    """Ready is off at once, liveness is not, and each late answer ends its connection."""
    server = serve(drain={"pause": 600}).ready()
    with server.client() as old, server.operations() as probe:
        assert not old.ask().closes
        assert probe.get("/readyz").status == 200
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("draining")
        assert old.ask().closes
        assert old.ended()
        with server.client() as new:
            assert new.ask().closes
        readiness = probe.get("/readyz")
        assert (readiness.status, readiness.body.splitlines()[0]) == (503, b"[-] server: draining")
        with server.operations() as second:
            assert second.get("/livez").status == 200
    assert server.end(kill=signal.SIGINT) == 0
    assert server.wait_for("background ended")


def test_idle_connections_do_not_hold_up_the_end(serve: Serve) -> None:
    """They are closed when the pause is over, as are those that stall, in a handshake or in a request."""
    server = serve(drain={"pause": 0.1, "finish": 600}).ready()
    with server.client() as idle, server.client() as stalled, Client(server.port, None) as handshake:
        assert idle.ask().status == 200
        stalled.send(post(b"xx")[:-1])
        handshake.send(b"\x16\x03\x01")
        assert server.end() == 0
        assert idle.ended()
        assert handshake.ended()


def listens(port: int) -> bool:
    """Whether connections are accepted there."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_a_review_under_way_is_finished(serve: Serve, tmp_path: Path) -> None:
    """Long after the listening socket has gone."""
    server = serve(drain={"pause": 0, "finish": 600}).ready()
    with server.client() as client:
        client.send(post({"uid": "long", "until": str(tmp_path / "done")}))
        server.wait_for("waiting")
        server.process.send_signal(signal.SIGTERM)
        server.wait_until(lambda: not listens(server.port))
        (tmp_path / "done").touch()
        response = client.response()
        assert (response.json()["uid"], response.closes) == ("long", True)
    assert server.wait() == 0


def test_a_review_that_takes_too_long_is_given_up_and_said(serve: Serve) -> None:
    """The process ends within the time it was given."""
    server = serve(drain={"pause": 0, "finish": 0.3}).ready()
    with server.client() as client:
        client.send(post({"sleep": 600}))
        server.wait_for("sleeping")
        assert server.end() == 0
    server.wait_for("1 reviews were not finished")


@pytest.mark.parametrize("quick", [signal.SIGINT, signal.SIGQUIT])
def test_an_interrupt_ends_it_at_once(serve: Serve, quick: signal.Signals) -> None:
    """Ctrl-C waits neither for the pause nor for reviews, and the services still get to end."""
    server = serve(drain={"pause": 600, "finish": 600}).ready()
    with server.client() as client:
        client.send(post({"sleep": 600}))
        server.wait_for("sleeping")
        assert server.end(kill=quick) == 0
    server.wait_for("background ended")


def test_an_interrupt_cuts_the_pause_short(serve: Serve) -> None:
    """Ctrl-C after a SIGTERM ends the process at once."""
    server = serve(drain={"pause": 600, "finish": 600}).ready()
    server.process.send_signal(signal.SIGTERM)
    server.wait_for("draining")
    assert server.end(kill=signal.SIGINT) == 0


def test_a_killed_worker_is_replaced(serve: Serve) -> None:
    """The parent stays, keeps the sockets, and starts another worker that serves on the same ports."""
    server = serve().ready()
    first = server.worker
    os.kill(first, signal.SIGKILL)
    server.wait_for("ready", count=2)
    assert server.worker != first
    assert server.ask().status == 200
    assert server.process.poll() is None


def test_a_worker_without_a_parent_ends(serve: Serve) -> None:
    """A parent that was killed leaves no process that holds the port."""
    server = serve(drain={"pause": 0.1}).ready()
    os.kill(server.process.pid, signal.SIGKILL)
    server.wait_for("background ended")
    server.wait()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start_fails": True}, "RuntimeError: no start today"),
        ({"old_tls": True}, "the TLS context allows versions before 1.2"),
        ({"factory_fails": True}, "no parts today"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_start_that_fails_ends_the_process(serve: Serve, options: dict[str, bool], said: str) -> None:
    """With code 3 and the reason in the log, not with one worker after the other."""
    server = serve(**options)
    assert server.wait() == 3
    assert said in server.wait_for("the webhook cannot start")["exception"]


def test_probes_are_answered_while_the_services_start(serve: Serve, tmp_path: Path) -> None:
    """Alive but not ready; a review that comes early waits for the start."""
    server = serve(start_waits_for=str(tmp_path / "started"), listen="127.0.0.1:0")
    ports = server.wait_for("listening")
    with Client(int(ports["ops_listen"].rpartition(":")[2]), None) as probe:
        assert probe.get("/livez").status == 200
        readiness = probe.get("/readyz")
        assert (readiness.status, readiness.body.splitlines()[0]) == (503, b"[-] server: starting")
        with Client(int(ports["listen"].rpartition(":")[2]), None) as early:
            (tmp_path / "started").touch()
            early.socket = server.context().wrap_socket(early.socket)
            assert early.ask().status == 200
        assert probe.get("/readyz").status == 200


def test_sigterm_while_the_services_start_ends_the_process(serve: Serve, tmp_path: Path) -> None:
    """A start that hangs cannot hold up the end."""
    server = serve(start_waits_for=str(tmp_path / "never"))
    server.wait_for("listening")
    assert server.end() == 0


def test_a_background_task_that_fails_is_started_again(serve: Serve) -> None:
    """Nothing awaits it, so its failure would not be seen."""
    server = serve(background_failures=2).ready()
    server.wait_for("background runs")
    failures = [line for line in server.lines if line["message"].startswith("background failed")]
    assert ["RuntimeError: background failure" in line["exception"] for line in failures] == [True, True]


def test_every_line_of_a_whole_life_is_json(serve: Serve) -> None:
    """gunicorn's own messages, a killed worker's obituary and Python's warnings included."""
    server = serve(level="debug", drain={"pause": 0}).ready()
    os.kill(server.worker, signal.SIGKILL)
    server.wait_for("ready", count=2)
    assert server.ask({"warn": "mind your step"}).status == 200
    assert server.end() == 0
    assert all({"time", "level", "message"} <= line.keys() for line in server.lines)
    loggers = {line.get("logger") for line in server.lines}
    assert {None, "webhook", "gunicorn.error", "py.warnings"} <= loggers


def test_the_process_needs_no_writable_disk(serve: Serve, tmp_path: Path) -> None:
    """A read-only root file system will do: the heartbeat is in shared memory, and there is no control socket."""
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    server = serve(environment={"HOME": str(home), "TMPDIR": str(home), "XDG_RUNTIME_DIR": str(home)}).ready()
    targets = [str(entry.readlink()) for entry in Path(f"/proc/{server.worker}/fd").iterdir()]
    assert any(target.startswith("/dev/shm/wgunicorn-") for target in targets)
    assert list(home.iterdir()) == []
