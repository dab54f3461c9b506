"""What a pod was given: the variables of a container, and its token: from which volume, for whom, for how long."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhook.core import names


@dataclass(frozen=True)
class Token:
    """A projected ServiceAccount token. volume: its name. expiration: in seconds."""

    volume: str
    audience: str
    expiration: int


@dataclass(frozen=True)
class Given:
    """What a new pod was given, without an annotation of its own. audience: of its token, "" when that is not known."""

    variables: Mapping[str, str]
    audience: str = ""

    @property
    def tenant(self) -> str:
        """Its tenant, "" when it has none."""
        return self.variables.get("M365_TENANT_ID") or self.variables.get("AZURE_TENANT_ID") or ""


def given(pod: Mapping[str, Any]) -> Given:
    """What there is in the first container of a pod."""
    container = pod["spec"]["containers"][0]
    found = token(pod, container)
    variables = {name: str(entry.get("value") or "") for name, entry in environment(container).items()}
    return Given(variables, found.audience if found else "")


def environment(container: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The variables of a container by their names; the last one counts."""
    return {str(entry.get("name")): entry for entry in container.get("env") or ()}


def token(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Token | None:
    """The one that AZURE_FEDERATED_TOKEN_FILE of a container points to; None where it points elsewhere."""
    file = str((environment(container).get(names.TOKEN_FILE_VARIABLE) or {}).get("value") or "")
    volumes = {str(each.get("name")): each for each in pod["spec"].get("volumes") or ()}
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(str(mount.get("name"))) or {}
        for source in (volume.get("projected") or {}).get("sources") or ():
            found = source.get("serviceAccountToken") or {}
            path = posixpath.join(str(mount.get("mountPath")), str(found.get("path")))
            if found and posixpath.normpath(path) == posixpath.normpath(file):
                audience, seconds = str(found.get("audience") or ""), int(found.get("expirationSeconds") or 3600)
                return Token(str(volume["name"]), audience, seconds)
    return None
