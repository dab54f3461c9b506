"""What a pod has of an identity: the variables of a container, and its token with its volume, audience and lifetime."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from webhook.core import names
from webhook.core.mutation import CONTAINER_LISTS

# The variables with the paths of tokens: that of the Azure SDKs, and that of Microsoft 365 if it is another.
FILE_VARIABLES: Final = (names.TOKEN_FILE_VARIABLE, names.OIDC_TOKEN_FILE_VARIABLE)
_DEFAULT_EXPIRATION: Final = 3600  # seconds; the API server's, for a projected token that does not say


@dataclass(frozen=True)
class Token:
    """A projected ServiceAccount token. volume: its name. expiration: in seconds."""

    volume: str
    audience: str
    expiration: int


@dataclass(frozen=True)
class NewPod:
    """The pod that was created by dry run, without annotations. audience: of its token, "" if it is not known."""

    variables: Mapping[str, str]
    audience: str = ""

    @property
    def tenant(self) -> str:
        """Its tenant, "" if it has none."""
        return self.variables.get("M365_TENANT_ID") or self.variables.get("AZURE_TENANT_ID") or ""


def read_new_pod(pod: Mapping[str, Any]) -> NewPod:
    """What the first container of a pod has."""
    container = pod["spec"]["containers"][0]
    found = token(pod, container)
    variables = {name: str(entry.get("value") or "") for name, entry in environment(container).items()}
    return NewPod(variables, found.audience if found else "")


def environment(container: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The variables of a container by their names; the last one of a name counts."""
    return {str(entry.get("name")): entry for entry in container.get("env") or ()}


def token(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Token | None:
    """The token that Microsoft 365 reads in a container; None if no projected token is there.

    It is at the path in M365_OIDC_TOKEN_FILE_PATH, if AZURE_FEDERATED_TOKEN_FILE is for another audience.
    """
    variables = environment(container)
    entry = variables.get(names.OIDC_TOKEN_FILE_VARIABLE) or variables.get(names.TOKEN_FILE_VARIABLE) or {}
    file = str(entry.get("value") or "")
    volumes = {str(each.get("name")): each for each in pod["spec"].get("volumes") or ()}
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(str(mount.get("name"))) or {}
        for source in (volume.get("projected") or {}).get("sources") or ():
            found = source.get("serviceAccountToken") or {}
            path = posixpath.join(str(mount.get("mountPath")), str(found.get("path")))
            if found and posixpath.normpath(path) == posixpath.normpath(file):
                expiration = int(found.get("expirationSeconds") or _DEFAULT_EXPIRATION)
                return Token(str(volume["name"]), str(found.get("audience") or ""), expiration)
    return None


def without_volume(container: Mapping[str, Any]) -> tuple[str, str] | None:
    """A variable with the path of a token where the container has no volume, and the path; None if all have one."""
    variables = environment(container)
    mounts = [PurePosixPath(str(mount.get("mountPath"))) for mount in container.get("volumeMounts") or ()]
    for name in FILE_VARIABLES:
        path = str((variables.get(name) or {}).get("value") or "")
        if path and "$(" not in path and not any(map(PurePosixPath(posixpath.normpath(path)).is_relative_to, mounts)):
            return name, path
    return None


def has_token(pod: Mapping[str, Any]) -> bool:
    """Whether a container of a pod has the variable with the path of its token."""
    return any(
        entry.get("name") == names.TOKEN_FILE_VARIABLE
        for kind in CONTAINER_LISTS
        for container in pod["spec"].get(kind) or ()
        for entry in container.get("env") or ()
    )
