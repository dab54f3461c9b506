"""Reads the settings. The flag wins over the variable, and the variable over the default; all mistakes at once."""

import argparse
import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from certs.managed.settings import InvalidSettings
from webhook.cluster import kubeconfig
from webhook.core.messages import Kind, Message, Place, Severity, message
from webhook.core.messages import settings as kinds
from webhook.core.policy import Policy
from webhook.settings import values
from webhook.settings.errors import SettingsError, bad_value
from webhook.settings.options import OPTIONS, VARIABLES
from webhook.settings.serve import (
    DEVELOPMENT,
    FILES,
    LISTEN,
    OPS_LISTEN,
    ROTATION,
    SELF_MANAGED,
    Rotation,
    ServeSettings,
    is_idle,
)

# The names of settings in `certs`, and their flags here.
_FLAGS: Final = {
    "authority_lifetime": "--ca-lifetime",
    "leaf_lifetime": "--leaf-lifetime",
    "interval": "--interval",
    "publish_wait": "--settle",
    "skew": "--skew",
    "call_limit": "the time limit of a call",
}


def read_settings(flags: argparse.Namespace, environ: Mapping[str, str]) -> ServeSettings:
    """The settings in force: the flag, else the variable, else the default. Raises SettingsError with each problem."""
    given = _read(flags, environ)
    problems = [*given.problems, *_misspelt(environ)]
    problems += _source_problems(given, flags, environ)
    problems += _certificate_problems(given)
    problems += _tracing_problems(given, environ)
    # If one of these could not be read, the mode is not known.
    if hasattr(flags, "certificates") and not given.unread & {"certificates", "tls_cert", "accounts"}:
        given.values["certificates"] = _mode(given.values, environ)
        problems += _without_effect(given)
    policy = Policy(**_fields_of(Policy, given.values))
    rotation = Rotation(**_fields_of(Rotation, given.values))
    # A default in place of a value that could not be read may contradict the others.
    if not given.unread & ROTATION and given.values.get("certificates", SELF_MANAGED) == SELF_MANAGED:
        problems += _contradictions(rotation, policy.own_namespace)
    if problems:
        raise SettingsError(problems)
    return ServeSettings(**_fields_of(ServeSettings, given.values), policy=policy, rotation=rotation)


