"""Somebody changes the Secret or the webhook configuration: it heals in the next round, without a restart.

Two replicas serve all tests of this module. What takes the CA's key away loses no create, since the leaves of the lost
CA stay trusted; what takes the CA out of a caBundle refuses pods until it is put back, and that is within a round.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from testbed.cluster.api import Api
from testbed.cluster.cluster import Cluster
from testbed.cluster.processes import wait_until
from testbed.cluster.registration import CONFIGURATIONS
from testbed.fleet.fleet import Fleet, fleet
from testbed.fleet.installation import OURS, seconds
from testbed.fleet.traffic import Creating, Repeated, Verifying
from testbed.fleet.watching import Watch, bundles, certificates
from tests.authorities import make_authority

REPLICAS = 2
FOREIGN_ENTRY = "other.example.com"
RUBBISH = b"no certificate at all\n"


@pytest.fixture(scope="module")
def shared(control_plane: Cluster) -> Iterator[Fleet]:
    """Two replicas whose configuration has two webhooks, with an interval of half a second."""
    with fleet(control_plane, scope="cluster") as made:
        installation = made.installation
        installation.grant_all()
        installation.register()
        for _ in range(REPLICAS):
            made.start(*seconds(interval=0.5, settle=1))
        made.await_ready()
        yield made


@pytest.fixture
def healthy(shared: Fleet) -> Iterator[Fleet]:
    """The two replicas, before and after each test as they should be, and the same processes."""
    shared.await_healed()
    processes = [replica.process.popen.pid for replica in shared.alive]
    yield shared
    shared.await_healed()
    assert [replica.process.popen.pid for replica in shared.alive] == processes


def foreign() -> str:
    """Somebody else's authority, PEM."""
    return make_authority(now=datetime.now(UTC), lifetime=timedelta(days=2), common_name="somebody else").pem


def another_key() -> bytes:
    """A good key that belongs to no certificate here."""
    return make_authority(now=datetime.now(UTC), lifetime=timedelta(days=2)).private_pem()


def delete_secret(api: Api, installed: Fleet) -> None:
    api.delete(installed.installation.secret_path).expect()


def fill_secret_with_rubbish(api: Api, installed: Fleet) -> None:
    rubbish = {key: base64.b64encode(RUBBISH).decode() for key in ("ca.crt", "ca.key", "next.crt", "state.json")}
    api.patch(installed.installation.secret_path, {"data": rubbish}).expect()


def swap_key(api: Api, installed: Fleet) -> None:
    data = {"ca.key": base64.b64encode(another_key()).decode()}
    api.patch(installed.installation.secret_path, {"data": data}).expect()


def empty_secret(api: Api, installed: Fleet) -> None:
    keys = installed.installation.secret()
    api.patch(installed.installation.secret_path, {"data": dict.fromkeys(keys)}).expect()


def empty_bundle(api: Api, installed: Fleet) -> None:
    set_bundle(api, installed, None)


def fill_bundle_with_rubbish(api: Api, installed: Fleet) -> None:
    set_bundle(api, installed, base64.b64encode(RUBBISH).decode())


def set_bundle(api: Api, installed: Fleet, encoded: str | None) -> None:
    """Of the first webhook."""
    change = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": encoded}]
    api.patch(installed.installation.configuration_path, change).expect()


@pytest.mark.parametrize("meddle", [delete_secret, fill_secret_with_rubbish, swap_key, empty_secret])
def test_a_lost_authority_is_replaced_and_no_create_fails(
    control_plane: Cluster, healthy: Fleet, meddle: Callable[[Api, Fleet], None]
) -> None:
    """A new CA is made and published in addition to the lost one, whose leaves stay trusted while they are served."""
    installation = healthy.installation
    lost = certificates(installation.secret()["ca.crt"])[0]
    logged_before = healthy.count_logged("the authority's key is lost")
    with Watch(control_plane.api, CONFIGURATIONS, installation.name) as configuration:
        verifying = Verifying(healthy, configuration)
        with Creating(installation) as creating, Repeated(verifying.once, pause=0.05) as fresh:
            meddle(control_plane.api, healthy)

            def replaced() -> bool:
                now = certificates(installation.secret().get("ca.crt", b""))
                return bool(now) and now[0] != lost and healthy.whole() and issued_by(healthy, now[0].subject)

            wait_until(replaced, "another CA signs every leaf")
    assert creating.done > 0
    assert creating.failures == []
    assert fresh.failures == []
    assert verifying.handshakes > 0
    held = [certificates(bundle) for change in configuration.history for bundle in bundles(change.document).values()]
    assert all(lost in bundle for bundle in held)
    assert healthy.count_logged("the authority's key is lost") > logged_before


def issued_by(fleet: Fleet, subject: object) -> bool:
    """Whether each replica serves a leaf of the authority called `subject`."""
    bundle = fleet.installation.bundles()[OURS[0]]
    return all(replica.leaf(bundle).issuer == subject for replica in fleet.alive)


def empty(bundle: bytes) -> bytes | None:
    return None


def rubbish(bundle: bytes) -> bytes:
    return RUBBISH


def replaced_by_another(bundle: bytes) -> bytes:
    return foreign().encode()


def with_rubbish_beside(bundle: bytes) -> bytes:
    return bundle + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("meddle", [empty, rubbish, replaced_by_another, with_rubbish_beside])
