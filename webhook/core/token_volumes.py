"""Volumes with projected ServiceAccount tokens: what is in them, and the one that is added."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from webhook.core.identity import Identity
from webhook.core.names import OTHER_VOLUME, TOKEN_FILE, VOLUME

_AZURES_VOLUME = "azure-workload-identity-reserved-"


class TokenVolume(NamedTuple):
    """A volume with a projected ServiceAccount token of the right audience. file: the token's path inside it."""

    name: str
    file: str


def volume_entry(name: str, identity: Identity) -> dict[str, Any]:
    """The volume to add. It has kube-apiserver's defaults written out, so that a second call sees the same."""
    token = {
        "audience": identity.audience,
        "expirationSeconds": identity.token_expiration,
        "path": TOKEN_FILE,
    }
    return {"name": name, "projected": {"defaultMode": 0o644, "sources": [{"serviceAccountToken": token}]}}


def token_file(volume: Mapping[str, Any], audience: str) -> str:
    """The path, inside the volume, of its first token of that audience; "" if it does not have one."""
    for source in _sources(volume):
        token = source.get("serviceAccountToken")
        if isinstance(token, dict) and token.get("audience") == audience and isinstance(token.get("path"), str):
            return str(token["path"])
    return ""


def lifetime(volume: Mapping[str, Any], audience: str) -> int:
    """The seconds for which a token of that audience in the volume lives, the longest; 0 if it does not say."""
    longest = 0
    for source in _sources(volume):
        token = source.get("serviceAccountToken")
        if isinstance(token, dict) and token.get("audience") == audience:
            seconds = token.get("expirationSeconds")
            longest = max(longest, seconds if isinstance(seconds, int) else 0)
    return longest


def audiences(volume: Mapping[str, Any] | None) -> Mapping[str, str]:
    """The audience of each token in the volume, by its path; "" is the API server's own."""
    found = {}
    for source in _sources(volume or {}):
        token = source.get("serviceAccountToken")
        if isinstance(token, dict) and isinstance(token.get("path"), str):
            audience = token.get("audience")
            found[token["path"]] = audience if isinstance(audience, str) else ""
    return found


def holds_nothing_else(volume: Mapping[str, Any], audience: str) -> bool:
    """Whether another container may mount the volume: it holds nothing but tokens of this audience, and no secrets."""
    tokens = [source.get("serviceAccountToken") for source in _sources(volume)]
    return all(isinstance(token, dict) and token.get("audience") == audience for token in tokens)


def holds_tokens_only(volume: Mapping[str, Any]) -> bool:
    """Whether each file of the volume is a token, for whichever audience, so that all of them are known."""
    return all(isinstance(source.get("serviceAccountToken"), dict) for source in _sources(volume))


def is_of_a_webhook(name: str) -> bool:
    """Whether the name is one that Azure's webhook or ours gives to a volume that cannot have its usual name."""
    return name.startswith((_AZURES_VOLUME, OTHER_VOLUME))


def is_rewritten(name: str) -> bool:
    """Whether Azure's webhook, called again, replaces the volume and each of its mounts."""
    return name == VOLUME or name.startswith(_AZURES_VOLUME)


def _sources(volume: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sources of a projected volume; an empty list for any other volume."""
    projected = volume.get("projected")
    return (projected.get("sources") or []) if projected else []
