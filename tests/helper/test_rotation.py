"""The kubelet renews the token by swapping a symlink, also while the file is read."""

import itertools
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from m365_identity._tokens.assertion import decode
from m365_identity._tokens.jwt_claims import claims
from m365_identity._tokens.token_file import read
from testbed.entra import Entra
from tests.helper.support import SCOPE, SUBJECT, Flavour, Pod
from tests.helper.tokens import jwt

FILE = "azure-identity-token"


class Volume:
    """A projected volume as the kubelet keeps it: `FILE` -> `..data/FILE`, `..data` -> a folder with a new name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._names = itertools.count()
        path.mkdir()
        (path / FILE).symlink_to(f"..data/{FILE}")

    def write(self, token: str) -> None:
        """Swaps in a new folder and removes the old one, at once, as the kubelet does."""
        data = self.path / "..data"
        old = data.readlink() if data.is_symlink() else None
        new = f"..2026_{next(self._names)}"
        (self.path / new).mkdir()
        (self.path / new / FILE).write_text(token)
        (self.path / "..data_tmp").symlink_to(new)
        (self.path / "..data_tmp").replace(data)
        if old:
            shutil.rmtree(self.path / old)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """One without a token yet."""
    return Volume(tmp_path / "tokens")


@pytest.mark.slow
def test_no_reader_finds_the_file_gone(volume: Volume) -> None:
    """Swaps at full speed, and readers that never stop: each reads whole tokens, none older than the one before."""
    volume.write(jwt(n=0))
    done = threading.Event()

    def reading() -> list[int]:
        seen = [0]
        while not done.is_set():
            token = read(volume.path / FILE)
            seen.append(claims(token)["n"])
        return seen

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(reading) for _ in range(4)]
        try:
            for number in range(1, 200):
                volume.write(jwt(n=number))
        finally:
            done.set()
        for reader in readers:
            seen = reader.result(20)
            assert seen == sorted(seen)
            assert seen[-1] > 0


def test_no_call_fails_while_tokens_are_swapped(pod: Pod, entra: Entra, volume: Volume) -> None:
    """Each call is an exchange of its own (a claims challenge each), and each takes the token of its moment."""
    pod.federate()
    volume.write(entra.issuer.token(subject=SUBJECT, jti="0"))
    done = threading.Event()

    def swapping() -> None:
        for number in itertools.count(1):
            if done.is_set():
                return
            volume.write(entra.issuer.token(subject=SUBJECT, jti=str(number)))

    with pod.credential("sync", token_file=volume.path / FILE) as get, ThreadPoolExecutor(5) as threads:
        swapper = threads.submit(swapping)

        def calling(caller: int) -> None:
            for call in range(10):
                challenge = f'{{"access_token":{{"x":{{"value":"{caller}-{call}"}}}}}}'
                assert get(SCOPE, options={"claims": challenge}).token

        try:
            for future in [threads.submit(calling, caller) for caller in range(4)]:
                future.result(60)
        finally:
            done.set()
        swapper.result(20)
    assert [asked.status for asked in entra.exchanges] == [200] * 40
    used = [int(asked.claims["jti"]) for asked in entra.exchanges]
    assert len(set(used)) > 1
    assert used == sorted(used)


def test_the_next_exchange_uses_the_new_token(pod: Pod, entra: Entra, volume: Volume, kind: Flavour) -> None:
    """No text of it is kept: azure-identity's own credential would send the old one for ten minutes."""
    pod.federate()
    with pod.credential(kind, token_file=volume.path / FILE) as get:
        for number in ("1", "2", "3"):
            volume.write(entra.issuer.token(subject=SUBJECT, jti=number))
            assert get(SCOPE, options={"claims": f'{{"access_token":{{"x":{{"value":"{number}"}}}}}}'}).token
    assert [asked.claims["jti"] for asked in entra.exchanges] == ["1", "2", "3"]


def test_the_claims_shown_are_those_of_the_token_sent(pod: Pod) -> None:
    """The claims of a message are those of the token that was sent."""
    assert decode(read(pod.token_file)).subject == SUBJECT
