"""Any pod of a cluster can connect to the webhook, but no pod can keep kube-apiserver from it."""

import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest

from demo.server import Running
from testbed.cluster.cluster import Cluster
from testbed.cluster.pods import a_pod, create, is_injected, make_account

HALF_OPEN = 400
STALLED = 100
PODS = 50


@pytest.fixture
def abused(webhook: Running) -> Iterator[Running]:
    """The webhook with 400 connections stuck in the TLS handshake and 100 stuck in a body."""
    context = ssl.create_default_context(cadata=webhook.authority)
    head = b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
    with contextlib.ExitStack() as stack:
        for _ in range(STALLED):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", webhook.port)))
            stalled = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
            stalled.sendall(head)
        for _ in range(HALF_OPEN):
            half_open = stack.enter_context(socket.create_connection(("127.0.0.1", webhook.port)))
            half_open.sendall(b"\x16\x03\x01")
        yield webhook


def test_pods_are_admitted_while_strangers_hold_connections(
    control_plane: Cluster, abused: Running, namespace: str
) -> None:
    """While 500 connections are stuck, each of fifty pods is created and injected."""
    make_account(control_plane, namespace)
    assert all(is_injected(create(control_plane, namespace, a_pod(f"pod-{number}"))) for number in range(PODS))
