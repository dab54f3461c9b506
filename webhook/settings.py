"""Settings: from flags and, where a flag is not given, from M365WI_… in the environment; all mistakes found at once.

A setting is one line in the table below: `--tenant-id` is also M365WI_TENANT_ID, and so on.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from webhook import names
from webhook.clouds import CLOUDS
from webhook.identity import is_audience, is_tenant
from webhook.policy import SCOPES, Policy

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
class Settings:
    """Everything that `serve` can be told."""

    listen: Address = Address("0.0.0.0", 9443)
    ops_listen: Address = Address("0.0.0.0", 8080)
    accounts: Path | None = None
    kubeconfig: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    log_level: str = "info"
    policy: Policy = field(default_factory=Policy)

    def effective(self) -> dict[str, str]:
        """Each setting as it is in force, for the log. None of them is secret."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "policy"}
        plain |= {each.name: getattr(self.policy, each.name) for each in fields(self.policy)}
        return {name: "" if value is None else str(value) for name, value in plain.items()}


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


_tenant = _matching(is_tenant, "the tenant's GUID or domain")
_audience = _matching(is_audience, "an audience of at most 600 characters without spaces")
_namespace = _matching(lambda text: text.replace("-", "").isalnum() and text.isascii(), "a namespace's name")

_OPTIONS: Final = (
    _Option("listen", "ADDRESS:PORT", "where kube-apiserver calls, with TLS (0.0.0.0:9443)", _address),
    _Option("ops_listen", "ADDRESS:PORT", "where probes and metrics are read, without TLS (0.0.0.0:8080)", _address),
    _Option("accounts", "PATH", "ServiceAccounts from a YAML file or a folder of them, instead of a cluster", _path),
    _Option("kubeconfig", "PATH", "the cluster to ask for ServiceAccounts (the one this pod runs in)", _path),
    _Option("tls_cert", "PATH", "certificate chain to serve (one of its own, for development)", _path),
    _Option("tls_key", "PATH", "its private key (in the same file)", _path),
    _Option("log_level", "LEVEL", f"{', '.join(LOG_LEVELS)} (info)", _one_of(LOG_LEVELS)),
    _Option("scope", "SCOPE", f"{', '.join(SCOPES)} (pod-label)", _one_of(SCOPES), policy=True),
    _Option("tenant_id", "TENANT", "for ServiceAccounts that name none: GUID or domain", _tenant, policy=True),
    _Option("cloud", "CLOUD", f"{', '.join(CLOUDS)} (public)", _one_of(CLOUDS), policy=True),
    _Option("audience", "AUDIENCE", "of every token (by cloud)", _audience, policy=True),
    _Option(
        "own_namespace",
        "NAMESPACE",
        f"where the webhook runs; pods there are left alone ({names.DEFAULT_NAMESPACE})",
        _namespace,
        policy=True,
    ),
)


def add_flags(parser: argparse.ArgumentParser, *, policy_only: bool) -> None:
    """The flags of `serve`, or those of them that decide about pods. `read_settings` checks the values."""
    for option in _OPTIONS:
        if option.policy or not policy_only:
            parser.add_argument(option.flag, metavar=option.metavar, help=f"{option.help} [{option.variable}]")


def read_settings(flags: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """The settings in force: the flag, else the variable, else the default. Raises SettingsError with every problem."""
    problems: list[str] = []
    found: dict[str, Any] = {}
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
    if "accounts" in found and "kubeconfig" in found:
        problems.append(
            "--accounts and --kubeconfig exclude each other: ServiceAccounts come from files or from a cluster"
        )
    if "tls_key" in found and "tls_cert" not in found:
        problems.append("--tls-key is given without --tls-cert")
    if problems:
        raise SettingsError(problems)
    of_policy = {each.name for each in fields(Policy)}
    policy = Policy(**{name: value for name, value in found.items() if name in of_policy})
    return Settings(**{name: value for name, value in found.items() if name not in of_policy}, policy=policy)
