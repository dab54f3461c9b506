"""The file that `python -m testbed.entra --config` reads: what the emulator knows, as YAML.

    cloud: public
    tenants:
      - {id: 11111111-2222-4333-8444-555555555555, name: Contoso, domains: [contoso.example]}
      - {id: 99999999-2222-4333-8444-555555555555, cloud: gcchigh}     # a tenant of another cloud, refused
    issuers:                                                           # if documents are not at the issuer's URL
      - {issuer: https://kubernetes.default.svc, fetch_from: https://10.0.0.1:6443, ca: /ca.crt, token_file: /token}
    applications:
      - client_id: aaaaaaaa-2222-4333-8444-555555555555
        tenant_id: 11111111-2222-4333-8444-555555555555
        roles: [Organization.Read.All]
        secret: a-text                                                 # it may sign in with this, too
        azure_roles: [Reader]                                          # in every subscription
        federated_credentials:
          - {issuer: https://kubernetes.default.svc, subject: "system:serviceaccount:shop:terraform", delay: 40}
    managed_identities:
      - {name: shop, group: identities, subscription: 33333333-3333-4333-8333-333333333333}    # federated_credentials
    users:
      - {name: ann@contoso.example, roles: [Global Administrator], azure_roles: [Owner], signed_in: true}

Only id, issuer, client_id, subject and name are required. A credential without issuer is for the emulator's own issuer.
A user who is signed_in completes each device code at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from testbed.entra.arm.access import ROLES
from testbed.entra.directory import Application
from testbed.entra.emulator import Entra
from webhook.core.clouds import CLOUDS

__all__ = ["Configuration", "ConfigurationError", "read"]

_KEYS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "": {
        "cloud": str,
        "tenants": list,
        "issuers": list,
        "applications": list,
        "managed_identities": list,
        "users": list,
    },
    "tenants": {"id": str, "name": str, "domains": list, "cloud": str, "code": int},
    "issuers": {"issuer": str, "fetch_from": str, "ca": str, "token_file": str},
    "applications": {
        "client_id": str,
        "tenant_id": str,
        "name": str,
        "roles": list,
        "disabled": bool,
        "public": bool,
        "secret": str,
        "azure_roles": list,
        "federated_credentials": list,
    },
    "managed_identities": {
        "name": str,
        "group": str,
        "subscription": str,
        "azure_roles": list,
        "federated_credentials": list,
    },
    "users": {"name": str, "roles": list, "azure_roles": list, "signed_in": bool},
    "federated_credentials": {"issuer": str, "subject": str, "audience": str, "delay": (int, float)},
}
_REQUIRED = {
    "tenants": ("id",),
    "issuers": ("issuer", "fetch_from"),
    "applications": ("client_id",),
    "managed_identities": ("name",),
    "users": ("name",),
    "federated_credentials": ("subject",),
}


class ConfigurationError(ValueError):
    """The emulator does not understand the file; the text says which place."""


@dataclass(frozen=True)
class Configuration:
    """The contents of the file, checked."""

    cloud: str
    tenants: Sequence[Mapping[str, Any]]
    issuers: Sequence[Mapping[str, Any]]
    applications: Sequence[Mapping[str, Any]]
    managed_identities: Sequence[Mapping[str, Any]] = ()
    users: Sequence[Mapping[str, Any]] = ()

    def apply(self, entra: Entra) -> None:
        """Adds it all to the emulator. Raises ConfigurationError for a credential that Entra would not accept."""
        for tenant in self.tenants:
            entra.tenant(tenant["id"], **{key: value for key, value in tenant.items() if key != "id"})
        for source in self.issuers:
            token = Path(source["token_file"]).read_text().strip() if "token_file" in source else ""
            ca = Path(source["ca"]) if "ca" in source else None
            entra.fetch_from(source["issuer"], source["fetch_from"], ca, token=token)
        for entry in self.applications:
            application = entra.application(**_but(entry, "federated_credentials", "secret", "azure_roles"))
            if "secret" in entry:
                application.add_secret(entry["secret"])
            _complete(entra, application, entry)
        for entry in self.managed_identities:
            _complete(entra, entra.managed_identity(**_but(entry, "federated_credentials", "azure_roles")), entry)
        for entry in self.users:
            user = entra.user(**_but(entry, "azure_roles", "signed_in"))
            for role in entry.get("azure_roles", ()):
                entra.arm.access.grant(user, role)
            if entry.get("signed_in"):
                entra.users.signed_in = user


def _but(entry: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in names}


def _complete(entra: Entra, application: Application, entry: Mapping[str, Any]) -> None:
    """Adds roles in Azure and credentials to an application or a managed identity."""
    for role in entry.get("azure_roles", ()):
        entra.arm.access.grant(application, role)
    for credential in entry.get("federated_credentials", ()):
        try:
            application.federate(**{"issuer": entra.issuer.url, **credential})
        except ValueError as error:
            raise ConfigurationError(f"application {application.client_id}: {error}") from None


def read(path: Path) -> Configuration:
    """Reads the file. Raises ConfigurationError, or OSError if it is missing."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from None
    checked = _check({} if document is None else document, "", str(path))
    cloud = checked.get("cloud", "public")
    if cloud not in CLOUDS:
        raise ConfigurationError(f"{path}: cloud is {cloud!r}, expected one of {', '.join(CLOUDS)}")
    lists = {key: checked.get(key, []) for key in _KEYS[""] if key != "cloud"}
    return Configuration(cloud=cloud, **lists)


def _check(entry: Any, kind: str, place: str) -> Mapping[str, Any]:
    """The mapping `entry`. Raises ConfigurationError unless its keys, their types and those of its lists are right."""
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{place} is {type(entry).__name__}, expected a mapping")
    for key, value in entry.items():
        if key not in _KEYS[kind]:
            raise ConfigurationError(f"{place}: {key!r} is unknown, expected one of {', '.join(_KEYS[kind])}")
        if not isinstance(value, _KEYS[kind][key]):
            raise ConfigurationError(f"{place}: {key} is {value!r}")
        if isinstance(value, list):
            for index, inner in enumerate(value):
                if key in _KEYS:
                    _check(inner, key, f"{place}: {key}[{index}]")
                elif key == "azure_roles" and inner not in ROLES:
                    raise ConfigurationError(f"{place}: {key} has {inner!r}, expected one of {', '.join(ROLES)}")
    for key in _REQUIRED.get(kind, ()):
        if key not in entry:
            raise ConfigurationError(f"{place}: {key} is missing")
    return entry
