"""Settings: who signs in, with which file, and where. The first that is set counts; white space counts as not set.

    setting        argument     Microsoft 365                  Azure SDKs                    else
    tenant id      tenant_id    M365_TENANT_ID                 AZURE_TENANT_ID               missing
    client id      client_id    M365_CLIENT_ID                 AZURE_CLIENT_ID               missing
    token file     token_file   M365_OIDC_TOKEN_FILE_PATH      AZURE_FEDERATED_TOKEN_FILE    missing
    cloud          cloud        M365_CLOUD                     AZURE_CLOUD                   of the login host; public
    authority      authority    -                              AZURE_AUTHORITY_HOST          by cloud
    Graph          graph        M365_GRAPH_HOST                -                             by cloud

AZURE_AUTHORITY_HOST does not count if it is the login host of another cloud than the one that is set: then it is for
the Azure SDKs, whose cloud can be another. M365_GRAPH_HOST is where Graph is called; the token is always for the
cloud's own Graph.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from m365_identity._messages import Kind, Message, message
from m365_identity._messages import settings as messages
from m365_identity._text import quoted
from m365_identity.clouds import CLOUDS, Cloud, cloud_of
from m365_identity.errors import SettingsError

__all__ = ["ARGUMENT", "DEFAULT", "Settings", "graph_root", "graph_scope", "settings"]

ARGUMENT: Final = "argument"
DEFAULT: Final = "default"

_VARIABLES: Final = {
    "tenant_id": ("M365_TENANT_ID", "AZURE_TENANT_ID"),
    "client_id": ("M365_CLIENT_ID", "AZURE_CLIENT_ID"),
    "token_file": ("M365_OIDC_TOKEN_FILE_PATH", "AZURE_FEDERATED_TOKEN_FILE"),
    "cloud": ("M365_CLOUD", "AZURE_CLOUD"),
    "authority": ("AZURE_AUTHORITY_HOST",),
    "graph": ("M365_GRAPH_HOST",),
}
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# A domain has a dot: `common`, `organizations` and `consumers` stand for all tenants. The webhook has the same rule:
# tests/cases/tenants.json is tested over both.
_LABEL: Final = "[0-9a-zA-Z]([0-9a-zA-Z-]{0,61}[0-9a-zA-Z])?"
_DOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})+")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that signing in needs.

    authority: the login host, with the closing slash. graph: the root of Microsoft Graph, without one. sources: for
    each setting where it comes from, a variable's name or one of "argument", "default", "AZURE_AUTHORITY_HOST".
    """

    tenant_id: str
    client_id: str
    token_file: Path
    cloud: Cloud
    authority: str
    graph: str
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def scope(self) -> str:
        """What to ask a token for, to call Graph with it: `https://graph.microsoft.com/.default` and its like."""
        return f"{self.cloud.graph}/.default"


