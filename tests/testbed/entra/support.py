"""What tests of Graph and ARM have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from testbed.entra import Application, User
from testbed.entra.client import SUBJECT, Client

AUDIENCE = "api://AzureADTokenExchange"
CREDENTIAL = {"name": "shop", "issuer": "https://issuer.example", "subject": SUBJECT, "audiences": [AUDIENCE]}


class Site:
    """One site for one caller: `root` is the beginning of all addresses."""

    def __init__(self, client: Client, root: str, token: str) -> None:
        self._client = client
        self._root = root
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """The answer to a request for a path below the root, or for a whole address."""
        url = path if path.startswith("https:") else self._root + path
        return self._client.session.request(
            method, url, json=body, headers={**self._headers, **(headers or {})}, timeout=60
        )

    def made(self, path: str, **body: Any) -> dict[str, Any]:
        """What a POST made."""
        answer = self.ask("POST", path, body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


class Graph(Site):
    """Graph for one caller."""

    def __init__(self, client: Client, who: Application | User) -> None:
        super().__init__(client, f"{client.entra.graph}/v1.0", client.entra.token(who))


def seen(answer: requests.Response) -> tuple[int, str]:
    """The status, and the code of an error."""
    return answer.status_code, answer.json()["error"]["code"] if answer.status_code >= 400 else ""
