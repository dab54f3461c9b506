"""The flags: `--tenant-id` is also the variable M365WI_TENANT_ID, and so on. A setting is one line of the table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from certs.managed.settings import duration_text
from webhook.core import names
from webhook.core.clouds import CLOUDS
from webhook.core.families import DEFAULT_FAMILIES, FAMILIES, parse
from webhook.core.policy import SCOPES
from webhook.settings import helpers, values
from webhook.settings.errors import SettingsError
from webhook.settings.serve import CERTIFICATES, LISTEN, LOG_LEVELS, OPS_LISTEN, Rotation

if TYPE_CHECKING:
    from webhook.accounts.files import FileAccounts

VARIABLES: Final = "M365WI_"


@dataclass(frozen=True)
class Option:
    """One setting. parse: raises ValueError with what was expected. policy: `mutate` has the flag, too."""

    name: str
    metavar: str
    help: str
    parse: Callable[[str], Any]
    policy: bool = False

    @property
    def flag(self) -> str:
        """Such as --tenant-id."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Such as M365WI_TENANT_ID."""
        return VARIABLES + self.name.upper()


def _accounts(text: str) -> FileAccounts:
    from webhook.accounts.files import BadFiles, FileAccounts  # with YAML, which a pod does not need

    try:
        return FileAccounts.read(values.path(text))
    except BadFiles as error:
        raise SettingsError(error.problems) from None


def _duration(name: str, what: str) -> Option:
    """A duration of `Rotation`, whose default is the one there."""
    default = duration_text(getattr(Rotation, name))
    return Option(name, "DURATION", f"{what} ({default})", values.duration)


OPTIONS: Final = (
    Option("listen", "ADDRESS:PORT", f"where kube-apiserver calls, with TLS ({LISTEN})", values.address),
    Option(
        "ops_listen",
        "ADDRESS:PORT",
        f"for probes and metrics, without TLS ({OPS_LISTEN})",
        values.address,
    ),
    Option("accounts", "PATH", "ServiceAccounts from a YAML file or a folder of them, instead of a cluster", _accounts),
    Option("kubeconfig", "PATH", "the cluster to ask for ServiceAccounts (the one this pod runs in)", values.path),
    Option(
        "tls_cert",
        "PATH",
        "certificate chain to serve (outside a cluster: a new one, for development)",
        values.path,
    ),
    Option("tls_key", "PATH", "the certificate's private key (in the same file)", values.path),
    Option(
        "client_ca",
        "PATH",
        "answer only clients with a certificate of an authority in this file (answer every client)",
        values.authorities,
    ),
    Option(
        "client_names", "NAMES", "of these clients only: a name in the certificate (of any name)", values.client_names
    ),
    Option(
        "certificates",
        "MODE",
        f"{', '.join(CERTIFICATES)} (depends on the other flags)",
        values.one_of(CERTIFICATES),
    ),
    Option("secret", "NAME", f"the Secret of the self-managed CA ({names.DEFAULT_SECRET})", values.object_name),
    Option(
        "service",
        "NAME",
        f"the Service that kube-apiserver calls ({names.DEFAULT_SERVICE})",
        values.object_name,
    ),
    Option(
        "configuration",
        "NAME",
        f"the webhook configuration that gets the caBundle ({names.DEFAULT_CONFIGURATION})",
        values.object_name,
    ),
    Option("extra_names", "NAMES", "more DNS names and IP addresses of the certificate", values.hosts),
    _duration("ca_lifetime", "lifetime of the self-managed CA, renewed at two thirds"),
    _duration("leaf_lifetime", "lifetime of each replica's certificate, renewed at two thirds"),
    _duration("interval", "time between two readings of the Secret and the configuration"),
    _duration("settle", "time that a new CA is published before it signs"),
    _duration("skew", "largest difference between two clocks"),
    Option(
        "explain_page",
        "BOOL",
        "true: the page of `explain` at /explain of the port for probes and metrics (false)",
        values.boolean,
    ),
    Option(
        "tracing",
        "BOOL",
        "true: send traces of reviews by OTLP, as OpenTelemetry's variables OTEL_… say (false)",
        values.boolean,
    ),
    Option("log_level", "LEVEL", f"{', '.join(LOG_LEVELS)} (info)", values.one_of(LOG_LEVELS)),
    Option("scope", "SCOPE", f"{', '.join(SCOPES)} (pod-label)", values.one_of(SCOPES), policy=True),
    Option(
        "tenant_id",
        "TENANT",
        "tenant of ServiceAccounts that name none: GUID or domain",
        values.tenant,
        policy=True,
    ),
    Option("cloud", "CLOUD", f"{', '.join(CLOUDS)} (public)", values.one_of(CLOUDS), policy=True),
    Option("audience", "AUDIENCE", "audience of every token (the cloud's)", values.audience, policy=True),
    Option(
        "env",
        "FAMILIES",
        f"variables of pods that name none: {', '.join(FAMILIES)} ({','.join(DEFAULT_FAMILIES)})",
        parse,
        policy=True,
    ),
    Option(
        "helper_image",
        "IMAGE",
        "image of the helper containers, preflight and token-endpoint (none)",
        values.image,
        policy=True,
    ),
    Option(
        "helper_resources",
        "JSON",
        "their requests and limits ({'requests': {'cpu': '10m', …}, …})",
        helpers.resources,
        policy=True,
    ),
    Option(
        "helper_security_context",
        "JSON",
        "their runAsUser and runAsGroup, if the pod sets none ({'runAsUser': 65532, …})",
        helpers.security_context,
        policy=True,
    ),
    Option(
        "helper_env",
        "JSON",
        "their proxies and trusted authorities, if the pod sets none ({})",
        helpers.environment,
        policy=True,
    ),
    Option(
        "helper_authorities",
        "NAME/KEY",
        "a ConfigMap in each pod's namespace with the authorities that they trust (none)",
        helpers.config_map,
        policy=True,
    ),
    Option(
        "helper_network_sidecars",
        "NAMES",
        "native sidecars behind which they stand, in addition to those of known meshes (none)",
        helpers.container_names,
        policy=True,
    ),
    Option(
        "own_namespace",
        "NAMESPACE",
        f"the webhook's own namespace; its pods are never injected ({names.DEFAULT_NAMESPACE})",
        values.namespace,
        policy=True,
    ),
)


def add_flags(parser: argparse.ArgumentParser, *, policy_only: bool = False, only: Collection[str] = ()) -> None:
    """The flags of `serve`, those that decide about pods, or some by name. `read_settings` checks the values."""
    for option in OPTIONS:
        if (option.policy or not policy_only) and (not only or option.name in only):
            parser.add_argument(option.flag, metavar=option.metavar, help=f"{option.help} [{option.variable}]")
