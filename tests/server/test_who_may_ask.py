"""Who may ask, without a connection; `test_callers.py` has the whole handshake."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from webhook.core.messages import Message
from webhook.logs import Log
from webhook.server.callers import Callers, names_of

CERTIFICATE = {
    "subject": ((("organizationName", "system"),), (("commonName", "kube-apiserver"),)),
    "subjectAltName": (("DNS", "api.example"), ("URI", "spiffe://a/b"), ("IP Address", "10.0.0.1"), ("email", "a@b")),
}


class Tls:
    """What OpenSSL says of a connection."""

    def __init__(self, certificate: dict[str, Any] | None, *, session_reused: bool = False) -> None:
        self.certificate = certificate
        self.session_reused = session_reused

    def getpeercert(self) -> dict[str, Any] | None:
        return self.certificate


class Place:
    """Callers, and what they log."""

    def __init__(self, *names: str) -> None:
        self.lines: list[dict[str, Any]] = []
        self.callers = Callers(names=names, log=Log(write=lambda line: self.lines.append(json.loads(line))))

    def refusal(self, certificate: dict[str, Any] | None, *, session_reused: bool = False) -> Message | None:
        return self.callers.refusal(cast("Any", Tls(certificate, session_reused=session_reused)))


def test_a_name_is_the_common_name_a_dns_name_or_a_uri() -> None:
    """Nothing else of a certificate names its owner."""
    assert names_of(CERTIFICATE) == {"kube-apiserver", "api.example", "spiffe://a/b"}
    assert names_of({}) == frozenset()


@pytest.mark.parametrize("names", [(), ("other", "api.example"), ("kube-apiserver",)])
def test_a_client_with_one_of_the_names_may_ask(names: tuple[str, ...]) -> None:
    """With no names, any certificate will do."""
    assert Place(*names).refusal(CERTIFICATE) is None


@pytest.mark.parametrize(
    ("certificate", "resumed", "code"),
    [
        (None, False, "WI671"),
        ({}, False, "WI671"),
        (CERTIFICATE, True, "WI673"),
        (None, True, "WI673"),
        ({"subject": ((("commonName", "b"),),)}, False, "WI672"),
    ],
)
def test_every_other_client_may_not(certificate: dict[str, Any] | None, resumed: bool, code: str) -> None:
    """Each with its reason."""
    refusal = Place("a").refusal(certificate, session_reused=resumed)
    assert refusal is not None
    assert refusal.code == code


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        ({"subject": ((("commonName", "b"),),), "subjectAltName": (("DNS", "a.b"),)}, "a.b, b"),
        ({"subject": ((("organizationName", "b"),),)}, "no name"),
    ],
)
def test_a_wrong_name_is_said(certificate: dict[str, Any], said: str) -> None:
    """Whoever set up kube-apiserver has to know which it was."""
    refusal = Place("a").refusal(certificate)
    assert refusal is not None
    assert f"is for {said}, which" in refusal.text


async def test_refusals_have_50_lines_of_each_reason() -> None:
    """And what is left out is counted, after a while."""
    place = Place("a")
    refusal = place.refusal(None)
    assert refusal is not None
    for _ in range(60):
        place.callers.refused(refusal, "10.0.0.1")
        place.callers.handshake_refused("expired")
    said = [line["message"] for line in place.lines]
    assert said.count("a client was refused") == said.count("a client's certificate was refused") == 50
    assert place.lines[0] | {"time": ""} == {
        "time": "",
        "level": "warning",
        "message": "a client was refused",
        "client": "10.0.0.1",
        "code": "WI671",
        "reason": refusal.text,
    }


def test_every_listener_makes_its_clients_connect_anew() -> None:
    """When an authority is trusted no longer."""
    place, called = Place(), list[int]()
    for number in range(2):
        place.callers.at_renewal(lambda number=number: called.append(number))  # type: ignore[misc]
    place.callers.renew()
    assert called == [0, 1]
