"""No private key in any repr, log line, exception or file, and none kept."""

from __future__ import annotations

import ast
import base64
import gc
import logging
import pickle
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from certs import authority, errors, pem
from certs.authority import make_leaf
from certs.development import DevelopmentSource
from certs.errors import CertificateError, Forbidden, StoreUnavailable
from certs.managed import secret
from certs.managed.secret import StoredSecret
from certs.pem import load_key, parse_pair, private_pem
from certs.serving import Serving
from tests.authorities import make_authority
from tests.certs.fakes import NAMES, START, Replica, World, live

DAY = timedelta(days=1)
NOW = datetime.now(UTC)


def traces(*keys: PrivateKeyTypes) -> list[str]:
    """Pieces by which a private key would be recognised: of its PEM, and of its number in decimal and hex."""
    found = ["PRIVATE KEY"]
    for key in keys:
        body = b"".join(private_pem(key).splitlines()[1:-1])
        found += [body[n : n + 12].decode() for n in range(48, 84, 12)]  # before that all keys are alike
        number = key.private_numbers().private_value  # type: ignore[union-attr]
        found += [str(number), f"{number:x}"]
    return found


def assert_clean(text: str, *keys: PrivateKeyTypes) -> None:
    for trace in traces(*keys):
        assert trace not in text


def test_the_traces_would_be_found() -> None:
    """A test that looks for nothing finds nothing."""
    authority = make_authority(now=START, lifetime=DAY)
    with pytest.raises(AssertionError):
        assert_clean(authority.private_pem().decode(), authority.key)
    assert any(trace in authority.private_pem().decode() for trace in traces(authority.key)[1:])


def test_no_repr_shows_a_key() -> None:
    """Of whatever holds one."""
    authority = make_authority(now=START, lifetime=DAY)
    pair = make_leaf(authority, names=NAMES, now=START, lifetime=DAY)
    serving = Serving()
    stored = StoredSecret(
        data={"ca.key": authority.private_pem()}, version="1", origin={"ca.key": authority.private_pem()}
    )
    for thing in (authority, pair, stored, serving, DevelopmentSource().__dict__):
        for text in (repr(thing), str(thing), f"{thing}"):
            assert_clean(text, authority.key, pair.key)


def test_a_pair_cannot_be_pickled_by_accident() -> None:
    """Into a cache, a queue or another process."""
    pair = make_leaf(make_authority(now=START, lifetime=DAY), names=NAMES, now=START, lifetime=DAY)
    with pytest.raises(TypeError):
        pickle.dumps(pair)


def test_no_exception_quotes_what_was_read() -> None:
    """Whichever way a key is broken; its cause is not chained either."""
    pair = make_leaf(make_authority(now=START, lifetime=DAY), names=NAMES, now=START, lifetime=DAY)
    pem = private_pem(pair.key)
    encrypted = pair.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    broken = [pem[:-40], pem.replace(b"PRIVATE KEY", b"CERTIFICATE"), pem.swapcase(), pem[:80] + pem[90:], encrypted]
    for content in broken:
        for attempt in (lambda c=content: load_key(c), lambda c=content: parse_pair(c, c)):
            with pytest.raises(CertificateError) as raised:
                attempt()
            error = raised.value
            assert error.__cause__ is None
            assert error.__suppress_context__ or error.__context__ is None
            assert_clean(f"{error!r} {error.args}", pair.key)


