"""The self-managed mode in scenes: what people and machines do to it, and that it heals."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from certs.errors import Forbidden, NotFound, Rejected, UntimelyPair, UntrustedLeaf
from certs.managed.by_hand import rotate_authority
from certs.managed.ca_bundle import WebhookEntry
from certs.managed.secret import StoredSecret, read
from certs.pem import bundle_pem, fingerprint
from tests.authorities import make_authority
from tests.certs.fakes import NAME, SERVICE, START, Replica, World, live, settings

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


async def test_a_first_start_needs_one_round(world: World) -> None:
    """The authority is stored, published, and a leaf of it served, and nothing is left to do."""
    replica = Replica(world)
    assert not replica.source.healthy()
    await replica.round()
    described = replica.source.describe()
    assert replica.source.healthy()
    assert described.phase == "published"
    assert described.trust_published
    assert described.problems == ()
    assert world.stored == world.published == {replica.authority}
    world.calls.clear()
    await replica.round()
    assert world.calls == ["trust get", "secret get"]


async def test_an_empty_secret_is_filled_without_create(world: World) -> None:
    """The chart makes the Secret empty, so that no user needs the right to create Secrets."""
    world.write_secret({})
    replica = Replica(world)
    await replica.round()
    assert replica.source.healthy()
    assert "secret create" not in world.calls
    assert replica.counts("authorities_created", "secret_repaired", "authorities_lost") == (1, 0, 0)


async def test_a_second_replica_takes_the_authority_that_is_there(world: World, replica: Replica) -> None:
    """It signs its own leaf and writes nothing."""
    world.calls.clear()
    second = Replica(world)
    await second.round()
    assert second.source.healthy()
    assert second.authority == replica.authority
    assert second.source.serving.fingerprint != replica.source.serving.fingerprint
    assert set(world.calls) == {"trust get", "secret get"}


async def test_a_leaf_is_renewed_at_two_thirds_of_its_life(world: World, replica: Replica) -> None:
    """Not before, apart from a little jitter, and it never comes near its end."""
    first = replica.source.serving.fingerprint
    await live(world, replica, time=timedelta(days=3), step=timedelta(hours=1))
    assert replica.source.serving.fingerprint == first
    await live(world, replica, time=timedelta(days=0.5), step=timedelta(hours=1))
    assert replica.source.serving.fingerprint != first
    not_after = replica.source.serving.not_after
    assert not_after is not None
    assert not_after - world.time > timedelta(days=4)


@pytest.mark.slow
async def test_the_authority_is_replaced_with_an_overlap(world: World, replica: Replica) -> None:
    """The next one is in the caBundle before it signs, and the one before stays until the last of its leaves ends."""
    other = Replica(world)
    await other.round()
    first = replica.authority
    await live(world, replica, other, time=timedelta(days=38), step=timedelta(hours=6))
    while world.stored == {first}:
        await live(world, replica, other, time=MINUTE)
    (second,) = world.stored - {first}
    since = min(time for time, entries in world.bundles if second in _fingerprints(entries))
    while replica.authority == first:
        await live(world, replica, other, time=MINUTE)
    assert world.time - since >= replica.settings.publish_wait
    assert world.trusted() == {first, second}
    assert replica.source.describe().phase == "promoted"
    switched = world.time
    while first in world.trusted():
        await live(world, replica, other, time=timedelta(hours=1), step=timedelta(hours=1))
    assert world.time - switched >= replica.settings.leaf_lifetime
    assert world.time - switched <= replica.settings.leaf_lifetime + 3 * replica.settings.skew + timedelta(hours=2)
    assert replica.authority == other.authority == second
    assert replica.source.describe().phase == "published"
    assert replica.source.healthy()


async def test_a_replica_that_was_cut_off_is_trusted_until_its_leaf_ends(world: World, replica: Replica) -> None:
    """It missed the whole rotation; its leaf verifies until the last minute all the same."""
    other = Replica(world)
    await live(world, replica, other, time=timedelta(days=36), step=timedelta(hours=6))
    cut_off = replica.authority
    while other.authority == cut_off:
        await live(world, other, time=timedelta(hours=1), step=timedelta(hours=1))
    not_after = replica.source.serving.not_after
    assert not_after is not None
    while world.time < not_after:
        assert cut_off in world.trusted()
        await live(world, other, time=timedelta(hours=1), step=timedelta(hours=1))
    await live(world, other, time=timedelta(days=6), step=timedelta(hours=1))
    assert cut_off not in world.trusted()
    await replica.round()
    assert replica.source.healthy()


async def test_the_loser_of_a_race_takes_what_the_winner_made(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Within the same round, and nothing is logged: a race is normal."""
    winner = Replica(world)

    async def race(call: str) -> None:
        if call == "secret create":
            await winner.round()

    loser = Replica(world, gate=race)
    await loser.round()
    assert loser.source.healthy()
    assert loser.authority == winner.authority
    assert loser.counts("conflicts", "authorities_created") == (1, 0)
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("moment", ["secret got", "trust patch"])
async def test_what_someone_adds_to_a_bundle_meanwhile_is_not_lost(world: World, moment: str) -> None:
    """A change is made against the version that was read; if that is not the newest, it is read again."""
    stranger = make_authority(now=START, lifetime=60 * DAY).certificate
    late = [bundle_pem([stranger])]

    async def interfere(call: str) -> None:
        if call == moment and late:
            world.set_bundle(late.pop())

    replica = Replica(world, gate=interfere)
    await replica.round()
    assert world.trusted() == {replica.authority, fingerprint(stranger)}