@dataclass
class _Given:
    """What the user gave. sources: the flag or variable of each setting. unread: settings with a wrong value."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    problems: list[Message] = field(default_factory=list)


def _read(flags: argparse.Namespace, environ: Mapping[str, str]) -> _Given:
    """Each setting that the command has and the user gave, as its type."""
    given = _Given()
    for option in OPTIONS:
        if not hasattr(flags, option.name):
            continue
        text, source = getattr(flags, option.name), option.flag
        if text is None:
            text, source = environ.get(option.variable, ""), option.variable
            if not text.strip():
                continue
        given.sources[option.name] = source
        try:
            given.values[option.name] = option.parse(text.strip())
        except ValueError as error:
            given.problems.append(bad_value(source, text, error))
            given.unread.add(option.name)
        except SettingsError as error:  # the setting names a file with mistakes
            given.problems += _of(source, error.problems)
            given.unread.add(option.name)
    return given


def _of(source: str, problems: Iterable[Message]) -> Iterator[Message]:
    """The mistakes in a file that the flag or variable `source` names."""
    for problem in problems:
        yield replace(problem, place=replace(problem.place, object=f"{source}: {problem.place.object}"))


def _source_problems(given: _Given, flags: argparse.Namespace, environ: Mapping[str, str]) -> Iterator[Message]:
    """Where ServiceAccounts come from: files or a cluster, one of them. Only `serve` is asked that."""
    if not hasattr(flags, "accounts"):
        return
    if "kubeconfig" in given.values:
        if "accounts" in given.values:
            yield message(kinds.ACCOUNTS_AND_KUBECONFIG)
        yield from _of(given.sources["kubeconfig"], kubeconfig.problems(given.values["kubeconfig"]))
    known = given.values.keys() | given.unread
    if not ({"accounts", "kubeconfig"} & known or is_pod(environ)):
        yield message(kinds.NO_ACCOUNTS)


def _certificate_problems(given: _Given) -> Iterator[Message]:
    """Flags of certificates that do not go together, and one port for two servers."""
    found = given.values
    if found.get("certificates") == FILES and "tls_cert" not in found:
        yield message(kinds.TLS_CERT_MISSING)
    if found.get("certificates", FILES) != FILES and "tls_cert" in found:
        yield message(kinds.TLS_CERT_UNUSED, mode=found["certificates"])
    if "tls_key" in found and "tls_cert" not in found:
        yield message(kinds.TLS_KEY_ALONE)
    if "client_names" in found and not {"client_ca"} & (found.keys() | given.unread):
        yield message(kinds.CLIENT_NAMES_ALONE)
    listen, ops_listen = found.get("listen", LISTEN), found.get("ops_listen", OPS_LISTEN)
    if not given.unread & {"listen", "ops_listen"} and _overlap(listen, ops_listen):
        yield message(kinds.SAME_PORT, value=listen.port)


def _tracing_problems(given: _Given, environ: Mapping[str, str]) -> list[Message]:
    """What is wrong with the variables of traces. If nothing is, the setting is what they say."""
    if not given.values.pop("tracing", False):
        return []
    from webhook.settings.tracing import read_tracing

    found = read_tracing(environ)
    if isinstance(found, list):
        return found
    given.values["tracing"] = found
    return []


def _without_effect(given: _Given) -> Iterator[Message]:
    mode = given.values["certificates"]
    for name, source in given.sources.items():
        if is_idle(name, mode):
            yield message(kinds.NO_EFFECT, Place(source), mode=mode)


def unknown_variables(environ: Mapping[str, str]) -> list[Message]:
    """A warning for each variable that looks like a setting of another version. A misspelt one is refused instead."""
    return [message(kinds.UNKNOWN_SETTING, Place(name)) for name, meant in _unknown(environ).items() if not meant]


def _misspelt(environ: Mapping[str, str]) -> Iterator[Message]:
    for name, meant in _unknown(environ).items():
        if meant:
            yield message(kinds.MISSPELT_SETTING, Place(name), meant=meant)


def _unknown(environ: Mapping[str, str]) -> dict[str, str]:
    """Each variable that is not a setting, with the setting that it may be a misspelling of, or ""."""
    options = {option.name: option for option in OPTIONS}
    found = {}
    for variable in sorted(environ):
        name = variable.removeprefix(VARIABLES).lower()
        if variable.startswith(VARIABLES) and name not in options and environ[variable].strip():
            close = difflib.get_close_matches(name, options, n=1, cutoff=0.8)
            found[variable] = options[close[0]].variable if close else ""
    return found


def _mode(found: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """The mode that is given. Without one: files if --tls-cert is given, self-managed in a pod, or development."""
    if "certificates" in found:
        return str(found["certificates"])
    if "tls_cert" in found:
        return FILES
    return SELF_MANAGED if is_pod(environ) and "accounts" not in found else DEVELOPMENT


def _overlap(one: values.Address, other: values.Address) -> bool:
    """Whether two sockets would need the same port of the same address."""
    everywhere = ("0.0.0.0", "::")
    hosts = (one.host, other.host)
    return one.port == other.port != 0 and (one.host == other.host or any(host in everywhere for host in hosts))


def is_pod(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a pod."""
    return bool(environ.get("KUBERNETES_SERVICE_HOST"))


def _contradictions(rotation: Rotation, namespace: str) -> Iterator[Message]:
    """What `certs` says about durations that do not fit together, with its own codes."""
    try:
        rotation.certs(namespace)
    except InvalidSettings as error:
        for problem in error.problems:
            kind = Kind(problem.code, Severity.ERROR, "{text}", "{fix}" if problem.fix else "", problem.kind.help)
            yield message(kind, text=problem.with_names(_FLAGS).text, fix=problem.fix)


def _fields_of(group: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that are fields of the dataclass `group`."""
    members = {each.name for each in fields(group)}
    return {name: value for name, value in values.items() if name in members}