async def test_a_life_full_of_trouble_logs_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, through rotation, loss, damage and refusals; the description shows no key either."""
    caplog.set_level(logging.DEBUG)
    world = World()
    replica, other = Replica(world), Replica(world)
    keys: list[PrivateKeyTypes] = []

    def keep() -> None:
        for name in ("ca.key", "next.key"):
            if world.secret and b"PRIVATE" in (pem := world.secret[0].get(name, b"")):
                keys.append(load_key(pem))

    await live(world, replica, other, time=45 * DAY, step=timedelta(hours=12))
    keep()
    assert world.secret is not None
    ours = world.secret[0]
    for damage in ({"ca.crt": ours["ca.key"]}, {"state.json": ours["ca.key"]}, {"next.key": ours["ca.key"]}):
        world.write_secret({**ours, **damage})
        world.set_bundle(ours["ca.key"])
        await live(world, replica, other, time=timedelta(minutes=5))
        keep()
    for error in (Forbidden("no"), StoreUnavailable("away")):
        replica.secrets.fails["update"] = replica.trust.fails["patch"] = error
        world.write_secret({"ca.crt": ours["ca.key"]})
        await live(world, replica, time=timedelta(minutes=5))
    assert len(keys) >= 3
    text = "\n".join(f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records)
    assert len(text) > 1000
    assert_clean(text, *keys)
    assert_clean(repr(replica.source.describe()) + repr(replica.source.__dict__), *keys)


async def test_the_authoritys_key_is_not_kept() -> None:
    """After a round nothing that the replica holds leads to it: it was in the world's Secret only."""
    world = World()
    replica = Replica(world)
    await live(world, replica, time=timedelta(minutes=2))
    assert world.secret is not None
    pem = world.secret[0]["ca.key"]
    seen: set[int] = set()
    queue: list[object] = [
        value for name, value in vars(replica.source).items() if name not in {"_secrets", "_trust", "_clock"}
    ]
    world.secret = None
    while queue:
        thing = queue.pop()
        if id(thing) in seen or thing is world or isinstance(thing, type):
            continue
        seen.add(id(thing))
        assert not (isinstance(thing, bytes) and (pem in thing or base64.b64encode(pem) in thing))
        assert type(thing).__name__ not in {"StoredSecret", "Authority", "Snapshot"}
        if type(thing).__module__.startswith(("certs", "builtins", "collections")):
            queue += gc.get_referents(thing)
    assert len(seen) > 20


def test_no_file_is_left_behind() -> None:
    """Neither in the temporary folder nor in shared memory."""
    folders = [Path(tempfile.gettempdir()), Path("/dev/shm")]
    before = {path for folder in folders for path in folder.iterdir()}
    serving = Serving()
    serving.replace(make_leaf(make_authority(now=NOW, lifetime=DAY), names=NAMES, now=NOW, lifetime=DAY))
    after = {path for folder in folders for path in folder.iterdir()}
    assert [path for path in after - before if b"PRIVATE" in _content(path)] == []


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # a folder, or someone else's that is gone again
        return b""


GIVERS = frozenset(
    {"Authority", "Pair", "make_authority", "make_leaf", "signer", "load_key", "parse_pair", "private_pem"}
)
"""What in `certs` gives out a private key, or holds one."""
GIVING = frozenset({"authority", "pem", "secret"})
"""The modules that they are in."""


def imported(path: Path) -> set[tuple[str, str]]:
    """Module and name of each `from module import name`, and module and "" of each `import module`."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {(node.module or "", alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
    return found


def leaks(module: str, name: str) -> bool:
    """Whether an import gives a key into someone's hands: by name, or with the whole module that has it."""
    if module.partition(".")[0] == "certs":
        return not name or name in GIVERS or (module in ("certs", "certs.managed") and name in GIVING)
    return module.partition(".")[0] == "cryptography" and (module, name) != ("cryptography", "x509")


@pytest.mark.parametrize(
    "line",
    [
        "from certs.managed.secret import signer",
        "from certs.managed import secret",
        "from certs import advice, pem",
        "import certs.managed.secret",
        "import certs",
        "from cryptography.hazmat.primitives import serialization",
    ],
)
def test_an_import_that_leads_to_a_key_is_noticed(line: str, tmp_path: Path) -> None:
    """Whichever way it is written."""
    (tmp_path / "module.py").write_text(line)
    assert any(leaks(module, name) for module, name in imported(tmp_path / "module.py"))


def test_keys_stay_inside_certs() -> None:
    """The webhook asks for contexts and certificates. It passes the Secret's data on, and never reads a key in it."""
    root = Path(__file__).parents[2]
    modules = sorted((root / "webhook").rglob("*.py"))
    assert len(modules) > 20
    for path in modules:
        for module, name in imported(path):
            assert not leaks(module, name), f"{path.name}: {module} {name}"
        assert "ca.key" not in path.read_text(), path.name
        assert "next.key" not in path.read_text(), path.name
    modules_of = {module.__name__.rpartition(".")[2]: module for module in (authority, pem, secret)}
    assert modules_of.keys() == GIVING
    for name in GIVERS:
        assert any(hasattr(module, name) for module in modules_of.values())


def test_every_error_is_in_the_tree() -> None:
    """And in the docstring that draws it."""
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), CertificateError)
        assert f" {name} " in f" {errors.__doc__} ".replace("\n", " ")