async def test_a_replica_suspended_with_what_it_read_signs_nothing_too_long(world: World, replica: Replica) -> None:
    """The life of its leaf counts from before the reading: what it read may have changed since."""
    pauses = [timedelta(days=2)]

    async def suspend(call: str) -> None:
        if call == "secret got" and pauses:
            world.time += pauses.pop()

    late = Replica(world, gate=suspend)
    await late.round()
    assert late.source.serving.not_after == START + late.settings.leaf_lifetime


@pytest.mark.parametrize("moment", ["secret update", "trust patch"])
async def test_what_is_deleted_between_reading_and_writing_is_read_again(
    world: World, caplog: pytest.LogCaptureFixture, moment: str
) -> None:
    """As in any other race: it is counted, and reported only if it is missing at the next reading, too."""
    world.write_secret({})
    before = world.configuration

    async def delete(call: str) -> None:
        if call == moment and replica.counts("conflicts") == (0,):
            if call == "secret update":
                world.write_secret(None)
            else:
                world.configuration = None
        elif call == "secret get" and world.configuration is None:
            world.configuration = before

    replica = Replica(world, gate=delete)
    await replica.round()
    await live(world, replica, time=MINUTE)
    assert replica.source.healthy()
    assert replica.counts("conflicts") == (1,)
    assert [r.message for r in caplog.records if r.levelno >= logging.ERROR and "absent" not in r.message] == []


async def test_a_namespace_that_is_missing_is_reported(world: World) -> None:
    """The Secret is absent and cannot be created either: that is not a race."""
    replica = Replica(world)
    replica.secrets.fails["create"] = NotFound('namespaces "m365" not found')
    await replica.round()
    assert replica.counts("conflicts") == (0,)
    assert [problem.text for problem in replica.source.describe().problems] == [
        'Secret m365/webhook-authority cannot be written: namespaces "m365" not found'
    ]


def record_of(world: World, seconds: float) -> None:
    """Somebody edits the longest life of leaves in state.json."""
    assert world.secret is not None
    state = json.loads(world.secret[0]["state.json"])
    for record in state["authorities"].values():
        record["leaf_seconds"] = seconds
    world.write_secret({**world.secret[0], "state.json": json.dumps(state).encode()})


