"""What we override in gunicorn, so that an upgrade that moves it fails here, by name."""

import asyncio
import os
from types import SimpleNamespace

import pytest
from gunicorn.workers.gasgi import ASGIWorker

from webhook.server.gunicorn_overrides import Gunicorn, Worker
from webhook.server.limits import Limits
from webhook.server.process import Drain


@pytest.mark.parametrize(
    "name", ["_serve", "load_wsgi", "_setup_event_loop", "handle_exit_signal", "handle_quit_signal"]
)
def test_the_worker_overrides_what_gunicorn_calls(name: str) -> None:
    """These methods are not a public interface."""
    assert name in vars(Worker)
    assert name in vars(ASGIWorker)


async def test_the_worker_tells_its_parent_that_it_lives() -> None:
    """Otherwise gunicorn's parent kills it and starts another."""
    notified = asyncio.Event()
    worker = SimpleNamespace(notify=notified.set, ppid=os.getppid())
    task = asyncio.create_task(Worker._beat(worker))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        await notified.wait()
    task.cancel()


def test_gunicorn_is_configured_in_our_code_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own variables in a pod's environment change nothing."""
    monkeypatch.setenv("WEB_CONCURRENCY", "7")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--workers 9 --bind 0.0.0.0:1")
    gunicorn = Gunicorn(lambda: None, ("[::]:9443", "127.0.0.1:8080"), Limits(), Drain(pause=3, finish=5))  # type: ignore[arg-type, return-value]
    cfg = gunicorn.cfg
    assert (cfg.workers, cfg.address) == (1, [("::", 9443), ("127.0.0.1", 8080)])
    assert (cfg.timeout, cfg.graceful_timeout) == (15, 11)
    assert (cfg.asgi_loop, cfg.forwarded_allow_ips) == ("uvloop", [])
