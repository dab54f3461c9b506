"""What somebody who writes the Secret or caBundle gets out of an old authority or a foreign one: nothing that lasts.

On the fakes of the certificates: two replicas, one Secret, one webhook configuration. After each attack, at every
reading, the leaf that a replica serves verifies against the caBundle: the repair costs no review.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography import x509

from certs.authority import Authority, verify
from certs.managed.refusal import learn_retired
from certs.managed.secret import AuthorityRecord, SecretState
from certs.pem import bundle_pem, fingerprint, parse_bundle
from tests.authorities import make_authority
from tests.certs.fakes import NAME, START, Replica, World, live

pytestmark = pytest.mark.slow  # no process, but a quarter of the time of all that is quick

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STEP = timedelta(seconds=30)


@dataclass
class Installation:
    """Two replicas that have rotated once: `old` is the Secret from before, and its authority is retired."""

    world: World
    replicas: tuple[Replica, Replica]
    old: Mapping[str, bytes]

    @property
    def retired(self) -> str:
        return fingerprint(x509.load_pem_x509_certificate(self.old["ca.crt"]))

    @property
    def secret(self) -> dict[str, bytes]:
        assert self.world.secret is not None
        return dict(self.world.secret[0])

    def count(self, event: str) -> int:
        return sum(replica.counts(event)[0] for replica in self.replicas)

    async def live(self, time: timedelta, step: timedelta = STEP) -> None:
        """Let time pass. kube-apiserver never refuses a replica, and never trusts what is retired."""
        end = self.world.time + time
        while self.world.time < end:
            self.world.time += step
            for replica in self.replicas:
                await replica.round()
                self.check()

    def check(self) -> None:
        """Each replica takes calls, with a leaf that the caBundle trusts, of an authority that was never retired."""
        bundle = parse_bundle(self.world.entry().bundle).certificates
        for replica in self.replicas:
            leaf = replica.source.serving.certificate
            assert leaf is not None
            verify(leaf, bundle, name=NAME, now=self.world.time)
            assert replica.source.healthy()
            assert replica.authority != self.retired

    def held(self) -> set[str]:
        """The authorities in the Secret."""
        return {
            fingerprint(c)
            for key in ("ca.crt", "next.crt")
            for c in parse_bundle(self.secret.get(key, b"")).certificates
        }


@pytest.fixture
async def rotated() -> Installation:
    world = World()
    replicas = Replica(world), Replica(world)
    await live(world, *replicas, time=5 * MINUTE)
    assert world.secret is not None
    made = Installation(world, replicas, dict(world.secret[0]))
    await live(world, *replicas, time=46 * DAY, step=3 * HOUR)
    assert made.retired not in world.trusted() | made.held()
    return made


def whole_secret(here: Installation) -> dict[str, bytes]:
    """A backup: nothing in it says that its authority is retired."""
    return dict(here.old)


def pair_alone(here: Installation) -> dict[str, bytes]:
    """The record that the authority is retired stays."""
    return {**here.secret, **{key: here.old[key] for key in ("ca.crt", "ca.key")}}


def certificate_without_key(here: Installation) -> dict[str, bytes]:
    """Somebody who may write the Secret and has no key."""
    return {**here.secret, "ca.crt": here.secret["ca.crt"] + here.old["ca.crt"]}


def in_front_without_key(here: Installation) -> dict[str, bytes]:
    return {**here.secret, "ca.crt": here.old["ca.crt"] + here.secret["ca.crt"]}


def without_key_or_record(here: Installation) -> dict[str, bytes]:
    return {**certificate_without_key(here), "state.json": here.old["state.json"]}


def as_the_next(here: Installation) -> dict[str, bytes]:
    return {**here.secret, "next.crt": here.old["ca.crt"], "next.key": here.old["ca.key"]}


def as_the_next_without_record(here: Installation) -> dict[str, bytes]:
    return {**as_the_next(here), "state.json": b""}


def as_the_next_without_key(here: Installation) -> dict[str, bytes]:
    return {**here.secret, "next.crt": here.old["ca.crt"]}


ROLLBACKS = [
    whole_secret,
    pair_alone,
    certificate_without_key,
    in_front_without_key,
    without_key_or_record,
    as_the_next,
    as_the_next_without_record,
    as_the_next_without_key,
]


@pytest.mark.parametrize("write", ROLLBACKS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("bundle_too", [False, True], ids=["Secret", "Secret and caBundle"])
async def test_a_retired_authority_is_not_trusted_again(
    rotated: Installation, write: object, bundle_too: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it is put, with its key or without: it never signs, and within a minute it is gone everywhere."""
    published_before = rotated.retired in rotated.world.trusted()
    rotated.world.write_secret(write(rotated))  # type: ignore[operator]
    if bundle_too:
        rotated.world.set_bundle(rotated.world.entry().bundle + rotated.old["ca.crt"])
    written = len(rotated.world.bundles)
    await rotated.live(MINUTE)
    assert not published_before
    assert rotated.retired not in rotated.world.trusted() | rotated.held()
    later = [entry for _, entries in rotated.world.bundles[written:] for entry in entries]
    assert all(rotated.old["ca.crt"].strip() not in entry.bundle for entry in later)
    assert rotated.count("authorities_refused") == (1 if "is retired" in caplog.text else 0)
    await rotated.live(12 * DAY, step=HOUR)
    assert rotated.retired not in rotated.world.trusted() | rotated.held()