def settings(
    *,
    tenant_id: str | None = None,
    client_id: str | None = None,
    token_file: str | os.PathLike[str] | None = None,
    cloud: str | None = None,
    authority: str | None = None,
    graph: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings in force: see the module's docstring. Raises SettingsError with every problem at once."""
    given = {
        "tenant_id": tenant_id,
        "client_id": client_id,
        "token_file": os.fspath(token_file) if token_file is not None else None,
        "cloud": cloud,
        "authority": authority,
        "graph": graph,
    }
    found = {name: _find(name, value, environ) for name, value in given.items()}
    tenant, client, file = found["tenant_id"], found["client_id"], found["token_file"]
    wrong = [*_identity_problems(tenant, client)]
    chosen, place = _where(found, wrong)
    if wrong or tenant is None or client is None or file is None:
        missing = [_missing(name, found) for name in ("tenant_id", "client_id", "token_file") if found[name] is None]
        raise SettingsError([*wrong, *missing], missing=not wrong)
    sources = {name: value.source for name, value in found.items() if value}
    return Settings(
        tenant_id=tenant.text,
        client_id=client.text,
        token_file=Path(file.text),
        cloud=place.cloud,
        authority=place.authority,
        graph=place.graph,
        sources={**sources, **chosen},
    )


def graph_root(cloud: str | Cloud | None = None, *, environ: Mapping[str, str] = os.environ) -> str:
    """The root of Microsoft Graph, without a closing slash: of `cloud`, or of the one that the environment sets.

    Raises SettingsError for an unknown cloud.
    """
    return _place(cloud, environ).graph


def graph_scope(cloud: str | Cloud | None = None, *, environ: Mapping[str, str] = os.environ) -> str:
    """What to ask a token for, to call Microsoft Graph: `https://graph.microsoft.com/.default` and its like."""
    return f"{_place(cloud, environ).cloud.graph}/.default"


@dataclass(frozen=True)
class _Setting:
    """The value that counts, and where it comes from. name: of the argument."""

    text: str
    source: str
    name: str

    def problem(self, kind: Kind, **values: str) -> Message:
        place = self.name if self.source == ARGUMENT else self.source
        return message(kind, place=place, value=quoted(self.text), **values)


@dataclass(frozen=True)
class _Place:
    cloud: Cloud
    authority: str
    graph: str


def _place(cloud: str | Cloud | None, environ: Mapping[str, str]) -> _Place:
    if cloud is not None:
        cloud, environ = cloud.name if isinstance(cloud, Cloud) else cloud, {}
    wrong: list[Message] = []
    _, place = _where(
        {name: _find(name, cloud if name == "cloud" else None, environ) for name in ("cloud", "authority", "graph")},
        wrong,
    )
    if wrong:
        raise SettingsError(wrong)
    return place


def _find(name: str, given: str | None, environ: Mapping[str, str]) -> _Setting | None:
    if given is not None and given.strip():
        return _Setting(given.strip(), ARGUMENT, name)
    for variable in _VARIABLES[name]:
        text = environ.get(variable, "").strip()
        if text:
            return _Setting(text, variable, name)
    return None


def _missing(name: str, found: Mapping[str, _Setting | None]) -> Message:
    """A pod that has the token file was injected: what is missing is an annotation, and not the label."""
    first, second = _VARIABLES[name]
    kinds = {"tenant_id": messages.TENANT_MISSING, "client_id": messages.CLIENT_MISSING} if found["token_file"] else {}
    kind = kinds.get(name, messages.MISSING)
    return message(kind, setting=name.replace("_", " "), first=first, second=second)


def _identity_problems(tenant: _Setting | None, client: _Setting | None) -> Iterator[Message]:
    if tenant and not _GUID.fullmatch(tenant.text) and not _DOMAIN.fullmatch(tenant.text):
        yield tenant.problem(messages.TENANT_WRONG)
    if client and not _GUID.fullmatch(client.text):
        query = f'az ad app list --display-name {shlex.quote(quoted(client.text))} --query "[].appId"'
        yield client.problem(messages.CLIENT_WRONG, query=query)


def _where(found: Mapping[str, _Setting | None], wrong: list[Message]) -> tuple[dict[str, str], _Place]:
    """The cloud and its two hosts, and the sources of those that are not set; adds to `wrong`."""
    sources: dict[str, str] = {}
    cloud, authority, graph = found["cloud"], found["authority"], found["graph"]
    login = _https(authority, messages.LOGIN_WRONG, wrong)
    known = cloud_of(login) if login else None
    if cloud is None:
        chosen = known or CLOUDS["public"]
        sources["cloud"] = authority.source if authority and known else DEFAULT
    elif cloud.text in CLOUDS:
        chosen = CLOUDS[cloud.text]
    else:
        chosen = CLOUDS["public"]
        wrong.append(cloud.problem(messages.CLOUD_UNKNOWN, clouds=", ".join(CLOUDS)))
    meant_for_others = (
        authority is not None and authority.source != ARGUMENT and known and known.authority != chosen.authority
    )
    if not login or meant_for_others:
        login = chosen.authority.rstrip("/")
        sources["authority"] = DEFAULT
    root = _https(graph, messages.GRAPH_WRONG, wrong)
    if not root:
        root = chosen.graph
        sources["graph"] = DEFAULT
    return sources, _Place(chosen, f"{login}/", root)


def _https(value: _Setting | None, kind: Kind, wrong: list[Message]) -> str:
    """An address without path, query and closing slash; "" if it is not set, or wrong, which is added to `wrong`."""
    if value is None:
        return ""
    text = value.text if "://" in value.text else f"https://{value.text}"
    try:
        parts = urlsplit(text)
        good = parts.scheme == "https" and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.path.strip("/") or parts.query or parts.fragment:
        wrong.append(value.problem(kind))
        return ""
    return f"https://{parts.netloc}"
