"""Signing in to Entra as the person or program that runs the command. No token is stored on disk.

    auto                a service principal of the environment, then a workload identity, then the Azure CLI, then a
                        managed identity: the first for which there is what it needs
    azure-cli           the account of `az login`
    environment         AZURE_CLIENT_ID and AZURE_TENANT_ID with AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH
    managed-identity    of the machine; AZURE_CLIENT_ID chooses one of several
    workload-identity   of the pod, or of a pipeline's token: AZURE_CLIENT_ID, AZURE_TENANT_ID,
                        AZURE_FEDERATED_TOKEN_FILE
    device-code         a person, in a browser on any machine

AZURE_AUTHORITY_HOST stands in for the cloud's login host, as in all Azure SDKs. This is the only module that imports
azure.identity, and only when there is something to sign in to: it takes half a second, and the server never needs it.
"""

import asyncio
import base64
import contextlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from webhook.core.clouds import Cloud
from webhook.core.messages import Message, message
from webhook.core.messages import sign_in as kinds
from webhook.core.text import shown
from webhook.entra.failures import NotSignedIn
from webhook.entra.sessions import is_unreached, proxy_for, proxy_problem, session

AUTO: Final = "auto"
AZURE_CLI: Final = "azure-cli"
ENVIRONMENT: Final = "environment"
MANAGED_IDENTITY: Final = "managed-identity"
WORKLOAD_IDENTITY: Final = "workload-identity"
DEVICE_CODE: Final = "device-code"
METHODS: Final = (AUTO, AZURE_CLI, ENVIRONMENT, MANAGED_IDENTITY, WORKLOAD_IDENTITY, DEVICE_CODE)

_CLIENT: Final = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")
_SECRET: Final = "AZURE_CLIENT_SECRET"
_CERTIFICATE: Final = "AZURE_CLIENT_CERTIFICATE_PATH"
_PASSWORD: Final = "AZURE_CLIENT_CERTIFICATE_PASSWORD"
_TOKEN_FILE: Final = "AZURE_FEDERATED_TOKEN_FILE"
_ENDPOINTS: Final = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT")  # of a managed identity that is not a virtual machine's
_EARLY: Final = 300.0  # seconds before its end at which a token counts as ended
_LONGEST_REASON: Final = 300  # characters
_CLI_SECONDS: Final = 60  # `az` starts slowly on a busy machine


class Credential:
    """The caller's identity, inside `async with`. `method` says how it was signed in, of METHODS without `auto`."""

    def __init__(
        self,
        method: str,
        cloud: Cloud,
        *,
        tenant: str = "",
        environ: Mapping[str, str],
        tell: Callable[[str], None],
    ) -> None:
        self.method = method
        self._cloud = cloud
        self._tenant = tenant
        self._environ = environ
        self._tell = tell
        self._turn = asyncio.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}
        self._inner: Any = None
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tokens.clear()
        await self._open.aclose()

    async def token(self, root: str) -> str:
        """An access token for the service at `root`, such as https://graph.microsoft.com. Raises NotSignedIn.

        It is for a request's header alone: never for a message, a log or a file.
        """
        async with self._turn:
            known, end = self._tokens.get(root, ("", 0.0))
            if time.time() < end - _EARLY:
                return known
            token, end = await self._ask(f"{root}/.default")
            self._tokens[root] = (token, end)
            return token

    async def tenant(self, root: str) -> str:
        """The GUID of the tenant in which the caller is signed in; "" if the token does not say. Raises NotSignedIn."""
        payload = (await self.token(root)).split(".")[1:2]
        try:
            claims = json.loads(base64.urlsafe_b64decode(payload[0] + "=" * (-len(payload[0]) % 4)))
            return str(claims.get("tid", ""))
        except (IndexError, ValueError, AttributeError):  # Microsoft may change what a token looks like
            return ""

    def forget(self, root: str) -> None:
        """The service at `root` does not accept the token any more."""
        self._tokens.pop(root, None)

    async def _ask(self, scope: str) -> tuple[str, float]:
        from azure.core.exceptions import AzureError

        try:
            if self._inner is None:
                self._inner = await self._make()
            if self.method == DEVICE_CODE:  # only the other kind of azure-identity has it
                found = await asyncio.to_thread(self._inner.get_token, scope)
            else:
                found = await self._inner.get_token(scope)
        except (AzureError, OSError, ValueError) as error:
            # The chain ends here: what is below may hold the assertion in its request.
            raise NotSignedIn(self._problem(error)) from None
        return found.token, float(found.expires_on)

    def _problem(self, error: Exception) -> Message:
        """Why the token is missing. The Azure CLI and a managed identity ask somebody on this machine."""
        reason = _reason(error)
        if self.method in (AZURE_CLI, MANAGED_IDENTITY) or not is_unreached(error):
            return message(kinds.SIGN_IN_FAILED, method=self.method, reason=reason)
        host = urlsplit(self._authority).netloc or self._authority
        return message(kinds.SIGN_IN_UNREACHABLE, method=self.method, host=host, reason=reason)

    async def _make(self) -> Any:
        _silence()
        if self.method == DEVICE_CODE:
            return self._device_code()
        from azure.core.pipeline.transport import AioHttpTransport

        own = await self._open.enter_async_context(session())
        return await self._open.enter_async_context(self._async(AioHttpTransport(session=own, session_owner=False)))

    def _async(self, transport: Any) -> Any:
        from azure.identity import aio

        environ, options = self._environ, {"transport": transport, "authority": self._authority, **self._proxies}
        if self.method == AZURE_CLI:
            return aio.AzureCliCredential(tenant_id=self._tenant, process_timeout=_CLI_SECONDS)
        if self.method == MANAGED_IDENTITY:
            return aio.ManagedIdentityCredential(client_id=environ.get("AZURE_CLIENT_ID") or None, transport=transport)
        client, tenant = (environ[name] for name in _CLIENT)
        client_options = {"client_id": client, "tenant_id": self._tenant or tenant, **options}
        if self.method == WORKLOAD_IDENTITY:
            return aio.WorkloadIdentityCredential(token_file_path=environ[_TOKEN_FILE], **client_options)
        if environ.get(_SECRET):
            return aio.ClientSecretCredential(client_secret=environ[_SECRET], **client_options)
        password = environ.get(_PASSWORD) or None
        return aio.CertificateCredential(certificate_path=environ[_CERTIFICATE], password=password, **client_options)

    def _device_code(self) -> Any:
        from azure.identity import DeviceCodeCredential

        options: dict[str, Any] = {"tenant_id": self._tenant} if self._tenant else {}
        # requests does not read SSL_CERT_FILE, and reads ~/.netrc if it reads the environment.
        authorities = self._environ.get("REQUESTS_CA_BUNDLE") or self._environ.get("SSL_CERT_FILE") or True
        return DeviceCodeCredential(
            authority=self._authority,
            connection_verify=authorities,
            use_env_settings=False,
            **self._proxies,
            prompt_callback=lambda address, code, _: self._tell(f"open {address} in a browser and enter {code}"),
            **options,
        )

    @property
    def _proxies(self) -> dict[str, Any]:
        """The option of azure-identity. A managed identity is asked on the machine itself, without a proxy."""
        proxy = proxy_for(self._authority)
        return {"proxies": {"https": proxy}} if proxy else {}

    @property
    def _authority(self) -> str:
        return self._environ.get("AZURE_AUTHORITY_HOST") or self._cloud.authority


