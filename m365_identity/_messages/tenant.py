"""WIH3xx: what Entra answers about the application, its tenant and cloud, and the policies of the tenant.

`m365_identity._advice.codes` has the codes of each message.
"""

from typing import Final

from m365_identity._messages import graph
from m365_identity._messages.message import Kind, Severity

_SETTINGS: Final = "client id {client} or tenant id {tenant} is wrong: see the annotations of ServiceAccount {account}"
_CLOUD: Final = "the application is in another cloud than {cloud} ({login})"
_ADMIN: Final = (
    "only an administrator of the tenant can change it; the sign-in logs of service principals say which policy"
)
_OF_ENTRA: Final = "the file holds a token of Entra's and not of the cluster's"


# The application.
NO_APPLICATION: Final = Kind(
    "WIH308",
    Severity.ERROR,
    "tenant {tenant} has no application {client}",
    (
        _SETTINGS,
        "it has no service principal in this tenant",
        _CLOUD,
        "it is a managed identity that was deleted, or made again: then it has another client id",
    ),
    fix=(
        "az ad sp show --id {client} in that tenant; if it is not found: az ad sp create --id {client}; if the id is "
        "wrong, correct the annotation azure.workload.identity/client-id and restart the pod"
    ),
)
NO_SERVICE_PRINCIPAL: Final = Kind(
    "WIH337",
    Severity.ERROR,
    "application {client} has no service principal in tenant {tenant}",
    (
        "the step `az ad sp create` was left out after `az ad app create`; the portal takes it by itself",
        "the service principal (the enterprise application) was deleted",
        _SETTINGS,
    ),
    fix="signed in to tenant {tenant}: az ad sp create --id {client}; a managed identity always has one, so its id is "
    "wrong here",
)
APPLICATION_DISABLED: Final = Kind(
    "WIH309",
    Severity.ERROR,
    "application {client} is disabled",
    ("an administrator, or Microsoft, has disabled it or its service principal",),
    fix="az ad sp update --id {client} --set accountEnabled=true",
)
PUBLIC_CLIENT: Final = Kind(
    "WIH310",
    Severity.ERROR,
    "application {client} is a public client, which may not prove who it is",
    ("its manifest allows public client flows only",),
    fix="az ad app update --id {client} --is-fallback-public-client false",
)
ISSUER_NOT_ALLOWED: Final = Kind(
    "WIH311",
    Severity.ERROR,
    "this issuer's tokens are only taken from managed identities and applications of a single tenant",
    ("the file holds a token of Entra's and not of the cluster's", "the application is multi-tenant"),
    fix="mount the ServiceAccount's token at {file}, and for it: {create}",
)

# The tenant and the cloud.
NO_TENANT: Final = Kind(
    "WIH312",
    Severity.ERROR,
    "{login} does not know tenant {tenant}",
    ("the tenant id is wrong", "the tenant is in another cloud than {cloud}"),
    fix=(
        "az account show --query tenantId gives the id; set azure.workload.identity/tenant-id, or "
        "m365.workload.identity/cloud, and restart the pod"
    ),
)
TENANT_OF_ANOTHER_CLOUD: Final = Kind(
    "WIH313",
    Severity.ERROR,
    "tenant {tenant} belongs to another national cloud than {cloud}",
    ("M365_CLOUD is wrong for this tenant",),
    fix="set m365.workload.identity/cloud to the tenant's cloud, and restart the pod",
)
CROSS_CLOUD: Final = Kind(
    "WIH314",
    Severity.ERROR,
    "a confidential client cannot sign in from one cloud to another",
    ("tenant {tenant} is not in the cloud {cloud}", "some sovereign clouds do not allow federation"),
    fix="set m365.workload.identity/cloud to the tenant's own cloud, and restart the pod",
)
US_AT_PUBLIC: Final = Kind(
    "WIH315",
    Severity.ERROR,
    "a client of the US Government cannot sign in at the public endpoint",
    ("M365_CLOUD is {cloud}, and the tenant is a US Government one",),
    fix=('set m365.workload.identity/cloud to "gcchigh" or "dod", and restart the pod'),
)
LOGIN_UNKNOWN: Final = Kind(
    "WIH316",
    Severity.ERROR,
    "Entra does not know the login host {login}",
    ("AZURE_AUTHORITY_HOST is misspelt",),
    fix="unset AZURE_AUTHORITY_HOST, so that the cloud decides",
)
REGIONAL: Final = Kind(
    "WIH317",
    Severity.ERROR,
    "this client may not use a regional endpoint",
    ("AZURE_REGIONAL_AUTHORITY_NAME is set",),
    fix="unset AZURE_REGIONAL_AUTHORITY_NAME",
)

# Policies.
BLOCKED: Final = Kind(
    "WIH331",
    Severity.ERROR,
    "Conditional Access or a security policy blocks application {client} from here",
    ("the address that the cluster leaves from is not in an allowed location", "the application is at risk"),
    fix=("have the cluster's outgoing address added to a named location that the policy excludes; " + _ADMIN),
)
NO_CONSENT: Final = Kind(
    "WIH332",
    Severity.ERROR,
    "no administrator has consented to what application {client} asks for",
    ("the application permissions were added and not granted",),
    fix="{consent}; " + graph.ROLE_OF_IDENTITY,
)

