"""What is wrong with one cluster or one user of a kubeconfig. kubectl refuses the same, or asks for what is missing."""

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from webhook.core.messages import Kind, Message, Place, kubeconfigs, message

PLUGIN_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
# The members of an entry that name files.
_FILES: Final = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
_SET: Final = {"cluster": "set-cluster", "user": "set-credentials"}
_CREDENTIALS: Final = ("client-certificate", "client-key", "token", "tokenFile")
_PEM: Final = re.compile(rb"-----BEGIN [A-Z ]*(CERTIFICATE|KEY)-----")
_KINDS_OF_PEM: Final = {
    "certificate-authority": (b"CERTIFICATE", "a certificate"),
    "client-certificate": (b"CERTIFICATE", "a certificate"),
    "client-key": (b"KEY", "a private key"),
}
_PROXIES: Final = ("http", "https")


@dataclass(frozen=True)
class Entry:
    """A context, a cluster or a user, and the file that it comes from. name: "" for a context that flags stand for."""

    name: str
    file: Path
    value: Mapping[str, Any]


def cluster_problems(entry: Entry) -> Iterator[Message]:
    """The mistakes in a cluster."""
    name, server, proxy = entry.name, entry.value.get("server"), entry.value.get("proxy-url")
    if not isinstance(server, str):
        yield _problem(entry, kubeconfigs.SERVER_MISSING, name=name)
    elif not url(entry):
        yield _problem(entry, kubeconfigs.SERVER_INVALID, name=name, server=server)
    if proxy and not (isinstance(proxy, str) and _is_url(proxy, _PROXIES)):
        yield _problem(entry, kubeconfigs.PROXY_INVALID, name=name, proxy=proxy)
    if entry.value.get("insecure-skip-tls-verify") is True and _has(entry, "certificate-authority"):
        yield _problem(entry, kubeconfigs.AUTHORITY_AND_INSECURE, name=name)
    yield from _file_problems("cluster", name, entry)


def user_problems(entry: Entry, *, needed: bool = True) -> Iterator[Message]:
    """The mistakes in a user. needed: a credential, without which the client would go on as system:anonymous."""
    name, plugin, provider = entry.name, entry.value.get("exec"), entry.value.get("auth-provider")
    if isinstance(provider, dict) and provider.get("name") != "oidc":
        yield _problem(entry, kubeconfigs.PROVIDER_REMOVED, name=name, provider=provider.get("name"))
    elif needed and not (provider or plugin is not None or any(_has(entry, each) for each in _CREDENTIALS)):
        password = "password" in entry.value
        yield _problem(entry, kubeconfigs.PASSWORD_ONLY if password else kubeconfigs.CREDENTIAL_MISSING, name=name)
    if plugin is not None:
        yield from _plugin_problems(name, entry, plugin)
        return
    yield from _file_problems("user", name, entry)
    for there, missing in (("client-certificate", "client-key"), ("client-key", "client-certificate")):
        if _has(entry, there) and not _has(entry, missing):
            yield _problem(entry, kubeconfigs.PAIR_INCOMPLETE, name=name, there=there, missing=missing)


def url(entry: Entry) -> str:
    """The API server's URL: without a scheme kubectl takes https, if anything speaks of TLS; "" if it is not a URL."""
    server = str(entry.value.get("server")).strip()
    if "://" not in server and not server.startswith(("http:", "https:")):
        secure = entry.value.get("insecure-skip-tls-verify") is True or _has(entry, "certificate-authority")
        server = f"{'https' if secure else 'http'}://{server}"
    return server if _is_url(server, ("http", "https")) else ""


def with_absolute_paths(kind: str, entry: Entry) -> dict[str, Any]:
    """The entry; a relative path in it counts from the folder of its file, and so does that of a plugin."""
    folder = entry.file.absolute().parent
    value = dict(entry.value)
    for member in _FILES[kind]:
        if file := _named_file(entry, member):
            value[member] = str(folder / file)
    plugin = value.get("exec")
    if isinstance(plugin, dict):
        command = str(plugin.get("command"))
        if os.sep in command or (os.altsep and os.altsep in command):  # else it is looked for in PATH
            value["exec"] = {**plugin, "command": str(folder / command)}
    return {**value, "server": url(entry)} if kind == "cluster" else value


def _plugin_problems(name: str, entry: Entry, plugin: object) -> Iterator[Message]:
    for member in ("command", "apiVersion"):
        if not (isinstance(plugin, dict) and isinstance(plugin.get(member), str)):
            yield _problem(entry, kubeconfigs.PLUGIN_INCOMPLETE, name=name, member=member)
    version = plugin.get("apiVersion") if isinstance(plugin, dict) else None
    if isinstance(version, str) and version not in PLUGIN_VERSIONS:
        known = " or ".join(PLUGIN_VERSIONS)
        yield _problem(entry, kubeconfigs.PLUGIN_VERSION_UNKNOWN, name=name, version=version, known=known)


def _file_problems(kind: str, name: str, entry: Entry) -> Iterator[Message]:
    """Files that are not there, and what is not what its member says."""
    for member in _FILES[kind]:
        file = _named_file(entry, member)
        place = entry.file.parent / file
        if file and not place.is_file():
            yield _problem(entry, kubeconfigs.NAMED_FILE_MISSING, kind=kind, name=name, member=member, file=file)
        elif file and member == "tokenFile" and not _read(place).strip():
            yield _problem(entry, kubeconfigs.TOKEN_FILE_EMPTY, name=name, file=file)
        elif member in _KINDS_OF_PEM and _has(entry, member):
            wanted, what = _KINDS_OF_PEM[member]
            shown, content = (member, _read(place)) if file else (f"{member}-data", _decoded(entry, member))
            if wanted not in _PEM.findall(content):
                command = f"kubectl config {_SET[kind]} {name} --{member}=FILE --embed-certs"
                yield _problem(
                    entry, kubeconfigs.NOT_PEM, kind=kind, name=name, member=shown, what=what, command=command
                )


def _has(entry: Entry, member: str) -> bool:
    return bool(entry.value.get(member) or entry.value.get(f"{member}-data"))


def _named_file(entry: Entry, member: str) -> str:
    """The file that a member of `entry` names; "" if it names none, or if the data that is given too is used."""
    file = entry.value.get(member)
    return file if isinstance(file, str) and not entry.value.get(f"{member}-data") else ""


def _decoded(entry: Entry, member: str) -> bytes:
    try:
        return base64.b64decode(str(entry.value.get(f"{member}-data")))
    except (binascii.Error, ValueError):
        return b""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _problem(entry: Entry, row: Kind, /, **values: object) -> Message:
    return message(row, Place(str(entry.file)), **values)
