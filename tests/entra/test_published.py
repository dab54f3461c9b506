"""Documents on the internet: the parts that need no server."""

from webhook.entra.published import addresses, fetch


async def test_a_name_is_looked_up() -> None:
    """The machine's own name for itself, and a name that does not exist."""
    assert set(await addresses("localhost")) <= {"127.0.0.1", "::1"}
    assert await addresses("localhost") != ()
    assert await addresses("no such host") == ()


async def test_only_https_is_fetched() -> None:
    """As Entra does."""
    assert (await fetch("http://127.0.0.1:1/")).problem == "it is not an https URL"
