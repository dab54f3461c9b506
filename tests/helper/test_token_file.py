"""The token file: every way in which it can be unusable is one clear error, which holds nothing of its content."""

import os
import re
from pathlib import Path

import pytest

from m365_identity import TokenFileError
from m365_identity._tokens.token_file import read
from tests.helper.tokens import jwt


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the token is to be."""
    return tmp_path / "azure-identity-token"


def reason(path: Path) -> str:
    """Why the file is refused."""
    with pytest.raises(TokenFileError) as caught:
        read(path)
    error = caught.value
    assert error.path == path
    assert str(error).startswith(f"token file {path} {error.reason}: ")
    assert "Fix: " in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    return error.reason


@pytest.mark.parametrize("around", ["{}", "{}\n", "{}\r\n", "  {}\n\n", "\n{}"])
def test_white_space_around_the_token_is_not_part_of_it(path: Path, around: str) -> None:
    """A user who writes the file by hand ends it with a newline, which Entra would refuse."""
    token = jwt(sub="x")
    path.write_text(around.format(token))
    assert read(path) == token


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"\x7fELF\x02\x01\x01\x00\x00\xff", "is binary"),
        ("tökén.a.b".encode(), "is binary"),
        (b"a.b.c\0", "is binary"),
        (b"x" * 1024 * 1024, "is larger than 64 KiB"),
        (b"not a token", "is not a JWT: it has 1 part between dots"),
        (b"a.b.c.d.e", "is not a JWT: it has 5 parts"),
        (b"a.b c.d", "is not a JWT: it has characters that are not base64url"),
        (b"e30..abcd", "is not a JWT: it has characters that are not base64url"),
        (b"abcd.e30.abcd", "is not a JWT: its header is not a JSON object"),
        (b"e30.W10.abcd", "is not a JWT: its payload is not a JSON object"),
        (b"e30.a.abcd", "is not a JWT: its payload is not a JSON object"),
        (f"{jwt(sub='a')}\n{jwt(sub='b')}".encode(), "is not a JWT: it has 5 parts"),
    ],
)
def test_a_file_without_a_token_is_an_error(path: Path, content: bytes, expected: str) -> None:
    """In words that hold nothing of what is in the file."""
    path.write_bytes(content)
    told = reason(path)
    assert told.startswith(expected)
    for part in re.findall(rb"[A-Za-z0-9_-]{8,}", content):
        assert part.decode() not in told


def test_a_missing_file_is_an_error_with_the_usual_causes(path: Path) -> None:
    """The pod was not injected, or this container was left out."""
    assert reason(path) == "does not exist"
    assert reason(path / "below") == "does not exist"
    with pytest.raises(TokenFileError, match="skip-containers"):
        read(path)


def test_a_folder_is_an_error(path: Path) -> None:
    """A variable that names the mount and not the file."""
    path.mkdir()
    assert reason(path) == "is a folder"


def test_a_pipe_is_an_error_without_waiting_for_it(path: Path) -> None:
    """Opening one would wait for a writer."""
    os.mkfifo(path)
    assert reason(path) == "is not a regular file"


def test_a_file_of_another_user_is_an_error_with_the_fix(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permission is denied as the kernel does it; root, who runs these tests at times, is denied nothing."""

    def denied(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    path.write_text(jwt(sub="x"))
    monkeypatch.setattr(Path, "open", denied)
    assert reason(path) == "cannot be read: permission denied"
    with pytest.raises(TokenFileError, match="fsGroup"):
        read(path)


def test_a_read_error_of_the_disk_is_raised(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the system says."""

    def broken(self: Path, mode: str) -> None:
        raise OSError(5, "Input/output error")

    path.write_text(jwt(sub="x"))
    monkeypatch.setattr(Path, "open", broken)
    assert reason(path) == "cannot be read: Input/output error"


def test_a_file_that_is_swapped_while_it_is_opened_is_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet removes the old folder right after the swap: who was about to open it finds nothing there."""
    path.write_text(jwt(sub="new"))
    opened: list[Path] = []
    original = Path.open

    def swapping(self: Path, mode: str) -> object:
        opened.append(self)
        if len(opened) == 1:
            raise FileNotFoundError(2, "No such file or directory")
        return original(self, mode)

    monkeypatch.setattr(Path, "open", swapping)
    assert read(path) == jwt(sub="new")
    assert len(opened) == 2