@pytest.mark.parametrize("write", [whole_secret, pair_alone, as_the_next], ids=lambda each: each.__name__)
async def test_a_retired_authority_with_its_key_is_reported_once(
    rotated: Installation, write: object, caplog: pytest.LogCaptureFixture
) -> None:
    """With the code of the message, and counted."""
    rotated.world.write_secret(write(rotated))  # type: ignore[operator]
    await rotated.live(5 * MINUTE)
    assert [r.levelname for r in caplog.records if "WIC124" in r.message and "is retired" in r.message] == ["WARNING"]
    assert rotated.count("authorities_refused") == 1


@pytest.mark.parametrize("write", [pair_alone, as_the_next], ids=lambda each: each.__name__)
async def test_a_replica_that_has_just_started_reads_in_the_secret_what_is_retired(
    rotated: Installation, write: object
) -> None:
    """It remembers nothing; the record stays in the Secret until the authority expires."""
    for replica in rotated.replicas:
        replica.start()
    rotated.world.write_secret(write(rotated))  # type: ignore[operator]
    for _ in range(10):
        await live(rotated.world, *rotated.replicas, time=STEP)
        assert rotated.retired not in rotated.world.trusted() | rotated.held()
    rotated.check()  # not before: a fresh replica waits until every kube-apiserver knows a new authority
    assert rotated.count("authorities_refused") == 1


async def test_what_is_retired_outlasts_the_secret(rotated: Installation) -> None:
    """The Secret is deleted: what the replicas remember is recorded in the next one, for those that start later."""
    rotated.world.write_secret(None)
    await rotated.live(10 * MINUTE)
    assert rotated.retired in json.loads(rotated.secret["state.json"])["authorities"]


