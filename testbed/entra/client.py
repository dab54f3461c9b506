"""A plain HTTPS client for the emulator's own tests, without an SDK."""

from __future__ import annotations

from typing import Any, Self

import requests

from testbed.entra.directory import Application
from testbed.entra.emulator import Entra
from testbed.entra.login import TOKEN_PATH
from testbed.entra.token_endpoint import JWT_BEARER

SUBJECT = "system:serviceaccount:shop:terraform"


class Client:
    """A client of one emulator. It trusts that emulator's authority only, and ignores the environment."""

    def __init__(self, entra: Entra) -> None:
        self.entra = entra
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(entra.ca_file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.session.close()

    def get(self, url: str, **options: Any) -> requests.Response:
        """The answer to a GET of `url`."""
        return self.session.get(url, timeout=60, **options)

    def application(self, **options: Any) -> Application:
        """An application that trusts SUBJECT of the emulator's issuer, and may read the organization."""
        application = self.entra.application(**{"roles": ["Organization.Read.All"], **options})
        application.federate(issuer=self.entra.issuer.url, subject=SUBJECT)
        return application

    def exchange(
        self,
        application: Application,
        assertion: str | None = None,
        *,
        tenant: str = "",
        headers: dict[str, str] | None = None,
        **changes: str | None,
    ) -> requests.Response:
        """A token request as the SDKs make it, with `changes` of the form's fields. None leaves a field out."""
        form: dict[str, str | None] = {
            "grant_type": "client_credentials",
            "client_id": application.client_id,
            "scope": self.entra.graph_scope,
            "client_assertion_type": JWT_BEARER,
            "client_assertion": assertion or self.entra.issuer.token(subject=SUBJECT),
            **changes,
        }
        fields = {name: value for name, value in form.items() if value is not None}
        url = self.entra.login + (tenant or application.tenant_id) + TOKEN_PATH
        return self.session.post(url, data=fields, headers=headers, timeout=60)

    def token(self, application: Application) -> str:
        """An access token."""
        return str(self.exchange(application).json()["access_token"])

    def graph(self, path: str, token: str = "", **options: Any) -> requests.Response:
        """The answer of Graph to a GET of `path`, with the access token if one is given."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.get(self.entra.graph + path, headers={**headers, **options.pop("headers", {})}, **options)
