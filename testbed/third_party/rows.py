"""What is tried: the rows of docs/tools.md. Each is a way of signing in, by a tool, in a pod with some annotations.

A command's words have the placeholders of `commands`. A program in programs/ prints a token, with which the test reads
the organization from Graph; every other tool has to call an API of Microsoft by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from testbed.third_party.build import HERE, node, place
from webhook.core import names

__all__ = ["ENDPOINT", "FILE", "READ", "ROWS", "Read", "Row", "commands"]

FILE = "the token file"
ENDPOINT = "the token endpoint"

Command = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row. The first command signs in.

    package: whose version is shown, as `versions` names it. env, auth_method: the annotations of these names, "" for
    the default. endpoint: whether the pod has the annotation token-endpoint. own: variables that the container sets by
    itself. by: FILE or ENDPOINT, or "" if it must fail, and then `says` is part of what it says. later: commands that
    are run once more after two hours, with a new token in the file and the first one over. fails_later: what they say
    then. provider: the Terraform provider that it needs.
    """

    tool: str
    package: str
    way: str
    run: tuple[Command, ...]
    by: str = FILE
    env: str = ""
    auth_method: str = ""
    endpoint: bool = False
    own: Mapping[str, str] = field(default_factory=dict)
    says: str = ""
    later: tuple[Command, ...] = ()
    fails_later: str = ""
    provider: str = ""

    @property
    def annotations(self) -> dict[str, str]:
        """Those of the pod."""
        found = {names.ENV: self.env, names.AUTH_METHOD: self.auth_method}
        found[names.TOKEN_ENDPOINT] = "true" if self.endpoint else ""
        return {name: value for name, value in found.items() if value}

    @property
    def pod(self) -> str:
        """What the row says of the pod."""
        parts = [f"`env: {self.env}`"] if self.env else []
        parts += [f"`auth-method: {self.auth_method}`"] if self.auth_method else []
        parts += ["`token-endpoint`"] if self.endpoint else []
        parts += [f"`{name}={value}`" for name, value in self.own.items()]
        return ", ".join(parts) or "–"  # noqa: RUF001 - a dash in a table

    @property
    def prints_token(self) -> bool:
        """Whether standard output is a token: that of one in programs/."""
        return self.run[-1][0] in _PROGRAMS and self.by != "" and not self.way.startswith(_CALLS_ITSELF)


@dataclass(frozen=True, kw_only=True)
class Read:
    """What cannot run here: what its source says."""

    tool: str
    version: str
    way: str
    pod: str
    result: str


_PROGRAMS = ("{python}", "{javascript}", "{java}", "{go}", "{rust}")
_CALLS_ITSELF = ("`GraphServiceClient`", "`Client`")

_ORGANIZATION = "https://graph.microsoft.com/v1.0/organization"
_WORKLOAD, _DEFAULT, _MANAGED = "WorkloadIdentityCredential", "DefaultAzureCredential", "ManagedIdentityCredential"


def _python() -> Iterator[Row]:
    azure = partial(Row, tool="Python, azure-identity", package="pip:azure-identity")
    for module in ("azure.identity", "azure.identity.aio"):
        for name in (_WORKLOAD, _DEFAULT):
            yield azure(way=f"`{module}.{name}`", run=(("{python}", f"{module}.{name}"),))
        run = (("{python}", f"{module}.{_MANAGED}"),)
        yield azure(way=f"`{module}.{_MANAGED}`", run=run, endpoint=True, by=ENDPOINT)
    run = (("{python}", f"azure.identity.{_WORKLOAD}"),)
    yield azure(
        way=f"`azure.identity.{_WORKLOAD}`",
        run=run,
        env="m365",
        by="",
        says="Missing required arguments: 'tenant_id', 'client_id'",
    )
    msal = partial(Row, tool="Python, MSAL", package="pip:msal")
    run = (("{python}", "ConfidentialClientApplication"),)
    yield msal(way="`ConfidentialClientApplication` with the file as `client_assertion`", run=run)
    run = (("{python}", "ManagedIdentityClient"),)
    yield msal(way="`ManagedIdentityClient`", run=run, endpoint=True, by=ENDPOINT)
    run = (("{python}", "msgraph.GraphServiceClient"),)
    way = f"`GraphServiceClient` with `{_DEFAULT}`"
    yield Row(tool="Python, msgraph-sdk", package="pip:msgraph-sdk", way=way, run=run)


