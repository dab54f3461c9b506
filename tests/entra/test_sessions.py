"""The proxy of the environment."""

from collections.abc import Mapping

import pytest

from testbed.entra.proxy import proxying
from webhook.core.clouds import CLOUDS
from webhook.entra.failures import Failed, NotSignedIn
from webhook.entra.published import fetch
from webhook.entra.rest import Rest
from webhook.entra.sessions import proxy_for
from webhook.entra.sign_in import credential

GRAPH = "https://graph.microsoft.com/v1.0"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".microsoft.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.com"}, "http://proxy:3128"),
    ],
)
def test_the_proxy_is_that_of_the_environment(
    environ: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As curl takes it; a name without a scheme is an HTTP proxy."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(GRAPH) == expected


CALLER: Mapping[str, str] = {"AZURE_CLIENT_ID": "a", "AZURE_TENANT_ID": "contoso.com", "AZURE_CLIENT_SECRET": "b"}


class Tokens:
    """A token that no server sees."""

    async def token(self, _root: str) -> str:
        return "x"

    def forget(self, _root: str) -> None: ...


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("is_there", [True, False])
async def test_a_proxy_that_does_not_work_is_named_without_its_password(
    is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a sign-in, a request to Graph with --debug, and a document of the issuer. It is not Microsoft's answer."""
    for name in ("https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with proxying() as proxy:
        proxy.refuse_with = 403
        url = proxy.url if is_there else "http://127.0.0.1:1"
        monkeypatch.setenv("HTTPS_PROXY", url.replace("//", "//me:hidden@"))
        lines: list[str] = []
        async with Rest(GRAPH, Tokens(), name="Graph", debug=lines.append, seconds=0.0) as graph:
            with pytest.raises(Failed) as request:
                await graph.request("GET", "/organization")
        async with credential("environment", CLOUDS["public"], environ=CALLER, tell=lines.append) as caller:
            with pytest.raises(NotSignedIn) as sign_in:
                await caller.token("https://graph.microsoft.com")
        document = (await fetch("https://oidc.example.com/")).problem
    assert sign_in.value.problem.code == "WI877"
    why = "answers HTTP 403" if is_there else "cannot be reached: connection refused"
    for said in (str(request.value), str(sign_in.value), document, lines[0]):
        assert f"the proxy in HTTPS_PROXY {why}" in said
        assert "hidden" not in said
