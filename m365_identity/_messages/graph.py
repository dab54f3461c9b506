"""WIH5xx: the checks themselves, the tenant, the clock, the access token, and Microsoft Graph."""

from typing import Final

from m365_identity._messages.message import Kind, Severity

_SYNCHRONISE: Final = "have the clock of this node synchronised (chrony, NTP); compare with `date -u`"
_LOGIN: Final = "check that the login host is the right one"
API_ID: Final = "00000003-0000-0000-c000-000000000000"
"""Graph's own application id, which may stand for its address."""
ROLE_OF_IDENTITY: Final = (
    "a user-assigned managed identity has no such permissions, so give its service principal the role: az rest "
    "--method POST --url {graph}/v1.0/servicePrincipals/OBJECT_ID/appRoleAssignments --body "
    '\'{{"principalId": "OBJECT_ID", "resourceId": "OBJECT_ID_OF_GRAPH", "appRoleId": "PERMISSION_ID"}}\' '
    f"(az ad sp show --id {{client}} --query id; az ad sp show --id {API_ID} --query id)"
)
"""How a managed identity gets a permission."""

# The checks.
NEEDS: Final = Kind("WIH501", Severity.SKIPPED, 'needs "{title}"')
MISTAKE: Final = Kind(
    "WIH502",
    Severity.ERROR,
    "this check ended in {error} ({file}, line {line}): a mistake of m365-identity, which says nothing of the link",
    fix="report it, with this line and the output of `m365-identity --version`",
)
NO_SETTINGS: Final = Kind("WIH503", Severity.SKIPPED, "the settings are not complete")
NO_TOKEN: Final = Kind("WIH504", Severity.SKIPPED, "it needs a token")

# The tenant and the clock.
TENANT: Final = Kind("WIH510", Severity.OK, "tenant {tenant} is known at {login}")
NO_TENANT: Final = Kind("WIH511", Severity.SKIPPED, "the tenant is not known")
NO_DATE: Final = Kind("WIH512", Severity.SKIPPED, "the login host did not say what time it is")
CLOCK: Final = Kind("WIH513", Severity.OK, "it agrees with the login host's")
CLOCK_OFF: Final = Kind(
    "WIH514",
    Severity.WARNING,
    "this clock is {skew} {direction} that of the login host; Entra lets it be off by {tolerated}",
    fix=_SYNCHRONISE,
)
CLOCK_WRONG: Final = Kind(
    "WIH515",
    Severity.ERROR,
    "this clock is {skew} {direction} that of the login host: tokens count as valid or expired at the wrong time",
    (
        "the node's clock is not synchronised, or a virtual machine was suspended",
        "the answer comes from a cache or proxy and not from the login host",
    ),
    fix=_SYNCHRONISE,
)

# The access token.
EXCHANGED: Final = Kind("WIH520", Severity.OK, "Entra gave an access token for {scope}, for {left}")
OPAQUE: Final = Kind("WIH521", Severity.OK, "it cannot be read: Entra is free to encrypt access tokens")
OPAQUE_ROLES: Final = Kind("WIH522", Severity.SKIPPED, "the access token cannot be read")
FOR_ANOTHER_API: Final = Kind(
    "WIH523",
    Severity.ERROR,
    "it is for {audience}, and not for {expected}: Graph answers 401",
    fix=f"check the cloud, and {_LOGIN.removeprefix('check ')}",
)
OF_ANOTHER_APPLICATION: Final = Kind(
    "WIH524",
    Severity.ERROR,
    "it is of application {application}, and {expected} was asked for",
    fix=_LOGIN,
)
EXPIRED: Final = Kind(
    "WIH525",
    Severity.ERROR,
    "it expired at {end}, {ago} ago, by the login host's clock",
    fix="see the clock check; if that is good, check whether a cache answers in the login host's place",
)
ACCESS_TOKEN: Final = Kind("WIH526", Severity.OK, "for {audience}, of application {application}{name}{until}")
ROLES: Final = Kind("WIH527", Severity.OK, "{roles}")
NO_ROLES: Final = Kind(
    "WIH528",
    Severity.WARNING,
    "none: the token is good, and Graph answers 403 to nearly everything",
    (
        "no application permission was added (delegated permissions do not count)",
        "a permission was added, and no administrator has consented to it",
        "the application has a directory role instead, which the token does not show here",
    ),
    fix=f"az ad app permission add --id {{client}} --api {API_ID} --api-permissions PERMISSION_ID=Role; "
    f"{{consent}}; {ROLE_OF_IDENTITY}",
)

# Graph.
ORGANIZATION: Final = Kind("WIH530", Severity.OK, "GET {path} answers{tenant}")
NOT_PERMITTED_HERE: Final = Kind(
    "WIH531",
    Severity.WARNING,
    "Graph takes the token; GET {path} itself needs a permission such as Organization.Read.All, which the application "
    "does not have",
    fix="nothing, if it does not read the organization: compare the roles above with what your calls need",
)
FORBIDDEN: Final = Kind(
    "WIH532",
    Severity.ERROR,
    "the token is good, and application {client} does not have the permission for this call",
    (
        "no administrator has consented to the application permission (delegated permissions do not count)",
        "the consent is newer than the token: only the next one has it",
    ),
    fix="add the application permission, and consent to it: {consent}; " + ROLE_OF_IDENTITY,
)
UNAUTHORIZED: Final = Kind(
    "WIH533",
    Severity.ERROR,
    "Graph does not take the token",
    ("it is for another cloud's Graph than {graph}", "the application was disabled just now"),
    fix="ask for {scope}, and see m365.workload.identity/cloud",
)
BUSY: Final = Kind(
    "WIH534",
    Severity.ERROR,
    "Graph is busy or has a passing problem",
    ("too many calls of this application or tenant", "none on this side"),
    fix="try again later; see https://status.cloud.microsoft",
)
NOT_GRAPH: Final = Kind(
    "WIH535",
    Severity.ERROR,
    "what answered at {graph} is not Graph, or was asked for something that it does not have",
    ("a proxy, firewall or captive portal answers in its place", "M365_GRAPH_HOST names another server"),
    fix="let {graph} pass unchanged",
)
UNREACHABLE: Final = Kind(
    "WIH536",
    Severity.ERROR,
    "Graph cannot be reached from here; Terraform's provider may take that for resources that are gone, and drop them "
    "from its state",
    ("a NetworkPolicy, firewall or proxy lets the login host pass and not Graph", "Graph had a passing problem"),
    fix="let {graph} pass as well; from the pod's network: curl -v {graph}",
)
