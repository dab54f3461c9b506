"""Who signs in and where: the settings in force, each with the place that it comes from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from m365_identity._checks.found import Found, Site
from m365_identity._checks.result import LinkFinding, finding, from_message
from m365_identity._messages import settings as messages
from m365_identity.clouds import cloud_of
from m365_identity.errors import SettingsError
from m365_identity.settings import ARGUMENT, DEFAULT, Settings
from m365_identity.settings import settings as read_settings

__all__ = ["application", "cloud", "origin"]

_USUAL: Final = "/var/run/secrets/azure/tokens/azure-identity-token"

_WHO: Final = ("tenant_id", "client_id", "token_file")
_WHERE: Final = ("cloud", "authority", "graph")
# Settings that are good in themselves, to ask about the others alone.
_ANY: Final = {"tenant_id": "any.example", "client_id": "00000000-0000-0000-0000-000000000000", "token_file": "/any"}
_WHERE_VARIABLES: Final = ("M365_CLOUD", "AZURE_CLOUD", "AZURE_AUTHORITY_HOST", "M365_GRAPH_HOST")


def application(found: Found) -> Iterator[LinkFinding]:
    """Tenant, application and token file are set and make sense."""
    environ = {name: value for name, value in found.environ.items() if name not in _WHERE_VARIABLES}
    given = {name: found.given.get(name) for name in _WHO}
    try:
        who = _read(given, environ)
    except SettingsError as error:
        yield from map(from_message, error._messages)
        found.token_file = _token_file(given, environ)
        if found.token_file is None and Path(_USUAL).exists():
            yield finding(messages.FILE_UNNAMED, path=_USUAL)
        return
    found.token_file = who.token_file
    yield finding(
        messages.APPLICATION,
        client=who.client_id,
        client_origin=origin(who, "client_id"),
        tenant=who.tenant_id,
        tenant_origin=origin(who, "tenant_id"),
    )


def cloud(found: Found) -> Iterator[LinkFinding]:
    """Cloud, login host and Graph make sense, and the hosts are Microsoft's."""
    given = {name: found.given.get(name) for name in _WHERE}
    try:
        place = _read({**_ANY, **given}, found.environ)
    except SettingsError as error:
        yield from map(from_message, error._messages)
        return
    found.place = place
    found.sites = {"login": Site(place.authority), "graph": Site(place.graph)}
    if found.token_file is not None:
        try:
            found.settings = _read({**found.given}, found.environ)
        except SettingsError:
            found.settings = None  # `application` says why
    yield finding(
        messages.PLACE,
        cloud=place.cloud.name,
        origin=origin(place, "cloud"),
        login=place.authority,
        graph=place.graph,
    )
    if cloud_of(place.authority) is None:
        yield finding(messages.LOGIN_FOREIGN, login=place.authority, origin=origin(place, "authority"))


def origin(settings: Settings, name: str) -> str:
    """Where a setting comes from: its flag, its variable, or what decides it if nothing is set."""
    source = settings.sources.get(name, DEFAULT)
    if source == ARGUMENT:
        return f"--{name.replace('_', '-')}"
    if source == DEFAULT:
        return "not set" if name == "cloud" else "by the cloud"
    return source


def _token_file(given: Mapping[str, str | None], environ: Mapping[str, str]) -> Path | None:
    """The token file, if it is set although something else is not."""
    try:
        return _read({**_ANY, "token_file": given["token_file"]}, environ).token_file
    except SettingsError:
        return None


def _read(given: Mapping[str, str | None], environ: Mapping[str, str]) -> Settings:
    return read_settings(**given, environ=environ)