# What Entra's list has besides: an application that signs in by itself meets it more seldom.
NOT_ASSIGNED: Final = Kind(
    "WIH342",
    Severity.ERROR,
    "application {client} is not assigned to the API of scope {scope}, which gives tokens to assigned ones only",
    ("the API's enterprise application has `Assignment required` on, and {client} has none of its app roles",),
    fix=(
        "give the application an app role of that API, and consent to it: {consent}; or turn `Assignment required` "
        "off: az ad sp update --id API_ID --set appRoleAssignmentRequired=false"
    ),
)
DEVICE_POLICY: Final = Kind(
    "WIH343",
    Severity.ERROR,
    "a Conditional Access policy asks for a device, a platform or a second factor, which an application does not have",
    (
        "a person signed in and not the application, as `az login` does for the one who creates the credential",
        "the policy covers this application as if it were a person",
    ),
    fix="sign in to `az` from a device that the policy allows; " + _ADMIN,
)
TENANT_RESTRICTED: Final = Kind(
    "WIH344",
    Severity.ERROR,
    "tenant {tenant} may not be signed in to from here",
    (
        "a proxy on the way adds Restrict-Access-To-Tenants, and tenant {tenant} is not in its list",
        "a cross-tenant access policy of one of the two tenants does not allow it",
    ),
    fix="have tenant {tenant} added to the list of the proxy, or {login} left out of the inspection",
)
FIRST_PARTY: Final = Kind(
    "WIH345",
    Severity.ERROR,
    "application {client} is one of Microsoft's own, which cannot be federated",
    ("the client id was copied from an example, or is that of an API such as Microsoft Graph",),
    fix='az ad app list --display-name NAME --query "[].appId" gives the id of your own application; set '
    "azure.workload.identity/client-id, and restart the pod",
)
SHARED_TENANT: Final = Kind(
    "WIH346",
    Severity.ERROR,
    '"{tenant}" names no tenant: an application signs in to one',
    ("the tenant is common, organizations or consumers, or empty",),
    fix="az account show --query tenantId gives the id; set azure.workload.identity/tenant-id, and restart the pod",
)
RESOURCE_MISCONFIGURED: Final = Kind(
    "WIH347",
    Severity.ERROR,
    "Entra cannot make a token for scope {scope}: the API that it is for is not set up for that",
    ("its signing or encryption key, its audience or its claims mapping is missing or wrong in its registration",),
    fix="have the owner of that API correct it; for Microsoft Graph ask for {graph_scope}",
)
RESOURCE_DISABLED: Final = Kind(
    "WIH348",
    Severity.ERROR,
    "the API of scope {scope} is disabled in tenant {tenant}",
    ("an administrator has disabled its enterprise application, or the tenant has no subscription to it",),
    fix="az ad sp update --id API_ID --set accountEnabled=true; " + _ADMIN,
)
NOT_AVAILABLE: Final = Kind(
    "WIH349",
    Severity.ERROR,
    "Entra says that what is asked for is not enabled here: {failure}",
    ("workload identity federation, or what the scope {scope} needs, is not available in the cloud {cloud}",),
    fix="see the correlation id with Microsoft's support; " + _ADMIN,
)
SUPPORT: Final = Kind(
    "WIH357",
    Severity.ERROR,
    "Entra has a problem of its own, which trying again does not end: {failure}",
    ("none on this side",),
    fix="see https://status.cloud.microsoft, and ask Microsoft's support with the correlation id",
)
ANOTHER_KEY: Final = Kind(
    "WIH358",
    Severity.ERROR,
    "Entra took the token for one that application {client} had signed itself, with a certificate",
    (
        "{file} holds something else than the ServiceAccount's token",
        "a certificate is used, as with AZURE_CLIENT_CERTIFICATE_PATH",
    ),
    fix="mount the projected token at {file}, and unset AZURE_CLIENT_CERTIFICATE_PATH and M365_CLIENT_CERTIFICATE_*",
)
CHAINED_TOKEN: Final = Kind(
    "WIH359",
    Severity.ERROR,
    "the token was itself got with a federated identity credential, and Entra takes no second step",
    ("{file} holds an access token of another application or managed identity",),
    fix="name the application itself in azure.workload.identity/client-id, and let the ServiceAccount's token at "
    "{file} be the only one on the way",
)
OTHER_TENANT_TOKEN: Final = Kind(
    "WIH360",
    Severity.ERROR,
    "the token was issued by Entra for another tenant than that of application {client}",
    (_OF_ENTRA, "a managed identity signs in to applications of its own tenant only"),
    fix="mount the ServiceAccount's token at {file}, and for it: {create}",
)
TOKEN_TOO_LONG: Final = Kind(
    "WIH361",
    Severity.ERROR,
    "the token lives longer than Entra takes, which is 24 hours",
    (
        "the projected volume has expirationSeconds above 86400",
        "the token is one of a Secret, or of `kubectl create token --duration`",
    ),
    fix="set expirationSeconds, or azure.workload.identity/service-account-token-expiration, to 3600, and restart the "
    "pod",
)
SEVERAL_MATCH: Final = Kind(
    "WIH362",
    Severity.ERROR,
    "two federated identity credentials of application {client} fit this token, and Entra does not choose",
    ("one of them has the same issuer and subject under another name, or as an expression", "{list_of_identity}"),
    fix="see {list}, and delete one",
)
CLAIM_POLICY: Final = Kind(
    "WIH363",
    Severity.ERROR,
    "a policy of tenant {tenant} wants a claim in the token that it does not have",
    ('tokens of the issuer "{issuer}" have only what Kubernetes writes into them',),
    fix="have this issuer left out of the tenant's policy on federated identity credentials; " + _ADMIN,
)
