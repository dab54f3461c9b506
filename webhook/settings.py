"""Settings: from flags and, where a flag is not given, from M365WI_… in the environment; all mistakes found at once.

A setting is one line in the table below: `--tenant-id` is also M365WI_TENANT_ID, and so on.
"""

import argparse
import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from certs.managed.settings import Settings as CertsSettings
from certs.names import service_names
from webhook import setting_values
from webhook.accounts.files import BadFiles, FileAccounts
from webhook.cluster import kubeconfig
from webhook.core import names
from webhook.core.clouds import CLOUDS
from webhook.core.policy import SCOPES, Policy

SELF_MANAGED: Final = "self-managed"
FILES: Final = "files"
DEVELOPMENT: Final = "development"
CERTIFICATES: Final = (SELF_MANAGED, FILES, DEVELOPMENT)
LOG_LEVELS: Final = ("debug", "info", "warning", "error")

_VARIABLES: Final = "M365WI_"
_LISTEN: Final = setting_values.Address("0.0.0.0", 9443)
_OPS_LISTEN: Final = setting_values.Address("0.0.0.0", 8080)


class SettingsError(Exception):
    """Settings that make no sense; `problems` has a line for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Rotation:
    """The self-managed certificates: where they are kept, how they are reached, how long they live.

    secret, service: names in the webhook's own namespace. configuration: the MutatingWebhookConfiguration's name.
    extra_names: what the certificate is good for beside the Service's names. The rest: see certs.managed.settings.
    """

    secret: str = names.DEFAULT_SECRET
    service: str = names.DEFAULT_SERVICE
    configuration: str = names.DEFAULT_CONFIGURATION
    extra_names: tuple[str, ...] = ()
    ca_lifetime: timedelta = timedelta(days=730)
    leaf_lifetime: timedelta = timedelta(days=14)
    interval: timedelta = timedelta(seconds=30)
    settle: timedelta = timedelta(seconds=120)
    skew: timedelta = timedelta(hours=1)

    def certs(self, namespace: str) -> CertsSettings:
        """The same as `certs` takes it. Raises ValueError with everything that does not fit together."""
        return CertsSettings(
            secret=f"{namespace}/{self.secret}",
            configuration=self.configuration,
            service=f"{namespace}/{self.service}",
            names=(*service_names(self.service, namespace), *self.extra_names),
            name=f"{self.service}.{namespace}.svc",
            webhooks=frozenset(names.WEBHOOKS),
            authority_lifetime=self.ca_lifetime,
            leaf_lifetime=self.leaf_lifetime,
            interval=self.interval,
            settle=self.settle,
            skew=self.skew,
        )


@dataclass(frozen=True)
class Settings:
    """Everything that `serve` can be told. certificates: one of CERTIFICATES; "" for a command that serves none."""

    listen: setting_values.Address = _LISTEN
    ops_listen: setting_values.Address = _OPS_LISTEN
    accounts: FileAccounts | None = None
    kubeconfig: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    certificates: str = ""
    rotation: Rotation = field(default_factory=Rotation)
    log_level: str = "info"
    policy: Policy = field(default_factory=Policy)

    def effective(self) -> dict[str, str]:
        """Each setting that has an effect, as it is in force, for the log. None of them is secret."""
        found: dict[str, str] = {}
        for group in (self, self.policy, self.rotation):
            for each in fields(group):
                value = getattr(group, each.name)
                if value is self.policy or value is self.rotation or _idle(each.name, self.certificates):
                    continue
                found[each.name] = setting_values.plain(value)
        return found


@dataclass(frozen=True)
class _Option:
    """One setting. parse raises ValueError with what was expected; policy: whether the offline command takes it too."""

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
    path = setting_values.path(text)
    problems = kubeconfig.problems(path)
    if problems:
        raise SettingsError(problems)
    return path


def _accounts(text: str) -> FileAccounts:
    try:
        return FileAccounts.read(setting_values.path(text))
    except BadFiles as error:
        raise SettingsError(error.problems) from None


_OPTIONS: Final = (
    _Option("listen", "ADDRESS:PORT", "where kube-apiserver calls, with TLS (0.0.0.0:9443)", setting_values.address),
    _Option(
        "ops_listen",
        "ADDRESS:PORT",
        "where probes and metrics are read, without TLS (0.0.0.0:8080)",
        setting_values.address,
    ),
    _Option(
        "accounts", "PATH", "ServiceAccounts from a YAML file or a folder of them, instead of a cluster", _accounts
    ),
    _Option("kubeconfig", "PATH", "the cluster to ask for ServiceAccounts (the one this pod runs in)", _kubeconfig),
    _Option("tls_cert", "PATH", "certificate chain to serve (one of its own, for development)", setting_values.path),
    _Option("tls_key", "PATH", "its private key (in the same file)", setting_values.path),
    _Option(
        "certificates",
        "MODE",
        f"{', '.join(CERTIFICATES)} (by what else is given)",
        setting_values.one_of(CERTIFICATES),
    ),
    _Option(
        "secret", "NAME", f"where the self-managed CA is kept ({names.DEFAULT_SECRET})", setting_values.object_name
    ),
    _Option("service", "NAME", f"by which kube-apiserver calls ({names.DEFAULT_SERVICE})", setting_values.object_name),
    _Option(
        "configuration",
        "NAME",
        f"webhook configuration to trust us ({names.DEFAULT_CONFIGURATION})",
        setting_values.object_name,
    ),
    _Option("extra_names", "NAMES", "more names and addresses that the certificate is good for", setting_values.hosts),
    _Option("ca_lifetime", "DURATION", "of the self-managed CA, renewed at two thirds (730d)", setting_values.duration),
    _Option(
        "leaf_lifetime",
        "DURATION",
        "of each replica's certificate, renewed at two thirds (14d)",
        setting_values.duration,
    ),
    _Option("interval", "DURATION", "between two looks at Secret and configuration (30s)", setting_values.duration),
    _Option("settle", "DURATION", "for which a new CA is published before it signs (120s)", setting_values.duration),
    _Option("skew", "DURATION", "by which clocks may differ (1h)", setting_values.duration),
    _Option("log_level", "LEVEL", f"{', '.join(LOG_LEVELS)} (info)", setting_values.one_of(LOG_LEVELS)),
    _Option("scope", "SCOPE", f"{', '.join(SCOPES)} (pod-label)", setting_values.one_of(SCOPES), policy=True),
    _Option(
        "tenant_id", "TENANT", "for ServiceAccounts that name none: GUID or domain", setting_values.tenant, policy=True
    ),
    _Option("cloud", "CLOUD", f"{', '.join(CLOUDS)} (public)", setting_values.one_of(CLOUDS), policy=True),
    _Option("audience", "AUDIENCE", "of every token (by cloud)", setting_values.audience, policy=True),
    _Option(
        "helper_image", "IMAGE", "that preflight and token-endpoint run in (none)", setting_values.image, policy=True
    ),
    _Option(
        "own_namespace",
        "NAMESPACE",
        f"where the webhook runs; pods there are left alone ({names.DEFAULT_NAMESPACE})",
        setting_values.namespace,
        policy=True,
    ),
)


def add_flags(parser: argparse.ArgumentParser, *, policy_only: bool = False, only: Collection[str] = ()) -> None:
    """The flags of `serve`, those that decide about pods, or some by name. `read_settings` checks the values."""
    for option in _OPTIONS:
        if (option.policy or not policy_only) and (not only or option.name in only):
            parser.add_argument(option.flag, metavar=option.metavar, help=f"{option.help} [{option.variable}]")


def read_settings(flags: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """The settings in force: the flag, else the variable, else the default. Raises SettingsError with every problem."""
    problems: list[str] = []
    found: dict[str, Any] = {}
    sources: dict[str, str] = {}
    unread: set[str] = set()
    for option in _OPTIONS:
        if not hasattr(flags, option.name):
            continue
        text, source = getattr(flags, option.name), option.flag
        if text is None:
            text, source = environ.get(option.variable, ""), option.variable
            if not text.strip():
                continue
        sources[option.name] = source
        try:
            found[option.name] = option.parse(text.strip())
        except ValueError as error:
            problems.append(f'{source} is "{text}", expected {error}')
            unread.add(option.name)
        except SettingsError as error:  # what the setting names has mistakes of its own
            problems += [f"{source}: {problem}" for problem in error.problems]
            unread.add(option.name)
    problems += [f"{name} is no setting: is {meant} meant?" for name, meant in _unknown(environ).items() if meant]
    if "accounts" in found and "kubeconfig" in found:
        problems.append(
            "--accounts and --kubeconfig exclude each other: ServiceAccounts come from files or from a cluster"
        )
    if hasattr(flags, "accounts") and not ({"accounts", "kubeconfig"} & (found.keys() | unread) or is_pod(environ)):
        problems.append("where do ServiceAccounts come from? This is no pod: give --accounts PATH or --kubeconfig PATH")
    if found.get("certificates") == FILES and "tls_cert" not in found:
        problems.append("--certificates is files, so --tls-cert is needed")
    if found.get("certificates", FILES) != FILES and "tls_cert" in found:
        problems.append(f"--tls-cert is given, but --certificates is {found['certificates']}: leave one of them out")
    if "tls_key" in found and "tls_cert" not in found:
        problems.append("--tls-key is given without --tls-cert")
    listen, ops_listen = found.get("listen", _LISTEN), found.get("ops_listen", _OPS_LISTEN)
    if not unread & {"listen", "ops_listen"} and _overlap(listen, ops_listen):
        problems.append("--listen and --ops-listen are one and the same port: give each its own")
    # Where one cannot be read the default stands in, with which the others may not fit together.
    if hasattr(flags, "certificates") and not unread & {"certificates", "tls_cert", "accounts"}:
        found["certificates"] = mode = _mode(found, environ)
        idle = [source for name, source in sources.items() if _idle(name, mode)]
        fix = f"leave it out, or set --certificates {SELF_MANAGED}"
        problems += [f"{source} has no effect, because certificates are {mode}: {fix}" for source in idle]
    policy = Policy(**_of(Policy, found))
    rotation = Rotation(**_of(Rotation, found))
    if not unread & _ROTATION and found.get("certificates", SELF_MANAGED) == SELF_MANAGED:
        problems += _contradictions(rotation, policy.own_namespace)
    if problems:
        raise SettingsError(problems)
    return Settings(**_of(Settings, found), policy=policy, rotation=rotation)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """The variables that look like settings and are none of this version; one that is misspelt is refused instead."""
    return [name for name, meant in _unknown(environ).items() if not meant]


def _unknown(environ: Mapping[str, str]) -> dict[str, str]:
    """Each variable that is no setting, with the one that it is a misspelling of, or ""."""
    options = {option.name: option for option in _OPTIONS}
    found = {}
    for variable in sorted(environ):
        name = variable.removeprefix(_VARIABLES).lower()
        if variable.startswith(_VARIABLES) and name not in options and environ[variable].strip():
            close = difflib.get_close_matches(name, options, n=1, cutoff=0.8)
            found[variable] = options[close[0]].variable if close else ""
    return found


def _mode(found: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """Where the certificate comes from: what is said, else given files, else the cluster of this pod, else nowhere."""
    if "certificates" in found:
        return str(found["certificates"])
    if "tls_cert" in found:
        return FILES
    return SELF_MANAGED if is_pod(environ) and "accounts" not in found else DEVELOPMENT


def _idle(name: str, certificates: str) -> bool:
    """Whether the setting has no effect on certificates of that mode."""
    if (name, certificates) in (("extra_names", DEVELOPMENT), ("service", FILES)):  # in a pod a pair is for the Service
        return False
    return name in _ROTATION and certificates in (FILES, DEVELOPMENT)


def _overlap(one: setting_values.Address, other: setting_values.Address) -> bool:
    """Whether two sockets would want the same port of the same address."""
    everywhere = ("0.0.0.0", "::")
    hosts = (one.host, other.host)
    return one.port == other.port != 0 and (one.host == other.host or any(host in everywhere for host in hosts))


def is_pod(environ: Mapping[str, str]) -> bool:
    """Whether this process has a cluster that it runs in."""
    return bool(environ.get("KUBERNETES_SERVICE_HOST"))


def _contradictions(rotation: Rotation, namespace: str) -> list[str]:
    try:
        rotation.certs(namespace)
    except ValueError as error:
        return str(error).split("; ")
    return []


_ROTATION: Final = frozenset(each.name for each in fields(Rotation))


def _of(group: type[Any], found: Mapping[str, Any]) -> dict[str, Any]:
    members = {each.name for each in fields(group)}
    return {name: value for name, value in found.items() if name in members}
