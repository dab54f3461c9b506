"""The settings: each a flag or a variable M365WI_… of the environment; all mistakes are found at once.

A setting is one line in the table below: `--tenant-id` is also M365WI_TENANT_ID, and so on. The flag wins over the
variable, and the variable over the default.
"""

import argparse
import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from certs.managed.settings import InvalidSettings, RotationSettings, duration_text
from certs.names import service_names
from webhook import setting_values as values
from webhook.accounts.files import BadFiles, FileAccounts
from webhook.cluster import kubeconfig
from webhook.core import names
from webhook.core.clouds import CLOUDS
from webhook.core.messages import Message, Place, message
from webhook.core.messages import settings as kinds
from webhook.core.policy import SCOPES, Policy

SELF_MANAGED: Final = "self-managed"
FILES: Final = "files"
DEVELOPMENT: Final = "development"
CERTIFICATES: Final = (SELF_MANAGED, FILES, DEVELOPMENT)
LOG_LEVELS: Final = ("debug", "info", "warning", "error")

_VARIABLES: Final = "M365WI_"
_LISTEN: Final = values.Address("0.0.0.0", 9443)
_OPS_LISTEN: Final = values.Address("0.0.0.0", 8080)


class SettingsError(Exception):
    """Settings, flags or files that cannot be used; `problems` has each mistake."""

    def __init__(self, problems: Iterable[Message]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True)
class Rotation:
    """The self-managed certificates: where they are kept, how the webhook is reached, how long they live.

    secret, service: names in the webhook's own namespace. configuration: the MutatingWebhookConfiguration's name.
    extra_names: names of the certificate in addition to the Service's. The rest, and its defaults: see
    certs.managed.settings.
    """

    secret: str = names.DEFAULT_SECRET
    service: str = names.DEFAULT_SERVICE
    configuration: str = names.DEFAULT_CONFIGURATION
    extra_names: tuple[str, ...] = ()
    ca_lifetime: timedelta = RotationSettings.authority_lifetime
    leaf_lifetime: timedelta = RotationSettings.leaf_lifetime
    interval: timedelta = RotationSettings.interval
    settle: timedelta = RotationSettings.publish_wait
    skew: timedelta = RotationSettings.skew

    def certs(self, namespace: str) -> RotationSettings:
        """The same for the package `certs`. Raises InvalidSettings with each contradiction."""
        return RotationSettings(
            secret=f"{namespace}/{self.secret}",
            configuration=self.configuration,
            service=f"{namespace}/{self.service}",
            names=(*service_names(self.service, namespace), *self.extra_names),
            name=f"{self.service}.{namespace}.svc",
            webhooks=frozenset(names.WEBHOOKS),
            authority_lifetime=self.ca_lifetime,
            leaf_lifetime=self.leaf_lifetime,
            interval=self.interval,
            publish_wait=self.settle,
            skew=self.skew,
        )


@dataclass(frozen=True)
class ServeSettings:
    """All settings of `serve`. certificates: one of CERTIFICATES; "" for a command that serves no certificate."""

    listen: values.Address = _LISTEN
    ops_listen: values.Address = _OPS_LISTEN
    accounts: FileAccounts | None = None
    kubeconfig: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    certificates: str = ""
    rotation: Rotation = field(default_factory=Rotation)
    log_level: str = "info"
    policy: Policy = field(default_factory=Policy)

    def effective(self) -> dict[str, str]:
        """The value of each setting that has an effect, for the log. No setting is secret."""
        found: dict[str, str] = {}
        for group in (self, self.policy, self.rotation):
            for each in fields(group):
                value = getattr(group, each.name)
                if value is self.policy or value is self.rotation or _idle(each.name, self.certificates):
                    continue
                found[each.name] = values.plain(value)
        return found


@dataclass(frozen=True)
class _Option:
    """One setting. parse: raises ValueError with what was expected. policy: `mutate` has the flag, too."""

    name: str
    metavar: str
    help: str
    parse: Callable[[str], Any]
    policy: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return _VARIABLES + self.name.upper()


def _kubeconfig(text: str) -> Path:
    path = values.path(text)
    problems = kubeconfig.problems(path)
    if problems:
        raise SettingsError(problems)
    return path


def _accounts(text: str) -> FileAccounts:
    try:
        return FileAccounts.read(values.path(text))
    except BadFiles as error:
        raise SettingsError(error.problems) from None


def _duration(name: str, what: str) -> _Option:
    """A duration of `Rotation`, whose default is the one there."""
    default = duration_text(getattr(Rotation, name))
    return _Option(name, "DURATION", f"{what} ({default})", values.duration)