def _sdk(tool: str, package: str, program: str, classes: Sequence[str], *, managed_by: str) -> Iterator[Row]:
    """An SDK: its classes with the token file, then its managed identity beside the token endpoint."""
    sdk = partial(Row, tool=tool, package=package)
    for name in classes:
        yield sdk(way=f"`{name}`", run=((program, name),))
    managed = partial(sdk, way=f"`{_MANAGED}`", run=((program, _MANAGED),), endpoint=True)
    yield managed(by=managed_by)
    if managed_by == FILE:
        yield managed(env="m365", by=ENDPOINT)


def _sdks() -> Iterator[Row]:
    both = (_WORKLOAD, _DEFAULT)
    yield from _sdk("JavaScript, @azure/identity", "npm:@azure/identity", "{javascript}", both, managed_by=FILE)
    client = "@microsoft/microsoft-graph-client"
    way, run = f"`Client` with `{_DEFAULT}`", (("{javascript}", "Client"),)
    yield Row(tool=f"JavaScript, {client}", package=f"npm:{client}", way=way, run=run)
    yield from _sdk("Java, azure-identity", "maven:azure-identity", "{java}", both, managed_by=FILE)
    go = "github.com/Azure/azure-sdk-for-go/sdk/azidentity"
    yield from _sdk("Go, azidentity", f"go:azidentity:{go}", "{go}", both, managed_by=ENDPOINT)
    tool, package = "Rust, azure_identity", "cargo:azure_identity"
    yield from _sdk(tool, package, "{rust}", (_WORKLOAD,), managed_by=ENDPOINT)
    way, run = "`DeveloperToolsCredential`", (("{rust}", "DeveloperToolsCredential"),)
    yield Row(
        tool=tool,
        package=package,
        way=way,
        run=run,
        by="",
        says="Multiple errors were encountered while attempting to authenticate",
    )


def _m365() -> Iterator[Row]:
    cli = partial(Row, tool="CLI for Microsoft 365", package="npm:@pnp/cli-microsoft365")
    request = ("{m365}", "request", "--url", _ORGANIZATION)
    login = ("{m365}", "login", "--authType", "identity")
    way = "`m365 login --authType identity`"
    for env in ("", "m365,azure,cli"):
        yield cli(way=way, run=(login, request), later=(request,), env=env, endpoint=True, by=ENDPOINT)
    login = ("{m365}", "login", "--authType", "federatedIdentity")
    says = "Federated identity is currently only supported in GitHub Actions and Azure DevOps"
    yield cli(way="`m365 login --authType federatedIdentity`", run=(login,), by="", says=says)


def _az() -> Iterator[Row]:
    az = partial(Row, tool="az", package="az:azure-cli")
    rest = ("{az}", "rest", "--url", _ORGANIZATION)
    login = ("{az}", "login", "--identity")
    yield az(way="`az login --identity`", run=(login, rest), later=(rest,), endpoint=True, by=ENDPOINT)
    script = '"$0" login --service-principal -u "$AZURE_CLIENT_ID" -t "$AZURE_TENANT_ID" --federated-token "$(cat $1)"'
    with_token = ("sh", "-c", script, "{az}", f"{names.MOUNT_PATH}/{names.TOKEN_FILE}")
    way = "`az login --service-principal --federated-token`"
    yield az(way=way, run=(with_token, rest), later=(rest,), fails_later="AADSTS700024")


def _plan(provider: str) -> Callable[..., Row]:
    """`tofu plan` with a provider whose configuration says nothing about signing in."""
    chdir = f"-chdir={{work}}/{provider}"
    run = (("{tofu}", chdir, "init", "-no-color"), ("{tofu}", chdir, "plan", "-no-color", "-input=false"))
    tool, package = f"OpenTofu, provider {provider}", f"provider:{provider}"
    return partial(Row, tool=tool, package=package, way="`provider` block without settings", run=run, provider=provider)