def test_a_ca_bundle_is_restored(
    control_plane: Cluster, healthy: Fleet, meddle: Callable[[bytes], bytes | None]
) -> None:
    """Ours is put back; what is valid and foreign stays; what is not a certificate goes, and that is logged."""
    api, installation = control_plane.api, healthy.installation
    document = api.get(installation.configuration_path).expect().json
    before = bundles(document)
    for entry in document["webhooks"]:
        changed = meddle(before[entry["name"]])
        entry["clientConfig"]["caBundle"] = None if changed is None else base64.b64encode(changed).decode()
    expected = "could not be kept" if meddle in (rubbish, with_rubbish_beside) else "someone took out what we trust"
    logged_before = healthy.count_logged("caBundle of ", expected)
    written = bundles(api.put(installation.configuration_path, document).expect().json)
    wait_until(lambda: installation.bundles() != written, "caBundle written")
    healthy.await_healed()
    after, ours = installation.bundles(), set(certificates(installation.secret()["ca.crt"]))
    for name in OURS:
        held = certificates(after[name])
        assert ours <= set(held)
        assert all(each in held for each in certificates_or_none(written[name]))
        assert b"AAAA" not in after[name].splitlines()
    assert healthy.count_logged("caBundle of ", expected) > logged_before


def certificates_or_none(pem: bytes) -> list[Any]:
    """The certificates of a bundle; empty if anything in it is not a certificate."""
    try:
        return list(certificates(pem))
    except ValueError:
        return []


def test_webhooks_are_found_by_name_and_others_left_alone(control_plane: Cluster, healthy: Fleet) -> None:
    """Re-ordered, with one in front that is not ours: ours get their bundles back, and that one keeps its own."""
    api, installation = control_plane.api, healthy.installation
    document = api.get(installation.configuration_path).expect().json
    theirs = foreign().encode()
    third = {
        **document["webhooks"][0],
        "name": FOREIGN_ENTRY,
        "clientConfig": {"url": "https://127.0.0.1:1/", "caBundle": base64.b64encode(theirs).decode()},
        "failurePolicy": "Ignore",
        "timeoutSeconds": 1,
        "objectSelector": {"matchLabels": {"nobody": "has-this"}},
    }
    document["webhooks"] = [third, *reversed(document["webhooks"])]
    for entry in document["webhooks"][1:]:
        entry["clientConfig"]["caBundle"] = None
    put = api.put(installation.configuration_path, document).expect().json
    healthy.await_healed()
    after = api.get(installation.configuration_path).expect().json
    assert [entry["name"] for entry in after["webhooks"]] == [FOREIGN_ENTRY, *reversed(OURS)]
    assert after["webhooks"][0] == put["webhooks"][0]
    restored, sent = [[rest(entry) for entry in one["webhooks"]] for one in (after, put)]
    assert restored == sent
    after["webhooks"] = after["webhooks"][1:]
    api.put(installation.configuration_path, after).expect()


def rest(entry: dict[str, Any]) -> dict[str, Any]:
    """A webhook without its caBundle: what only its owner may change."""
    client = {key: value for key, value in entry["clientConfig"].items() if key != "caBundle"}
    return {**entry, "clientConfig": client}


def test_a_deleted_configuration_is_reported_and_filled_in_when_it_is_back(
    control_plane: Cluster, healthy: Fleet
) -> None:
    """Nothing is sent to a webhook without one: /readyz says so with the next step, until somebody creates it again."""
    api, installation = control_plane.api, healthy.installation
    api.delete(installation.configuration_path).expect()
    absent = f"MutatingWebhookConfiguration {installation.name} is absent"

    def is_reported() -> bool:
        answers = [replica.readyz() for replica in healthy.alive]
        return all(status == 503 and absent in text and "helm upgrade" in text for status, text in answers)

    wait_until(is_reported, "the absent configuration reported by /readyz")
    assert healthy.trusted() is False  # nothing is published
    installation.register()
    healthy.await_healed()
    for replica in healthy.alive:
        assert sum(absent in message for message in replica.messages("error")) == 1
        assert any(message.startswith("over: ") and absent in message for message in replica.messages("info"))


LOSSES: dict[Callable[[Api, Fleet], None], tuple[str, ...]] = {
    delete_secret: ("authorities_lost", "authorities_created", "trust_published"),
    fill_secret_with_rubbish: ("authorities_lost", "authorities_created", "secret_repaired"),
    swap_key: ("authorities_lost", "authorities_created", "secret_repaired"),
    empty_bundle: ("trust_restored", "trust_published"),
    fill_bundle_with_rubbish: ("trust_lost", "trust_restored", "trust_published"),
}


@pytest.mark.parametrize("meddle", LOSSES, ids=lambda each: each.__name__)
def test_what_could_not_be_kept_is_counted(
    control_plane: Cluster, healthy: Fleet, meddle: Callable[[Api, Fleet], None]
) -> None:
    """m365wi_certificate_events_total has what was lost, repaired and restored."""
    before = {event: healthy.count(event) for event in LOSSES[meddle]}
    meddle(control_plane.api, healthy)
    for event, count in before.items():
        healthy.await_event(event, at_least=count + 1)
    assert healthy.count("bugs") == 0
