"""What we override in gunicorn, so that an upgrade that moves it fails here, by name."""

import os
from types import SimpleNamespace

import pytest
from gunicorn.workers.base import Worker as BaseWorker

from webhook.server.gunicorn_overrides import Gunicorn, Worker
from webhook.server.limits import Limits
from webhook.server.worker_parts import Drain


@pytest.mark.parametrize("name", ["init_process", "init_signals", "load_wsgi", "run"])
def test_the_worker_overrides_what_gunicorn_calls(name: str) -> None:
    """gunicorn says that `run` is made to be overridden; of the others it only warns what must be called."""
    assert name in vars(Worker)
    assert name in vars(BaseWorker)


@pytest.mark.parametrize(("parent", "told"), [(os.getppid(), ["notified"]), (-1, ["notified", "ended"])])
def test_the_worker_tells_its_parent_that_it_lives(parent: int, told: list[str]) -> None:
    """Otherwise gunicorn's parent kills it and starts another. Without its parent it ends."""
    found: list[str] = []
    worker = SimpleNamespace(notify=lambda: found.append("notified"), ppid=parent, end=lambda: found.append("ended"))
    Worker.tell_parent(worker)  # type: ignore[arg-type]
    assert found == told


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
    assert cfg.forwarded_allow_ips == []
