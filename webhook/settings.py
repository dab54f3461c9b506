"""Settings: from flags and, where a flag is not given, from M365WI_… in the environment; all mistakes found at once.

A setting is one line in the table below: `--tenant-id` is also M365WI_TENANT_ID, and so on.
"""

import argparse
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from certs.names import service_names
from certs.settings import Settings as CertsSettings
from webhook import names
from webhook.clouds import CLOUDS
from webhook.identity import is_audience, is_tenant
from webhook.policy import SCOPES, Policy

SELF_MANAGED: Final = "self-managed"
FILES: Final = "files"
DEVELOPMENT: Final = "development"
CERTIFICATES: Final = (SELF_MANAGED, FILES, DEVELOPMENT)
LOG_LEVELS: Final = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """Settings that make no sense; `problems` has a line for each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Address:
    """Where to listen. Port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Rotation:
    """The self-managed certificates: where they are kept, how they are reached, how long they live.

    secret, service: names in the webhook's own namespace. configuration: the MutatingWebhookConfiguration's name.
    extra_names: what the certificate is good for beside the Service's names. The rest: see certs.settings.
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
    """Everything that `serve` can be told. certificates: one of CERTIFICATES, or "" for what fits the rest."""

    listen: Address = Address("0.0.0.0", 9443)
    ops_listen: Address = Address("0.0.0.0", 8080)
    accounts: Path | None = None
    kubeconfig: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    certificates: str = ""
    rotation: Rotation = field(default_factory=Rotation)
    log_level: str = "info"
    policy: Policy = field(default_factory=Policy)

    def effective(self) -> dict[str, str]:
        """Each setting as it is in force, for the log. None of them is secret."""
        found: dict[str, str] = {}
        for group in (self, self.policy, self.rotation):
            for each in fields(group):
                value = getattr(group, each.name)
                if value is not self.policy and value is not self.rotation:
                    found[each.name] = _plain(value)
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
        return "M365WI_" + self.name.upper()


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port[:6]) > 65535:
        raise ValueError("ADDRESS:PORT with a port of at most 65535, such as 0.0.0.0:9443")
    return Address(host.strip("[]") or "0.0.0.0", int(port))


def _plain(value: object) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def _duration(text: str) -> timedelta:
    """As Kubernetes and Go write it, with days beside: 14d, 2h30m, 90s, 250ms."""
    parts = re.findall(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(ms|d|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("a duration such as 14d, 2h30m or 90s")
    units = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return timedelta(seconds=sum(float(number) * units[unit] for number, unit in parts))


def _names(text: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in text.split(","))
    if not all(re.fullmatch(r"[A-Za-z0-9.:-]{1,253}", part) for part in parts):
        raise ValueError("DNS names or IP addresses, separated by commas")
    return parts


def _path(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise ValueError("a path that exists")
    return path


def _matching(check: Callable[[str], bool], expected: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not check(text):
            raise ValueError(expected)
        return text

    return parse


def _one_of(allowed: Iterable[str]) -> Callable[[str], str]:
    choices = tuple(allowed)
    return _matching(choices.__contains__, "one of " + ", ".join(choices))


_LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_tenant = _matching(is_tenant, "the tenant's GUID or domain")
_audience = _matching(is_audience, "an audience of at most 600 characters without spaces")
# What a container runtime takes: [HOST[:PORT]/]PATH[:TAG][@DIGEST].
_image = _matching(
    lambda text: re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._:/-]{0,400}(@sha256:[0-9a-f]{64})?", text) is not None,
    "an image such as registry.example.com/m365-workload-identity:1.2.3",
)
_namespace = _matching(lambda text: re.fullmatch(_LABEL, text) is not None, "a namespace's name")
_object_name = _matching(lambda text: re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", text) is not None, "an object's name")

_OPTIONS: Final = (
    _Option("listen", "ADDRESS:PORT", "where kube-apiserver calls, with TLS (0.0.0.0:9443)", _address),
    _Option("ops_listen", "ADDRESS:PORT", "where probes and metrics are read, without TLS (0.0.0.0:8080)", _address),
    _Option("accounts", "PATH", "ServiceAccounts from a YAML file or a folder of them, instead of a cluster", _path),
    _Option("kubeconfig", "PATH", "the cluster to ask for ServiceAccounts (the one this pod runs in)", _path),
    _Option("tls_cert", "PATH", "certificate chain to serve (one of its own, for development)", _path),
    _Option("tls_key", "PATH", "its private key (in the same file)", _path),
    _Option("certificates", "MODE", f"{', '.join(CERTIFICATES)} (by what else is given)", _one_of(CERTIFICATES)),
    _Option("secret", "NAME", f"where the self-managed CA is kept ({names.DEFAULT_SECRET})", _object_name),
    _Option("service", "NAME", f"by which kube-apiserver calls ({names.DEFAULT_SERVICE})", _object_name),
    _Option(
        "configuration", "NAME", f"webhook configuration to trust us ({names.DEFAULT_CONFIGURATION})", _object_name
    ),
    _Option("extra_names", "NAMES", "more names and addresses that the certificate is good for", _names),
    _Option("ca_lifetime", "DURATION", "of the self-managed CA, renewed at two thirds (730d)", _duration),
    _Option("leaf_lifetime", "DURATION", "of each replica's certificate, renewed at two thirds (14d)", _duration),
    _Option("interval", "DURATION", "between two looks at Secret and configuration (30s)", _duration),
    _Option("settle", "DURATION", "for which a new CA is published before it signs (120s)", _duration),
    _Option("skew", "DURATION", "by which clocks may differ (1h)", _duration),
    _Option("log_level", "LEVEL", f"{', '.join(LOG_LEVELS)} (info)", _one_of(LOG_LEVELS)),
    _Option("scope", "SCOPE", f"{', '.join(SCOPES)} (pod-label)", _one_of(SCOPES), policy=True),
    _Option("tenant_id", "TENANT", "for ServiceAccounts that name none: GUID or domain", _tenant, policy=True),
    _Option("cloud", "CLOUD", f"{', '.join(CLOUDS)} (public)", _one_of(CLOUDS), policy=True),
    _Option("audience", "AUDIENCE", "of every token (by cloud)", _audience, policy=True),
    _Option("helper_image", "IMAGE", "that preflight and token-endpoint run in (none)", _image, policy=True),
    _Option(
        "own_namespace",
        "NAMESPACE",
        f"where the webhook runs; pods there are left alone ({names.DEFAULT_NAMESPACE})",
        _namespace,
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
    unread: set[str] = set()
    for option in _OPTIONS:
        if not hasattr(flags, option.name):
            continue
        text, source = getattr(flags, option.name), option.flag
        if text is None:
            text, source = environ.get(option.variable, ""), option.variable
            if not text.strip():
                continue
        try:
            found[option.name] = option.parse(text.strip())
        except ValueError as error:
            problems.append(f'{source} is "{text}", expected {error}')
            unread.add(option.name)
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
    # Where one cannot be read the default stands in, with which the others may not fit together.
    policy = Policy(**_of(Policy, found))
    rotation = Rotation(**_of(Rotation, found))
    if not unread & {each.name for each in fields(Rotation)}:
        problems += _contradictions(rotation, policy.own_namespace)
    if problems:
        raise SettingsError(problems)
    return Settings(**_of(Settings, found), policy=policy, rotation=rotation)


def is_pod(environ: Mapping[str, str]) -> bool:
    """Whether this process has a cluster that it runs in."""
    return bool(environ.get("KUBERNETES_SERVICE_HOST"))


def _contradictions(rotation: Rotation, namespace: str) -> list[str]:
    try:
        rotation.certs(namespace)
    except ValueError as error:
        return str(error).split("; ")
    return []


def _of(group: type[Any], found: Mapping[str, Any]) -> dict[str, Any]:
    members = {each.name for each in fields(group)}
    return {name: value for name, value in found.items() if name in members}
