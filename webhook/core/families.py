"""The families of variables, and the table of the tools that read them.

The annotation `env` names families. Each tool stands here with the version that was looked at, the variables that it
reads and where that was read. docs/variables.md is made from this module: `python -m tools.variables`.
"""

from typing import Final, NamedTuple

from webhook.core.names import (
    IDENTITY_ENDPOINT_VARIABLE,
    IDENTITY_HEADER_VARIABLE,
    OIDC_TOKEN_FILE_VARIABLE,
    TOKEN_FILE_VARIABLE,
)

M365: Final = "m365"
AZURE: Final = "azure"
ARM: Final = "arm"
POWER_PLATFORM: Final = "powerplatform"
CLI: Final = "cli"
ANSIBLE: Final = "ansible"

ARM_TOKEN_FILE_VARIABLE: Final = "ARM_OIDC_TOKEN_FILE_PATH"
# Power Platform's provider (4.1.0) does not start without them, and does not use them if there is a file.
UNUSED_VARIABLES: Final = ("ARM_OIDC_REQUEST_TOKEN", "ARM_OIDC_REQUEST_URL")
# The tools of `arm` do not start with both, unless the file has the same: a container that sets this has its client id.
ARM_CLIENT_FILE: Final = ("ARM_CLIENT_ID", "ARM_CLIENT_ID_FILE_PATH")
CLOUD_VARIABLE: Final = "M365_CLOUD"
METHOD_VARIABLE: Final = "M365_AUTH_METHOD"
MANAGED_IDENTITY_VARIABLE: Final = "M365_MANAGED_IDENTITY_ID"


class Family(NamedTuple):
    """A family of variables, in the order of injection.

    client, tenant: the variables with the client id and the tenant. secrets: those of a sign-in by secret, certificate
    or password, which its tools prefer to the token or mix up with it. overrides: what the variables do to
    configuration in code.
    """

    variables: tuple[str, ...]
    client: str
    tenant: str
    secrets: tuple[str, ...]
    overrides: str


FAMILIES: Final = {
    M365: Family(
        (
            *("M365_CLIENT_ID", "M365_TENANT_ID", METHOD_VARIABLE, CLOUD_VARIABLE),
            *(OIDC_TOKEN_FILE_VARIABLE, MANAGED_IDENTITY_VARIABLE),
        ),
        "M365_CLIENT_ID",
        "M365_TENANT_ID",
        ("M365_CLIENT_SECRET", "M365_CLIENT_CERTIFICATE_FILE_PATH", "M365_PASSWORD"),
        "they override every provider block, those with an alias too",
    ),
    AZURE: Family(
        ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"),
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
        ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_PASSWORD"),
        "arguments in code win",
    ),
    ARM: Family(
        ("ARM_CLIENT_ID", "ARM_TENANT_ID", "ARM_USE_OIDC", ARM_TOKEN_FILE_VARIABLE, "ARM_ENVIRONMENT"),
        "ARM_CLIENT_ID",
        "ARM_TENANT_ID",
        (
            *("ARM_CLIENT_SECRET", "ARM_CLIENT_SECRET_FILE_PATH", "ARM_OIDC_TOKEN"),
            *("ARM_CLIENT_CERTIFICATE", "ARM_CLIENT_CERTIFICATE_PATH"),
        ),
        "arguments of a provider block win",
    ),
    POWER_PLATFORM: Family(
        (
            *("POWER_PLATFORM_CLIENT_ID", "POWER_PLATFORM_TENANT_ID", "POWER_PLATFORM_USE_OIDC"),
            *(ARM_TOKEN_FILE_VARIABLE, "POWER_PLATFORM_CLOUD", *UNUSED_VARIABLES),
        ),
        "POWER_PLATFORM_CLIENT_ID",
        "POWER_PLATFORM_TENANT_ID",
        (
            *("POWER_PLATFORM_CLIENT_SECRET", "POWER_PLATFORM_CLIENT_CERTIFICATE"),
            "POWER_PLATFORM_CLIENT_CERTIFICATE_FILE_PATH",
        ),
        "arguments of a provider block win, but `POWER_PLATFORM_USE_OIDC` overrides a block that signs in by secret or "
        "certificate and does not say `use_oidc = false`",
    ),
    CLI: Family(
        ("CLIMICROSOFT365_ENTRAAPPID", "CLIMICROSOFT365_TENANT"),
        "CLIMICROSOFT365_ENTRAAPPID",
        "CLIMICROSOFT365_TENANT",
        (),
        "options of the command and `m365 cli config` win",
    ),
    ANSIBLE: Family(
        ("AZURE_CLIENT_ID", "AZURE_TENANT", "AZURE_CLOUD_ENVIRONMENT"),
        "AZURE_CLIENT_ID",
        "AZURE_TENANT",
        ("AZURE_SECRET", "AZURE_X509_CERTIFICATE_PATH", "AZURE_PASSWORD"),
        "arguments of a module win",
    ),
}
"""By the name that stands in the annotation `env`, in the order of injection."""

DEFAULT_FAMILIES: Final = (M365, AZURE)

VARIABLES: Final = tuple(dict.fromkeys(name for family in FAMILIES.values() for name in family.variables))
"""The variables of all families, each once."""

_AZURE_ALONE: Final = (("PnP PowerShell", ()), ("kubelogin", ()), ("Ansible", (ANSIBLE,)))