async def test_a_retired_authority_in_a_ca_bundle_is_taken_out_and_reported(
    rotated: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """Behind ours, at the next reading."""
    rotated.world.set_bundle(rotated.world.entry().bundle + rotated.old["ca.crt"])
    await rotated.live(STEP)
    assert rotated.retired not in rotated.world.trusted()
    assert [r.levelname for r in caplog.records if "WIC125" in r.message] == ["WARNING"]
    assert rotated.count("trust_refused") == 1


@pytest.fixture
def foreign(rotated: Installation) -> Authority:
    """An authority that lives longer than any that the webhook makes."""
    return make_authority(now=rotated.world.time, lifetime=3000 * DAY, common_name="foreign")


async def test_a_foreign_authority_in_a_ca_bundle_stays_for_the_life_of_a_leaf(
    rotated: Installation, foreign: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """It could be that of a lost Secret, so no sooner; then it goes for good. Restarts change nothing."""
    known, since = fingerprint(foreign.certificate), rotated.world.time
    with_foreign = rotated.world.entry().bundle + bundle_pem([foreign.certificate])
    rotated.world.set_bundle(with_foreign)
    await rotated.live(MINUTE)
    assert [r.levelname for r in caplog.records if "WIC126" in r.message] == ["WARNING"]
    settings = rotated.replicas[0].settings
    while rotated.world.time - since < settings.leaf_lifetime:
        assert known in rotated.world.trusted()
        rotated.replicas[0].start()
        await rotated.replicas[0].round()
        await rotated.live(6 * HOUR, step=HOUR)
    await rotated.live(3 * settings.skew + 2 * HOUR, step=10 * MINUTE)
    assert known not in rotated.world.trusted()
    assert rotated.count("trust_refused") >= 1 or "WIC125" in caplog.text
    rotated.world.set_bundle(rotated.world.entry().bundle + bundle_pem([foreign.certificate]))
    await rotated.live(STEP)
    assert known not in rotated.world.trusted()


async def test_a_lost_authority_is_trusted_until_its_leaves_end_and_no_longer(rotated: Installation) -> None:
    """The Secret is lost, and no replica that runs remembers: only a replica that is cut off has a leaf of it."""
    cut_off = Replica(rotated.world)
    await cut_off.round()
    lost = cut_off.authority
    for replica in rotated.replicas:
        replica.start()
    rotated.world.write_secret(None)
    for replica in rotated.replicas:
        await replica.round()
    not_after = cut_off.source.serving.not_after
    assert not_after is not None
    while rotated.world.time < not_after:
        assert lost in rotated.world.trusted()
        await live(rotated.world, *rotated.replicas, time=HOUR, step=HOUR)
    await live(rotated.world, *rotated.replicas, time=5 * HOUR, step=HOUR)
    assert lost not in rotated.world.trusted()


@pytest.mark.parametrize("place", ["behind", "in front"])
async def test_a_foreign_certificate_in_the_secret_is_not_published(
    rotated: Installation, foreign: Authority, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Without its key and without a record, it can have signed nothing that is served."""
    ours, theirs = rotated.secret["ca.crt"], bundle_pem([foreign.certificate])
    changed = ours + theirs if place == "behind" else theirs + ours
    rotated.world.write_secret({**rotated.secret, "ca.crt": changed})
    await rotated.live(5 * MINUTE)
    known = fingerprint(foreign.certificate)
    assert known not in rotated.world.published | rotated.held()
    assert [r.levelname for r in caplog.records if "WIC124" in r.message] == ["WARNING"]


async def test_a_foreign_certificate_in_the_secret_and_in_a_ca_bundle_goes_after_the_life_of_a_leaf(
    rotated: Installation, foreign: Authority
) -> None:
    """It looks like an authority whose record was lost."""
    added = bundle_pem([foreign.certificate])
    rotated.world.write_secret({**rotated.secret, "ca.crt": rotated.secret["ca.crt"] + added})
    rotated.world.set_bundle(rotated.world.entry().bundle + added)
    await rotated.live(6 * DAY, step=HOUR)
    assert fingerprint(foreign.certificate) not in rotated.world.trusted() | rotated.held()


def test_what_is_remembered_is_bounded() -> None:
    """By number, and by the life of each; never one that is in the Secret."""
    records = {
        f"{number:064x}": AuthorityRecord(expires=START + DAY, leaves_end=START - number * MINUTE)
        for number in range(1, 10_000)
    }
    remembered = learn_retired({}, SecretState(records=records), now=START)
    assert list(remembered) == list(records)[:256]
    assert learn_retired(remembered, SecretState(), now=START + 2 * DAY) == {}
    ours = make_authority(now=START, lifetime=DAY).certificate
    record = AuthorityRecord(expires=START + DAY, leaves_end=START - HOUR)
    state = SecretState(current=ours, records={fingerprint(ours): record})
    assert learn_retired({}, state, now=START) == {}


async def test_the_records_in_the_secret_are_bounded(rotated: Installation) -> None:
    """Ten thousand of retired authorities, written by somebody: the next write keeps 256 and ours."""
    expires, ended = (f"{rotated.world.time + days * DAY:%Y-%m-%dT%H:%M:%SZ}" for days in (900, -1))
    state = json.loads(rotated.secret["state.json"])
    state["authorities"] |= {f"{n:064x}": {"expires": expires, "leaves_end": ended} for n in range(10_000)}
    rotated.world.write_secret({**rotated.secret, "state.json": json.dumps(state).encode(), "next.crt": b"rubbish"})
    await rotated.live(MINUTE)
    assert len(json.loads(rotated.secret["state.json"])["authorities"]) <= 257 + 1