@pytest.mark.parametrize("seconds", [-5, 0, 1, 600, 90 * 86400, 1e10])
async def test_a_record_that_no_leaf_can_live_by_is_replaced(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    """It is reported, and from then on leaves live as long as the setting says."""
    record_of(world, seconds)
    await live(world, replica, time=MINUTE)
    assert replica.counts("secret_repaired", "conflicts") == (1, 0)
    logged = [r.message for r in caplog.records if "could not be kept" in r.message]
    assert len(logged) == 1
    assert f"is {seconds:g}, expected" in logged[0]
    assert world.secret is not None
    assert read(StoredSecret(data=world.secret[0], version="1"), name=NAME).longest_leaf(
        replica.source._leaf.authority,  # type: ignore[union-attr]
        setting=timedelta(0),
    ) == timedelta(days=5)
    for _ in range(8 * 24):
        await live(world, replica, time=timedelta(hours=1), step=timedelta(hours=1))
        assert replica.source.healthy()
    assert replica.counts("secret_repaired", "leaves_signed") == (1, 3)


async def test_lives_that_were_short_enough_for_shorter_intervals_are_lengthened(world: World) -> None:
    """The authority was made for leaves of 20 minutes; now it is read every half hour, and no leaf ever expires."""
    short = {"leaf_lifetime": 20 * MINUTE, "skew": timedelta(seconds=2)}
    await Replica(world, settings(**short)).round()
    longer = settings(interval=30 * MINUTE, leaf_lifetime=timedelta(hours=4), skew=timedelta(seconds=2))
    replica = Replica(world, longer)
    await replica.round()
    for _ in range(48):
        await live(world, replica, time=30 * MINUTE, step=30 * MINUTE)
        assert replica.source.healthy()
    assert replica.counts("secret_repaired") == (1,)


async def test_an_authority_that_is_too_short_lived_for_these_settings_is_followed_at_once(world: World) -> None:
    """It was made for a rotation each hour; no round might fall into its last third. Records stay as they are."""
    quick = settings(
        authority_lifetime=60 * MINUTE, leaf_lifetime=5 * MINUTE, skew=timedelta(seconds=2), publish_wait=timedelta(0)
    )
    maker = Replica(world, quick)
    await maker.round()
    slow = Replica(world, settings(interval=30 * MINUTE, skew=timedelta(seconds=2)))
    await live(world, slow, maker, time=5 * MINUTE)
    assert slow.authority == maker.authority
    assert world.stored - world.published == set()
    assert len(world.stored) == 2
    assert slow.source._leaf is not None
    assert slow.source._leaf.authority.not_valid_after_utc > world.time + 50 * DAY
    assert slow.counts("secret_repaired", "authorities_staged") == (1, 1)
    assert maker.counts("secret_repaired", "authorities_staged") == (0, 0)


async def test_a_leaf_that_is_untimely_again_and_again_is_a_problem(
    world: World, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once is a suspended process; twice in a round is a problem for a person."""

    def untimely(*_: object, **__: object) -> None:
        raise UntimelyPair("the certificate expired")

    monkeypatch.setattr("certs.managed.perform.check", untimely)
    world.time += 4 * DAY
    await replica.round()
    assert replica.counts("conflicts") == (1,)
    assert [problem.text for problem in replica.source.describe().problems] == [
        "no leaf certificate can be signed: the certificate expired"
    ]


async def test_after_a_lost_key_a_fresh_replica_takes_no_calls_until_every_kube_apiserver_knows(
    world: World, replica: Replica
) -> None:
    """A slow one refuses the new authority, while the older replica serves a leaf of the old one."""
    world.write_secret(None)
    await live(world, replica, time=MINUTE)
    fresh = Replica(world)
    await fresh.round()
    assert fresh.authority != replica.authority
    assert not fresh.source.healthy()
    assert fresh.source.describe().waits is not None
    assert fresh.source.describe().problems == ()
    await live(world, replica, fresh, time=MINUTE)
    assert not fresh.source.healthy()
    await live(world, replica, fresh, time=2 * MINUTE)
    assert fresh.source.healthy()
    assert fresh.source.describe().waits is None
    assert fresh.authority == replica.authority


async def test_no_replica_waits_if_nothing_else_is_trusted(world: World) -> None:
    """At a first start, when everything was lost, and in the days after a usual rotation."""
    replica = Replica(world)
    await replica.round()
    assert replica.source.healthy()
    world.write_secret(None)
    world.set_bundle(b"")
    lost = Replica(world)
    await lost.round()
    assert lost.source.healthy()
    await rotate_authority(lost.secrets, settings=lost.settings)
    await live(world, lost, time=timedelta(seconds=150))
    assert len(world.trusted()) == 2
    late = Replica(world)
    await late.round()
    assert late.authority == lost.authority
    assert late.source.healthy()


async def test_a_leaf_that_expired_before_it_was_signed_is_signed_again(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    """A longer suspension is not reported as a problem."""
    pauses = [timedelta(days=6)]

    async def suspend(call: str) -> None:
        if call == "secret got" and pauses:
            world.time += pauses.pop()

    late = Replica(world, gate=suspend)
    await late.round()
    assert late.source.healthy()
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_a_leaf_that_the_bundle_does_not_trust_is_not_served(
    world: World, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a leaf is served it is checked as a client would. The one before is still served, and it is reported."""

    def refuse(*_: object, **__: object) -> None:
        raise UntrustedLeaf("for some reason")

    first = replica.source.serving.fingerprint
    monkeypatch.setattr("certs.managed.perform.verify", refuse)
    world.time += 4 * DAY
    await replica.round()
    assert replica.source.serving.fingerprint == first
    assert [problem.text for problem in replica.source.describe().problems] == [
        "no leaf certificate can be signed: for some reason"
    ]


async def test_settings_that_differ_in_the_middle_of_an_upgrade_cost_nothing(world: World) -> None:
    """The replica with short leaves rotates; the long leaf of the other, which is cut off, is trusted until it ends."""
    long = Replica(world, settings(leaf_lifetime=timedelta(days=9)))
    await live(world, long, time=timedelta(days=37), step=timedelta(hours=6))
    short = Replica(world, settings(leaf_lifetime=timedelta(days=2)))
    not_after = long.source.serving.not_after
    assert not_after is not None
    while world.time < not_after:
        assert long.authority in world.trusted()
        await live(world, short, time=timedelta(hours=6), step=timedelta(hours=6))
    assert short.authority != long.authority
    longer = Replica(world, settings(leaf_lifetime=timedelta(days=20)))
    await longer.round()
    not_after = longer.source.serving.not_after
    assert not_after is not None
    assert not_after - world.time == timedelta(days=2)


async def test_a_deleted_secret_costs_no_connection(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    """A new authority is created and trusted in addition to the old one. After a while the leaf changes."""
    first = replica.authority
    world.write_secret(None)
    await live(world, replica, time=MINUTE)
    (second,) = world.stored - {first}
    assert world.trusted() == {first, second}
    assert replica.authority == first
    assert replica.source.healthy()
    assert replica.counts("authorities_lost") == (1,)
    assert [r.levelname for r in caplog.records if "key is lost" in r.message] == ["WARNING"]
    await live(world, replica, time=3 * MINUTE)
    assert replica.authority == second
    await live(world, replica, time=timedelta(days=6), step=timedelta(hours=6))
    assert world.trusted() == {second}


@pytest.mark.parametrize("key", ["ca.crt", "ca.key", "state.json", "next.crt", "next.key"])
async def test_what_cannot_be_read_in_the_secret_is_replaced(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    """In any key: it is gone within a minute, counted and named in the log, and the replica stays healthy."""
    assert world.secret is not None
    world.write_secret({**world.secret[0], key: b"rubbish", "theirs": b"kept"})
    await live(world, replica, time=MINUTE)
    assert world.secret[0].get(key) != b"rubbish"
    assert world.secret[0]["theirs"] == b"kept"
    assert replica.counts("secret_repaired") == (1,)
    assert [r.levelname for r in caplog.records if "could not be kept" in r.message and key in r.message] == ["WARNING"]
    await live(world, replica, time=4 * MINUTE)
    assert replica.source.healthy()
    assert replica.source.describe().problems == ()
    assert replica.authority in world.trusted()


async def test_another_key_in_the_secret_makes_a_new_authority(world: World, replica: Replica) -> None:
    """The certificate of the old one is still good for leaves that are served, so it stays trusted until they end."""
    first = replica.authority
    stranger = make_authority(now=START, lifetime=60 * DAY)
    assert world.secret is not None
    world.write_secret({**world.secret[0], "ca.key": stranger.private_pem()})
    await live(world, replica, time=4 * MINUTE)
    assert replica.source.healthy()
    assert replica.authority != first
    assert world.trusted() == {first, replica.authority}


async def test_another_pair_in_the_secret_is_taken(world: World, replica: Replica) -> None:
    """A person put in another authority, or a backup: it is published, waited for and then used."""
    first = replica.authority
    brought = make_authority(now=START, lifetime=60 * DAY)
    world.write_secret({"ca.crt": bundle_pem([brought.certificate]), "ca.key": brought.private_pem()})
    await live(world, replica, time=MINUTE)
    assert replica.authority == first
    await live(world, replica, time=3 * MINUTE)
    assert replica.authority == fingerprint(brought.certificate)
    assert replica.source.healthy()
    assert replica.counts("authorities_created") == (1,)


async def test_an_emptied_bundle_is_filled_again(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    """Helm and Argo CD do that. It is put back within a minute, counted, and the log says what to do."""
    world.set_bundle(b"")
    await live(world, replica, time=MINUTE)
    assert world.trusted() == {replica.authority}
    assert replica.counts("trust_restored") == (1,)
    assert [r.levelname for r in caplog.records if "someone took out" in r.message] == ["WARNING"]


async def test_a_replaced_bundle_keeps_what_is_valid(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    """Another valid certificate stays. What has expired or is not a certificate goes; both are counted and logged."""
    caplog.set_level(logging.INFO)
    stranger = make_authority(now=START, lifetime=60 * DAY).certificate
    expired = make_authority(now=START - 60 * DAY, lifetime=59 * DAY).certificate
    world.set_bundle(
        bundle_pem([stranger, expired]) + b"-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n"
    )
    await live(world, replica, time=MINUTE)
    assert world.trusted() == {replica.authority, fingerprint(stranger)}
    assert replica.counts("trust_lost", "trust_expired") == (1, 1)
    name = expired.subject.rfc4514_string()
    assert [r.levelname for r in caplog.records if f"took out {name}" in r.message] == ["INFO"]


async def test_a_bundle_in_another_order_is_left_alone(world: World, replica: Replica) -> None:
    """Two writers that each want another order would write for ever."""
    stranger = make_authority(now=START, lifetime=60 * DAY).certificate
    world.set_bundle(b"# ours comes last\n" + bundle_pem([stranger]) + world.entry().bundle)
    world.calls.clear()
    await live(world, replica, time=MINUTE)
    assert "trust patch" not in world.calls


async def test_webhooks_are_found_by_name_and_service_in_any_order(world: World, replica: Replica) -> None:
    """Our second webhook gets the bundle, another's keeps its own; neither order nor number matters."""
    world.write_entries(
        WebhookEntry(name="stranger", bundle=b"theirs", service="other/webhook"),
        WebhookEntry(name="second.m365", bundle=b"", service=SERVICE),
        replace(world.entry(), bundle=b""),
    )
    await live(world, replica, time=MINUTE)
    assert world.trusted("second.m365") == world.trusted() == {replica.authority}
    assert world.entry("stranger").bundle == b"theirs"
    assert replica.source.healthy()


async def test_a_webhook_that_calls_a_url_is_ours_by_name(world: World) -> None:
    """Outside a cluster, as in tests and with `--listen` on a host, it calls no Service."""
    world.write_entries(WebhookEntry(name="by-url", bundle=b""))
    replica = Replica(world, settings(webhooks=frozenset({"by-url"})))
    await replica.round()
    assert replica.source.healthy()


async def test_a_deleted_configuration_is_filled_when_it_is_back(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    """While it is gone one line says so; the leaf stays, and the new configuration is filled within the minute."""
    caplog.set_level(logging.INFO)
    before, fingerprint_before = world.configuration, replica.source.serving.fingerprint
    world.configuration = None
    await live(world, replica, time=5 * MINUTE)
    assert not replica.source.healthy()
    assert len([r for r in caplog.records if "is absent" in r.message]) == 1
    assert before is not None
    world.write_entries(replace(before.entries[0], bundle=b""))
    await live(world, replica, time=MINUTE)
    assert replica.source.healthy()
    assert world.trusted() == {replica.authority}
    assert replica.source.serving.fingerprint == fingerprint_before
    assert len([r for r in caplog.records if r.message.startswith("over:")]) == 1


async def test_a_configuration_without_our_webhook_is_reported(world: World) -> None:
    """Nothing is written into another webhook, and the line names the Service that ours should call."""
    world.write_entries(WebhookEntry(name="stranger", bundle=b"", service="other/webhook"))
    replica = Replica(world)
    await replica.round()
    assert not replica.source.healthy()
    (problem,) = replica.source.describe().problems
    assert SERVICE in problem.text
    assert world.entry("stranger").bundle == b""


@pytest.mark.parametrize(
    ("store", "call", "words"),
    [
        ("secrets", "get", "Secret m365/webhook-authority cannot be read: RBAC forbids `get`"),
        ("secrets", "create", "Secret m365/webhook-authority cannot be written: RBAC forbids it"),
        ("trust", "get", "MutatingWebhookConfiguration m365-webhook cannot be read: RBAC forbids `get`"),
        ("trust", "patch", "the caBundle of MutatingWebhookConfiguration m365-webhook cannot be set: RBAC forbids"),
    ],
)
async def test_what_rbac_forbids_is_one_line_with_its_fix(
    world: World, caplog: pytest.LogCaptureFixture, store: str, call: str, words: str
) -> None:
    """However long it lasts. When the right is given, serving begins by itself, and one line says that it is over."""
    replica = Replica(world)
    getattr(replica, store).fails[call] = Forbidden("no")
    await live(world, replica, time=5 * MINUTE)
    assert not replica.source.healthy()
    (problem,) = replica.source.describe().problems
    assert problem.text.startswith(words)
    assert "docs/certificates.md" in problem.fix
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == [str(problem)]
    getattr(replica, store).fails.clear()
    await live(world, replica, time=MINUTE)
    assert replica.source.healthy()
    assert replica.source.describe().problems == ()


async def test_a_secret_that_takes_no_change_is_reported(world: World, replica: Replica) -> None:
    """An immutable one, for example: it is one problem, and serving goes on."""
    assert world.secret is not None
    world.write_secret({"ca.crt": b"rubbish"})
    replica.secrets.fails["update"] = Rejected("HTTP 422: field is immutable")
    await live(world, replica, time=MINUTE)
    assert [p.text for p in replica.source.describe().problems] == [
        "Secret m365/webhook-authority cannot be written: HTTP 422: field is immutable"
    ]
    assert "delete it if it is immutable" in replica.source.describe().problems[0].fix
    assert replica.source.healthy()


async def test_an_expired_authority_is_replaced_at_once(world: World, replica: Replica) -> None:
    """All replicas were away for months; nothing is left to keep."""
    first = replica.authority
    world.time += 100 * DAY
    late = Replica(world)
    await late.round()
    assert late.source.healthy()
    assert late.authority != first
    assert world.trusted() == {late.authority}


async def test_a_retired_authority_is_not_brought_back(world: World, replica: Replica) -> None:
    """Not even if a person puts an old bundle back: its fingerprint stays recorded until it expires."""
    first = replica.authority
    await live(world, replica, time=timedelta(days=45), step=timedelta(hours=3))
    assert first not in world.trusted()
    world.set_bundle(next(e[0].bundle for _, e in world.bundles if first in _fingerprints(e)))
    await live(world, replica, time=MINUTE)
    assert world.trusted() == {replica.authority}


async def test_a_bug_in_a_round_ends_neither_the_rounds_nor_the_serving(
    world: World, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted and its place logged, but not its text, which may quote what it was given."""

    async def broken() -> None:
        raise KeyError("-----BEGIN PRIVATE KEY-----")

    replica.trust.get = broken  # type: ignore[method-assign, assignment]
    await replica.source.start()
    assert replica.counts("bugs") == (1,)
    assert replica.source.serving.usable()
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert "KeyError at test_source.py" in record.message
    assert "BEGIN" not in record.message


def _fingerprints(entries: tuple[WebhookEntry, ...]) -> set[str]:
    from certs.pem import parse_bundle

    return {fingerprint(c) for entry in entries for c in parse_bundle(entry.bundle).certificates}