def left_without(families: tuple[str, ...]) -> tuple[str, ...]:
    """The tools that read AZURE_* and nothing else, and that do not sign in with these families."""
    if AZURE in families:
        return ()
    return tuple(name for name, enough in _AZURE_ALONE if not set(enough) & set(families))


def parse(text: str) -> tuple[str, ...]:
    """The families that `text` names, separated by commas, in our order. Raises ValueError unless all are known."""
    wanted = {part.strip() for part in text.split(",")}
    if not wanted <= FAMILIES.keys():
        raise ValueError(f"families of variables, separated by commas: {', '.join(FAMILIES)}")
    return tuple(family for family in FAMILIES if family in wanted)


class Tool(NamedTuple):
    """A tool that reads the variables.

    family: that it needs. version: the one that was looked at. variables: those that it reads of what a pod gets.
    source: where that was read. use: how to tell it to sign in so, "" if it needs nothing.
    """

    name: str
    version: str
    family: str
    variables: tuple[str, ...]
    source: str
    use: str = ""


_AZURE_AND_FILE: Final = (*FAMILIES[AZURE].variables, TOKEN_FILE_VARIABLE)
_ENDPOINT: Final = (IDENTITY_ENDPOINT_VARIABLE, IDENTITY_HEADER_VARIABLE)

TOOLS: Final = (
    Tool(
        "Terraform provider deploymenttheory/microsoft365",
        "0.57.1-alpha",
        M365,
        (*FAMILIES[M365].variables, TOKEN_FILE_VARIABLE),
        "deploymenttheory/terraform-provider-microsoft365: internal/provider/set_configuration.go",
        '`provider "microsoft365" {}`',
    ),
    Tool(
        "m365_identity, the helper of this project",
        "of the same release",
        M365,
        ("M365_CLIENT_ID", "M365_TENANT_ID", CLOUD_VARIABLE, OIDC_TOKEN_FILE_VARIABLE, TOKEN_FILE_VARIABLE),
        "m365_identity/settings.py",
        "`WorkloadIdentityCredential()`",
    ),
    Tool(
        "Azure SDK for Python",
        "azure-identity 1.27.0",
        AZURE,
        _AZURE_AND_FILE,
        "the package: azure/identity/_credentials/workload_identity.py",
        "`DefaultAzureCredential()`",
    ),
    Tool(
        "Azure SDK for JavaScript",
        "@azure/identity 4.13.1",
        AZURE,
        _AZURE_AND_FILE,
        "run",
        "`new DefaultAzureCredential()`",
    ),
    Tool(
        "Azure SDK for Java",
        "com.azure:azure-identity 1.18.1",
        AZURE,
        _AZURE_AND_FILE,
        "run",
        "`new DefaultAzureCredentialBuilder().build()`",
    ),
    Tool("Azure SDK for Go", "azidentity 1.14.0", AZURE, _AZURE_AND_FILE, "run", "`NewDefaultAzureCredential(nil)`"),
    Tool(
        "PnP PowerShell",
        "3.1.0",
        AZURE,
        _AZURE_AND_FILE,
        "pnp/powershell: src/Commands/Base/TokenHandler.cs",
        "`Connect-PnPOnline -AzureADWorkloadIdentity`",
    ),
    Tool(
        "kubelogin",
        "0.2.19",
        AZURE,
        _AZURE_AND_FILE,
        "Azure/kubelogin: pkg/internal/env/variables.go",
        "`kubelogin convert-kubeconfig -l workloadidentity`",
    ),
    Tool(
        "Terraform provider hashicorp/azuread",
        "3.9.0",
        ARM,
        FAMILIES[ARM].variables,
        "hashicorp/terraform-provider-azuread: internal/provider/provider.go",
        '`provider "azuread" {}`',
    ),
    Tool(
        "Terraform provider hashicorp/azurerm",
        "3.25.0",
        ARM,
        FAMILIES[ARM].variables,
        "hashicorp/terraform-provider-azurerm: pull request 18335",
        '`provider "azurerm" { features {} }`, and `ARM_SUBSCRIPTION_ID` by hand',
    ),
    Tool(
        "Terraform provider Azure/azapi",
        "2.12.0",
        ARM,
        FAMILIES[ARM].variables,
        "Azure/terraform-provider-azapi: internal/provider/provider.go; it does not know the environment `dod`",
        '`provider "azapi" {}`',
    ),
    Tool(
        "Terraform provider microsoft/power-platform",
        "4.1.0",
        POWER_PLATFORM,
        FAMILIES[POWER_PLATFORM].variables,
        "microsoft/terraform-provider-power-platform: internal/provider/provider.go, internal/api/auth.go; run",
        '`provider "powerplatform" {}`',
    ),
    Tool(
        "CLI for Microsoft 365",
        "11.11.0",
        CLI,
        (*FAMILIES[CLI].variables, *_ENDPOINT),
        "pnp/cli-microsoft365: src/cli/cli.ts, src/Auth.ts",
        "`m365 login --authType identity`, with the annotation `token-endpoint`",
    ),
    Tool(
        "Ansible collection azure.azcollection",
        "with pull request 2200",
        ANSIBLE,
        (*FAMILIES[ANSIBLE].variables, TOKEN_FILE_VARIABLE),
        "ansible-collections/azure: pull request 2200, plugins/module_utils/azure_rm_common.py",
        "`auth_source: env`, and `AZURE_SUBSCRIPTION_ID` by hand",
    ),
)
"""In the order of the families."""
