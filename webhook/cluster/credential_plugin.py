"""The credential plugin that a kubeconfig names (`exec`), run as kubectl runs it.

If it is missing or fails, the command stops with the plugin's own words: the Kubernetes client would go on as
system:anonymous, and every answer of the API server would then be a wrong trail.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from webhook.cluster.kubeconfig import BadKubeconfig
from webhook.core.messages import kubeconfigs, message
from webhook.core.text import shown

_SECONDS: Final = 30.0  # of a plugin that cannot ask
_LONGEST_REASON: Final = 300  # characters of the plugin's words
# What the plugin may learn of the cluster, by its name in the kubeconfig.
_CLUSTER_FIELDS: Final = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
    "disable-compression",
)
_EXTENSION: Final = "client.authentication.k8s.io/exec"  # of a cluster: what its owner gives to the plugin


@dataclass(frozen=True)
class PluginCredential:
    """What the plugin printed: a token, or a certificate with its key (PEM), and when it ends, if that is known."""

    token: str = ""
    certificate: str = ""
    key: str = ""
    expires: datetime | None = None


async def run_plugin(
    plugin: Mapping[str, Any], cluster: Mapping[str, Any], *, seconds: float = 0.0
) -> PluginCredential:
    """Runs the plugin. plugin, cluster: `exec` and the cluster, as in the kubeconfig. Raises BadKubeconfig.

    X
    """
    command = str(plugin["command"])
    interactive = plugin.get("interactiveMode") != "Never" and sys.stdin is not None and sys.stdin.isatty()
    if plugin.get("interactiveMode") == "Always" and not interactive:
        raise BadKubeconfig([message(kubeconfigs.PLUGIN_NOT_ASKED, command=command)])
    program = shutil.which(command)
    if program is None:
        raise _missing(plugin, "it is not there, or not executable" if os.sep in command else "it is not in PATH")
    arguments = plugin.get("args")
    watched = sys.stderr is not None and sys.stderr.isatty()
    limit = None if interactive or watched else seconds or _SECONDS
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *(str(each) for each in (arguments if isinstance(arguments, list) else ())),
            env=_environment(plugin, _request(plugin, cluster, interactive=interactive)),
            stdin=None if interactive else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=None if watched else asyncio.subprocess.PIPE,
            start_new_session=limit is not None,  # so that what it started is ended with it
        )
    except OSError as error:
        raise _missing(plugin, error.strerror or str(error)) from None
    return await _answer(process, command, limit, str(plugin["apiVersion"]))


async def _answer(
    process: asyncio.subprocess.Process, command: str, limit: float | None, version: str
) -> PluginCredential:
    """What the plugin prints within `limit` seconds. Raises BadKubeconfig."""
    try:
        out, words = await asyncio.wait_for(process.communicate(), limit)
    except TimeoutError:
        _end(process)
        await process.wait()
        raise BadKubeconfig([message(kubeconfigs.PLUGIN_HANGS, command=command, seconds=f"{limit:g}")]) from None
    if process.returncode:
        said = " ".join((words or b"").decode("utf-8", "replace").split())
        code = process.returncode
        status = f"exit status {code}" if code > 0 else f"ended by signal {-code}"
        raise _failed(command, f"{said[:_LONGEST_REASON]} ({status})" if said else status)
    return _credential(command, version, out)


def _end(process: asyncio.subprocess.Process) -> None:
    """Ends the plugin and all that it has started, which may hold its output open."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _request(plugin: Mapping[str, Any], cluster: Mapping[str, Any], *, interactive: bool) -> str:
    """The variable KUBERNETES_EXEC_INFO."""
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = {each: cluster[each] for each in _CLUSTER_FIELDS if each in cluster}
        extensions = cluster.get("extensions")
        for each in extensions if isinstance(extensions, list) else ():
            if isinstance(each, dict) and each.get("name") == _EXTENSION:
                spec["cluster"]["config"] = each.get("extension")
    return json.dumps({"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": spec})


def _environment(plugin: Mapping[str, Any], request: str) -> dict[str, str]:
    """This process's variables, then those that the kubeconfig sets."""
    listed = plugin.get("env")
    own = {
        str(each["name"]): str(each["value"])
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict) and {"name", "value"} <= each.keys()
    }
    return {**os.environ, **own, "KUBERNETES_EXEC_INFO": request}


def _credential(command: str, version: str, out: bytes) -> PluginCredential:
    try:
        answer = json.loads(out)
        status = answer["status"]
        found = PluginCredential(
            str(status.get("token") or ""),
            str(status.get("clientCertificateData") or ""),
            str(status.get("clientKeyData") or ""),
        )
        ends = status.get("expirationTimestamp")
    except (ValueError, LookupError, TypeError, AttributeError):
        raise _failed(command, "what it printed is not an ExecCredential with a status") from None
    if answer.get("apiVersion") != version:
        raise _failed(command, f"it answers in {answer.get('apiVersion')}, and the kubeconfig expects {version}")
    if bool(found.certificate) != bool(found.key) or not (found.token or found.certificate):
        raise _failed(command, "it printed neither a token nor a certificate with its key")
    return found if ends is None else replace(found, expires=_time(command, ends))


def _time(command: str, text: object) -> datetime:
    """When the credential ends. Without a zone the moment is not known; kubectl refuses such a time, too."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        wanted = "a time with its zone, such as 2030-01-02T03:04:05Z"
        raise _failed(command, f"its expirationTimestamp is {shown(str(text))}, expected {wanted}")
    return found


def _missing(plugin: Mapping[str, Any], reason: str) -> BadKubeconfig:
    command = str(plugin["command"])
    hint = plugin.get("installHint")
    fix = " ".join(hint.split()) if isinstance(hint, str) and hint.strip() else f"install {command}, and try again"
    return BadKubeconfig([message(kubeconfigs.PLUGIN_MISSING, command=command, reason=reason, hint=fix)])


def _failed(command: str, reason: str) -> BadKubeconfig:
    return BadKubeconfig([message(kubeconfigs.PLUGIN_FAILED, command=command, reason=reason)])