def _terraform() -> Iterator[Row]:
    azuread = _plan("azuread")
    no_az = 'exec: "az": executable file not found'
    yield azuread(by="", says=no_az)
    yield azuread(own={"ARM_USE_AKS_WORKLOAD_IDENTITY": "true"}, by="", says=no_az)
    yield azuread(env="m365,azure,arm")
    yield azuread(env="m365,azure,arm,powerplatform")
    yield from _power_platform(_plan("power-platform"))


def _power_platform(plan: Callable[..., Row]) -> Iterator[Row]:
    """It asks for the address of a service that gives tokens even if it has a file, and then does not call it."""
    family = "m365,azure,powerplatform"
    without = {"ARM_OIDC_REQUEST_TOKEN": "", "ARM_OIDC_REQUEST_URL": ""}
    yield plan(by="", says="POWER_PLATFORM_TENANT_ID environment variable")
    yield plan(env=family)
    yield plan(env=family, own=without, by="", says="request Token is required for OIDC credential")
    yield plan(endpoint=True, own={"POWER_PLATFORM_USE_MSI": "true"}, by=ENDPOINT)


ROWS: tuple[Row, ...] = (*_python(), *_sdks(), *_m365(), *_az(), *_terraform())

READ: tuple[Read, ...] = (
    Read(
        tool=".NET, Azure.Identity",
        version="main of 2026",
        way="`ManagedIdentityCredential`",
        pod="`token-endpoint`",
        result="signs in, with the token file: `ManagedIdentityClient` tries the token exchange first",
    ),
    Read(
        tool="Microsoft Graph PowerShell",
        version="2.20.0",
        way="`Connect-MgGraph -Identity`",
        pod="–",  # noqa: RUF001
        result="it uses .NET's `ManagedIdentityCredential`, so as above; or `-AccessToken`",
    ),
    Read(
        tool="PnP PowerShell",
        version="3.1.0",
        way="`Connect-PnPOnline -AzureADWorkloadIdentity`",
        pod="–",  # noqa: RUF001
        result="signs in, with the token file; it needs all four `AZURE_*` variables, so not with `env: m365`",
    ),
    Read(
        tool="Terraform provider Azure/azapi",
        version="2.12.0",
        way="`provider` block without settings",
        pod="`env: m365,azure,arm`",
        result="signs in, with the token file",
    ),
    Read(
        tool="Ansible, azure.azcollection",
        version="3.21.0 (of ansible 14.5.0)",
        way="`auth_source: env`",
        pod="`AZURE_SUBSCRIPTION_ID=…`, with and without `env: ansible`",
        result="tried by hand: signs in, with the token file; it takes `AZURE_TENANT_ID` if `AZURE_TENANT` is not set",
    ),
    Read(
        tool="kubelogin",
        version="0.2.19",
        way="`kubelogin convert-kubeconfig -l workloadidentity`",
        pod="–",  # noqa: RUF001
        result="signs in, with the token file",
    ),
)


def commands(row: Row, command: Command, *, work: Path) -> list[str]:
    """A command with its placeholders replaced; `work` has copies of the Terraform configurations."""
    java = place("java")
    values: Mapping[str, Sequence[str]] = {
        "{python}": (sys.executable, str(HERE / "programs" / "sign_in.py")),
        "{javascript}": (str(node()), str(HERE / "programs" / "sign_in.mjs")),
        "{java}": ("java", "-cp", f"{java}/*:{java}", "SignIn"),
        "{go}": (str(place("azidentity") / "azidentity"),),
        "{rust}": (str(place("rust") / "sign-in"),),
        "{m365}": (str(node()), str(place("npm") / "node_modules/@pnp/cli-microsoft365/dist/index.js")),
        "{az}": (str(place("az") / "bin" / "az"),),
        "{tofu}": (str(place("opentofu") / "opentofu"),),
    }
    return [part for word in command for part in values.get(word, (word.replace("{work}", str(work)),))]
