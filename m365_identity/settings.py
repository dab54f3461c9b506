"""Settings: who signs in, with which file, and where. The first that is set wins; white space alone is not set.

    setting        argument     Microsoft 365                  Azure SDKs                    else
    tenant id      tenant_id    M365_TENANT_ID                 AZURE_TENANT_ID               missing
    client id      client_id    M365_CLIENT_ID                 AZURE_CLIENT_ID               missing
    token file     token_file   M365_OIDC_TOKEN_FILE_PATH      AZURE_FEDERATED_TOKEN_FILE    missing
    cloud          cloud        M365_CLOUD                     AZURE_CLOUD                   of the login host; public
    authority      authority    -                              AZURE_AUTHORITY_HOST          by cloud
    Graph          graph        M365_GRAPH_HOST                -                             by cloud

AZURE_AUTHORITY_HOST counts unless it is the login host of another cloud than the one that is set: then it was meant for
the Azure SDKs, whose cloud may be another. M365_GRAPH_HOST is where Graph is called; what the token is asked for stays
the cloud's own Graph.
"""

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

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
_TENANT: Final = re.compile(r"(?=.{1,255}$)[0-9a-zA-Z-]*[0-9a-zA-Z](\.[0-9a-zA-Z-]*[0-9a-zA-Z])*")
_SHARED_TENANTS: Final = ("common", "organizations", "consumers")
_LONGEST_SHOWN: Final = 80  # characters of a value in a message


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
    missing = [_missing(name) for name in ("tenant_id", "client_id", "token_file") if found[name] is None]
    wrong: list[str] = []
    if (tenant := found["tenant_id"]) and (
        not _TENANT.fullmatch(tenant.text) or tenant.text.lower() in _SHARED_TENANTS
    ):
        wrong.append(tenant.problem("the tenant's GUID or domain (az account show --query tenantId)"))
    if (client := found["client_id"]) and not _GUID.fullmatch(client.text):
        query = f'az ad app list --display-name {shlex.quote(_shown(client.text))} --query "[].appId"'
        wrong.append(client.problem(f"the application's GUID ({query})"))
    chosen, place = _where(found, wrong)
    if wrong or missing:
        raise SettingsError([*wrong, *missing], missing=not wrong)
    sources = {name: value.source for name, value in found.items() if value}
    return Settings(
        tenant_id=found["tenant_id"].text,  # type: ignore[union-attr]  # what is missing was raised above
        client_id=found["client_id"].text,  # type: ignore[union-attr]
        token_file=Path(found["token_file"].text),  # type: ignore[union-attr]
        cloud=place.cloud,
        authority=place.authority,
        graph=place.graph,
        sources={**sources, **chosen},
    )


def graph_root(cloud: str | Cloud | None = None, *, environ: Mapping[str, str] = os.environ) -> str:
    """The root of Microsoft Graph, without a closing slash: of `cloud`, or of the one that the environment sets.

    Raises SettingsError for a cloud that is none.
    """
    return _place(cloud, environ).graph


def graph_scope(cloud: str | Cloud | None = None, *, environ: Mapping[str, str] = os.environ) -> str:
    """What to ask a token for, to call Microsoft Graph: `https://graph.microsoft.com/.default` and its like."""
    return f"{_place(cloud, environ).cloud.graph}/.default"


@dataclass(frozen=True)
class _Value:
    """A value that won, and where it stands."""

    text: str
    source: str
    name: str

    def problem(self, expected: str) -> str:
        place = self.name if self.source == ARGUMENT else self.source
        return f'{place} is "{_shown(self.text)}", expected {expected}'


@dataclass(frozen=True)
class _Place:
    cloud: Cloud
    authority: str
    graph: str


def _place(cloud: str | Cloud | None, environ: Mapping[str, str]) -> _Place:
    if cloud is not None:
        cloud, environ = cloud.name if isinstance(cloud, Cloud) else cloud, {}
    wrong: list[str] = []
    _, place = _where(
        {name: _find(name, cloud if name == "cloud" else None, environ) for name in ("cloud", "authority", "graph")},
        wrong,
    )
    if wrong:
        raise SettingsError(wrong)
    return place


def _find(name: str, given: str | None, environ: Mapping[str, str]) -> _Value | None:
    if given is not None and given.strip():
        return _Value(given.strip(), ARGUMENT, name)
    for variable in _VARIABLES[name]:
        text = environ.get(variable, "").strip()
        if text:
            return _Value(text, variable, name)
    return None


def _missing(name: str) -> str:
    first, second = _VARIABLES[name]
    return f"no {name.replace('_', ' ')}: neither {first} nor {second} is set. Was this pod injected by the webhook?"


def _where(found: Mapping[str, _Value | None], wrong: list[str]) -> tuple[dict[str, str], _Place]:
    """The cloud and its two hosts, and the sources of those that nobody set; adds to `wrong`."""
    sources: dict[str, str] = {}
    cloud, authority, graph = found["cloud"], found["authority"], found["graph"]
    login = _https(authority, "the login host, such as https://login.microsoftonline.com/", wrong)
    known = cloud_of(login) if login else None
    if cloud is None:
        chosen = known or CLOUDS["public"]
        sources["cloud"] = authority.source if authority and known else DEFAULT
    elif cloud.text in CLOUDS:
        chosen = CLOUDS[cloud.text]
    else:
        chosen = CLOUDS["public"]
        wrong.append(cloud.problem(f"one of {', '.join(CLOUDS)}"))
    meant_for_others = (
        authority is not None and authority.source != ARGUMENT and known and known.authority != chosen.authority
    )
    if not login or meant_for_others:
        login = chosen.authority.rstrip("/")
        sources["authority"] = DEFAULT
    root = _https(graph, "the root of Microsoft Graph, such as https://graph.microsoft.com", wrong)
    if not root:
        root = chosen.graph
        sources["graph"] = DEFAULT
    return sources, _Place(chosen, f"{login}/", root)


def _https(value: _Value | None, expected: str, wrong: list[str]) -> str:
    """An address without path, query and closing slash; "" where there is none."""
    if value is None:
        return ""
    text = value.text if "://" in value.text else f"https://{value.text}"
    try:
        parts = urlsplit(text)
        good = parts.scheme == "https" and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.path.strip("/") or parts.query or parts.fragment:
        wrong.append(value.problem(expected))
        return ""
    return f"https://{parts.netloc}"


def _shown(text: str) -> str:
    plain = ascii(text)[1:-1].replace('"', '\\"')
    return plain if len(plain) <= _LONGEST_SHOWN else plain[: _LONGEST_SHOWN - 3] + "..."