def credential(
    auth: str,
    cloud: Cloud,
    *,
    tenant: str = "",
    environ: Mapping[str, str],
    tell: Callable[[str], None],
) -> Credential:
    """The credential of `auth`, one of METHODS. Nothing is asked yet.

    tenant: instead of that of the environment or the Azure CLI. tell: is called with what a person is to do now.
    Raises NotSignedIn if something is missing that can be seen from here.
    """
    method = _found(environ) if auth == AUTO else auth
    if not method:
        raise NotSignedIn(message(kinds.NO_SIGN_IN))
    missing = _missing(method, environ)
    if missing:
        raise NotSignedIn(message(kinds.SIGN_IN_INCOMPLETE, method=method, missing=", ".join(missing)))
    return Credential(method, cloud, tenant=tenant, environ=environ, tell=tell)


def _found(environ: Mapping[str, str]) -> str:
    """The method of `auto`, "" if there is nothing to sign in with."""
    for method in (ENVIRONMENT, WORKLOAD_IDENTITY):
        if not _missing(method, environ):
            return method
    if shutil.which("az", path=environ.get("PATH")):
        return AZURE_CLI
    return MANAGED_IDENTITY if any(environ.get(name) for name in _ENDPOINTS) else ""


def _missing(method: str, environ: Mapping[str, str]) -> list[str]:
    if method not in (ENVIRONMENT, WORKLOAD_IDENTITY):
        return []
    missing = [name for name in _CLIENT if not environ.get(name)]
    if method == WORKLOAD_IDENTITY:
        return missing + [_TOKEN_FILE] * (not environ.get(_TOKEN_FILE))
    return missing + [f"{_SECRET} or {_CERTIFICATE}"] * (not environ.get(_SECRET) and not environ.get(_CERTIFICATE))


def _reason(error: Exception) -> str:
    """The first line of an error that has one. Those that follow have ids and links."""
    lines = (str(getattr(error, "message", "")) or str(error)).splitlines()
    return proxy_problem(error) or shown(lines[0] if lines else type(error).__name__, _LONGEST_REASON)


def _silence() -> None:
    """azure-identity and MSAL log warnings, which Python prints if a program has set nothing up. We tell the reason."""
    for name in ("azure", "msal"):
        found = logging.getLogger(name)
        if not found.handlers:  # with any, Python does not print by itself
            found.addHandler(logging.NullHandler())