_OPTIONS: Final = (
    _Option("listen", "ADDRESS:PORT", "where kube-apiserver calls, with TLS (0.0.0.0:9443)", values.address),
    _Option(
        "ops_listen",
        "ADDRESS:PORT",
        "for probes and metrics, without TLS (0.0.0.0:8080)",
        values.address,
    ),
    _Option(
        "accounts", "PATH", "ServiceAccounts from a YAML file or a folder of them, instead of a cluster", _accounts
    ),
    _Option("kubeconfig", "PATH", "the cluster to ask for ServiceAccounts (the one this pod runs in)", _kubeconfig),
    _Option(
        "tls_cert",
        "PATH",
        "certificate chain to serve (outside a cluster: a new one, for development)",
        values.path,
    ),
    _Option("tls_key", "PATH", "the certificate's private key (in the same file)", values.path),
    _Option(
        "certificates",
        "MODE",
        f"{', '.join(CERTIFICATES)} (depends on the other flags)",
        values.one_of(CERTIFICATES),
    ),
    _Option("secret", "NAME", f"the Secret of the self-managed CA ({names.DEFAULT_SECRET})", values.object_name),
    _Option(
        "service",
        "NAME",
        f"the Service that kube-apiserver calls ({names.DEFAULT_SERVICE})",
        values.object_name,
    ),
    _Option(
        "configuration",
        "NAME",
        f"the webhook configuration that gets the caBundle ({names.DEFAULT_CONFIGURATION})",
        values.object_name,
    ),
    _Option("extra_names", "NAMES", "more DNS names and IP addresses of the certificate", values.hosts),
    _duration("ca_lifetime", "lifetime of the self-managed CA, renewed at two thirds"),
    _duration("leaf_lifetime", "lifetime of each replica's certificate, renewed at two thirds"),
    _duration("interval", "time between two readings of the Secret and the configuration"),
    _duration("settle", "time that a new CA is published before it signs"),
    _duration("skew", "largest difference between two clocks"),
    _Option("log_level", "LEVEL", f"{', '.join(LOG_LEVELS)} (info)", values.one_of(LOG_LEVELS)),
    _Option("scope", "SCOPE", f"{', '.join(SCOPES)} (pod-label)", values.one_of(SCOPES), policy=True),
    _Option(
        "tenant_id",
        "TENANT",
        "tenant of ServiceAccounts that name none: GUID or domain",
        values.tenant,
        policy=True,
    ),
    _Option("cloud", "CLOUD", f"{', '.join(CLOUDS)} (public)", values.one_of(CLOUDS), policy=True),
    _Option("audience", "AUDIENCE", "audience of every token (the cloud's)", values.audience, policy=True),
    _Option(
        "helper_image",
        "IMAGE",
        "image of the helper containers, preflight and token-endpoint (none)",
        values.image,
        policy=True,
    ),
    _Option(
        "own_namespace",
        "NAMESPACE",
        f"the webhook's own namespace; its pods are never injected ({names.DEFAULT_NAMESPACE})",
        values.namespace,
        policy=True,
    ),
)


def add_flags(parser: argparse.ArgumentParser, *, policy_only: bool = False, only: Collection[str] = ()) -> None:
    """The flags of `serve`, those that decide about pods, or some by name. `read_settings` checks the values."""
    for option in _OPTIONS:
        if (option.policy or not policy_only) and (not only or option.name in only):
            parser.add_argument(option.flag, metavar=option.metavar, help=f"{option.help} [{option.variable}]")


def read_settings(flags: argparse.Namespace, environ: Mapping[str, str]) -> ServeSettings:
    """The settings in force: the flag, else the variable, else the default. Raises SettingsError with each problem."""
    given = _read(flags, environ)
    problems = [*given.problems, *_misspelt(environ)]
    problems += _source_problems(given, flags, environ)
    problems += _certificate_problems(given)
    # If one of these could not be read, the mode is not known.
    if hasattr(flags, "certificates") and not given.unread & {"certificates", "tls_cert", "accounts"}:
        given.values["certificates"] = _mode(given.values, environ)
        problems += _without_effect(given)
    policy = Policy(**_fields_of(Policy, given.values))
    rotation = Rotation(**_fields_of(Rotation, given.values))
    # A default in place of a value that could not be read may contradict the others.
    if not given.unread & _ROTATION and given.values.get("certificates", SELF_MANAGED) == SELF_MANAGED:
        problems += _contradictions(rotation, policy.own_namespace)
    if problems:
        raise SettingsError(problems)
    return ServeSettings(**_fields_of(ServeSettings, given.values), policy=policy, rotation=rotation)


