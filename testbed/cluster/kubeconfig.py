"""Kubeconfig files as far as tests need them: one cluster, one user with a certificate or a token."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from testbed.cluster.pki import KeyPair
from testbed.cluster.processes import ClusterError

__all__ = ["Access", "read", "render"]


@dataclass(frozen=True)
class Access:
    """An API server's address, the authority to trust (PEM; None: the system's), and the user's credentials."""

    server: str
    authority: bytes | None
    pair: KeyPair | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


def render(access: Access) -> str:
    """A kubeconfig as text (JSON, which is YAML)."""
    cluster = {"server": access.server}
    if access.authority:
        cluster["certificate-authority-data"] = encode(access.authority)
    user = {} if access.token is None else {"token": access.token}
    if access.pair is not None:
        pair = access.pair
        user |= {"client-certificate-data": encode(pair.certificate), "client-key-data": encode(pair.key)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
    }
    return json.dumps(document, indent=2)


def read(path: Path) -> Access:
    """What the current context of a kubeconfig describes. Raises ClusterError if the user has an exec plugin."""
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    context = entry(config, "context", config["current-context"])
    cluster, user = entry(config, "cluster", context["cluster"]), entry(config, "user", context["user"])
    certificate, key = (material(user, part, beside=path) for part in ("client-certificate", "client-key"))
    pair = KeyPair(certificate, key) if certificate and key else None
    if pair is None and "token" not in user:
        fix = "a kubeconfig with a token from `kubectl create token`"
        raise ClusterError(f"{path}: user {context['user']} has neither certificate nor token. To fix it: {fix}")
    authority = material(cluster, "certificate-authority", beside=path)
    return Access(cluster["server"], authority, pair=pair, token=user.get("token"))


def entry(config: Mapping[str, Any], kind: str, name: str) -> dict[str, str]:
    """The context, cluster or user of that name."""
    found: dict[str, str] = next(item[kind] for item in config[f"{kind}s"] if item["name"] == name)
    return found


def material(holder: Mapping[str, str], part: str, *, beside: Path) -> bytes | None:
    """A certificate or key: inline, or in a file named relative to the kubeconfig; None if it is missing."""
    if inline := holder.get(f"{part}-data"):
        return base64.b64decode(inline)
    return (beside.parent / holder[part]).read_bytes() if part in holder else None


def encode(pem: bytes) -> str:
    """PEM as kubeconfigs carry it."""
    return base64.b64encode(pem).decode()
