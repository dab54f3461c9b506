"""Attacks with reviews: pods that are costly to read, to decide about, or to answer."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.attacks.beside import MIB, Attack, Webhook
from tests.attacks.on_connections import answers as statuses
from tests.attacks.on_connections import connected
from tests.attacks.test_costly_bodies import VALUES, bomb
from tests.attacks.test_decision_cost import BODIES, repeated
from tests.core.support import body, container, pod
from tests.server.client import Client, post

Json = dict[str, Any]

FRAME: Final = body(pod(note="BOMB"))


def inside(text: bytes) -> bytes:
    """A review of a pod with this JSON in it."""
    return FRAME.replace(b'"BOMB"', text)


TEXTS: Final = (
    inside(b"[" * 1000 + b"]" * 1000),
    inside(b"[" * MIB + b"]" * MIB),
    inside(b'{"a":' * 300_000 + b"0" + b"}" * 300_000),
    inside(b"1" * MIB),
    inside(b"1e" + b"9" * MIB),
    inside(b'"' + b"\\ud800" * 200_000 + b'"'),
    inside(b'"' + b"\\ud83d\\ude00" * 150_000 + b'"'),
    inside(b'{"\\u0061":0,' + b'"k":0,' * 100_000 + b'"k":1}'),
    inside(b"{" + b",".join(b'"%d":0' % (number << 61) for number in range(40_000)) + b"}"),
    b'{"a":"' + b'\\"' * MIB,
    b" " * 2 * MIB,
    b"\xff\xfe" * MIB,
)
"""Texts that are costly for one parser or another; some of them are reviews."""


def named(kind: str, account: str, text: str) -> Json:
    """A pod with `text` as the name of everything that a container of that kind has."""
    made = pod(serviceAccountName=account)
    made["spec"][kind] = [{"name": text, "image": text, "env": [{"name": text, "value": text}]}]
    return made


NAMES: Final[tuple[Json, ...]] = tuple(
    named(kind, name, text)
    for kind in ("containers", "initContainers", "ephemeralContainers")
    for name in ("a" * 253, "../../x", "\u202e" * 80)
    for text in ("x" * 250, "\u2028" * 200, "\0" * 100, "%s{}$(A)")
)
"""Pods whose names are not names."""


def asked(webhook: Webhook, bodies: list[bytes]) -> None:
    """Each is answered, with a decision, or a refusal that is not an error of the webhook."""
    for text in bodies:
        with Client(webhook.port, webhook.context()) as client:
            assert client.ask(text).status in (200, 400, 413), text[:200]


def decisions(webhook: Webhook, number: int) -> None:
    """A tenth of the pods that are costly to decide about, as large as they may be."""
    asked(webhook, [build(most) for build, most in list(BODIES.values())[number::10]])


def answers(webhook: Webhook, number: int) -> None:
    """Pods for whose containers something long is repeated."""
    what = ("file", "mount", "volume")[number % 3]
    asked(webhook, [repeated(method, what, 90) for method in ("workload_identity", "oidc")])


def values(webhook: Webhook, number: int) -> None:
    """Many small values in a large body."""
    texts = list(VALUES.values())
    asked(webhook, [bomb(texts[number % len(texts)], size) for size in (1 * MIB, 3 * MIB)])


def texts(webhook: Webhook, number: int) -> None:
    """A tenth of the odd texts."""
    asked(webhook, list(TEXTS[number::10]))


def names(webhook: Webhook, number: int) -> None:
    """Invalid names, in the pod and in the log, and ServiceAccounts that do not exist."""
    made_up = [pod(serviceAccountName=f"made-up-{number}-{each}") for each in range(20)]
    asked(webhook, [json.dumps(json.loads(body(each))).encode() for each in (*NAMES[number::10], *made_up)])


def large_pods(webhook: Webhook, number: int) -> None:
    """As many volumes, mounts and variables as a usual large pod may have, twenty times over."""
    mounts = [{"name": f"v{each}", "mountPath": f"/{each}"} for each in range(50)]
    variables = [{"name": f"E{each}", "value": "x" * 20} for each in range(100)]
    containers = [container(f"c{each}", volumeMounts=mounts, env=variables) for each in range(20 + number)]
    volumes = [{"name": f"v{each}", "emptyDir": {}} for each in range(50)]
    asked(webhook, [body(pod(*containers, volumes=volumes, initContainers=containers))] * 4)


def large_pods_at_once(webhook: Webhook, number: int) -> None:
    """Crowds of reviews of 230 KB, and of reviews of 6 KB for 2000 containers."""
    variables = [{"name": f"E{each}", "value": "x" * 20} for each in range(50)]
    large = body(pod(*[container(f"c{each}", env=variables) for each in range(100)]))
    many = body(pod(*[{}] * 1000, initContainers=[{}] * 1000))
    with connected(webhook.port, 40 if number == 0 else 10, post(large)[:-1], webhook.context()) as clients:
        for client in clients:
            client.send(large[-1:])
        statuses(clients)
    with connected(webhook.port, 10, post(many), webhook.context()) as clients:
        statuses(clients)


ATTACKS: Final[Mapping[str, Attack]] = {
    "costly decisions": decisions,
    "large answers": answers,
    "many values": values,
    "odd texts": texts,
    "odd names": names,
    "large pods": large_pods,
    "large pods at once": large_pods_at_once,
}
