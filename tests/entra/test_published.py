"""Documents on the internet: what tests of `issuer` leave out."""

from pathlib import Path

import pytest

from testbed.entra.emulator import running
from webhook.entra.published import addresses, fetch


async def test_a_name_is_looked_up() -> None:
    """The machine's own name for itself, and a name that does not exist."""
    assert set(await addresses("localhost")) <= {"127.0.0.1", "::1"}
    assert await addresses("localhost") != ()
    assert await addresses("no such host") == ()


async def test_only_https_is_fetched() -> None:
    """As Entra does."""
    assert (await fetch("http://127.0.0.1:1/")).problem == "it is not an https URL"


async def test_passwords_of_netrc_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose server it is, is for the issuer to say: an entry `default` is for nobody there."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password mine\n")
    netrc.chmod(0o600)
    with running() as entra:
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("SSL_CERT_FILE", str(entra.ca_file))
        found = await fetch(f"{entra.issuer.url}/.well-known/openid-configuration")
        assert found.problem == ""
        assert [(asked.on, asked.is_basic) for asked in entra.requests] == [("issuer", False)]