def bad_value(option: str, value: object, expected: object) -> Message:
    """The problem of a flag or a variable with a wrong value."""
    return message(kinds.BAD_VALUE, Place(option), value=value, expected=str(expected))


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
    for option in _OPTIONS:
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
            for problem in error.problems:
                place = replace(problem.place, object=f"{source}: {problem.place.object}")
                given.problems.append(replace(problem, place=place))
            given.unread.add(option.name)
    return given


def _source_problems(given: _Given, flags: argparse.Namespace, environ: Mapping[str, str]) -> Iterator[Message]:
    """Where ServiceAccounts come from: files or a cluster, one of them."""
    if "accounts" in given.values and "kubeconfig" in given.values:
        yield message(kinds.ACCOUNTS_AND_KUBECONFIG)
    known = given.values.keys() | given.unread
    if hasattr(flags, "accounts") and not ({"accounts", "kubeconfig"} & known or is_pod(environ)):
        yield message(kinds.NO_ACCOUNTS)


def _certificate_problems(given: _Given) -> Iterator[Message]:
    """Flags of the served certificate that do not go together, and one port for two servers."""
    found = given.values
    if found.get("certificates") == FILES and "tls_cert" not in found:
        yield message(kinds.TLS_CERT_MISSING)
    if found.get("certificates", FILES) != FILES and "tls_cert" in found:
        yield message(kinds.TLS_CERT_UNUSED, mode=found["certificates"])
    if "tls_key" in found and "tls_cert" not in found:
        yield message(kinds.TLS_KEY_ALONE)
    listen, ops_listen = found.get("listen", _LISTEN), found.get("ops_listen", _OPS_LISTEN)
    if not given.unread & {"listen", "ops_listen"} and _overlap(listen, ops_listen):
        yield message(kinds.SAME_PORT, value=listen.port)


def _without_effect(given: _Given) -> Iterator[Message]:
    mode = given.values["certificates"]
    for name, source in given.sources.items():
        if _idle(name, mode):
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
    options = {option.name: option for option in _OPTIONS}
    found = {}
    for variable in sorted(environ):
        name = variable.removeprefix(_VARIABLES).lower()
        if variable.startswith(_VARIABLES) and name not in options and environ[variable].strip():
            close = difflib.get_close_matches(name, options, n=1, cutoff=0.8)
            found[variable] = options[close[0]].variable if close else ""
    return found


def _mode(found: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """The mode that is given; else files if --tls-cert is given; else self-managed in a pod; else development."""
    if "certificates" in found:
        return str(found["certificates"])
    if "tls_cert" in found:
        return FILES
    return SELF_MANAGED if is_pod(environ) and "accounts" not in found else DEVELOPMENT


def _idle(name: str, certificates: str) -> bool:
    """Whether the setting has no effect in that mode of certificates."""
    if (name, certificates) in (("extra_names", DEVELOPMENT), ("service", FILES)):  # the certificate must have its name
        return False
    return name in _ROTATION and certificates in (FILES, DEVELOPMENT)


def _overlap(one: values.Address, other: values.Address) -> bool:
    """Whether two sockets would need the same port of the same address."""
    everywhere = ("0.0.0.0", "::")
    hosts = (one.host, other.host)
    return one.port == other.port != 0 and (one.host == other.host or any(host in everywhere for host in hosts))


def is_pod(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a pod."""
    return bool(environ.get("KUBERNETES_SERVICE_HOST"))


def _contradictions(rotation: Rotation, namespace: str) -> list[Message]:
    try:
        rotation.certs(namespace)
    except InvalidSettings as error:
        return [message(kinds.CONTRADICTION, problem=problem.with_names(_FLAGS).text) for problem in error.problems]
    return []


# What certs calls the settings that have another name here, or are a flag.
_FLAGS: Final = {
    "authority_lifetime": "--ca-lifetime",
    "leaf_lifetime": "--leaf-lifetime",
    "interval": "--interval",
    "publish_wait": "--settle",
    "skew": "--skew",
    "call_limit": "the time limit of a call",
}
_ROTATION: Final = frozenset(each.name for each in fields(Rotation))


def _fields_of(group: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that are fields of the dataclass `group`."""
    members = {each.name for each in fields(group)}
    return {name: value for name, value in values.items() if name in members}
