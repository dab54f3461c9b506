"""WIH1xx: settings, variables that contradict each other, trusted authorities, and how the library is used."""

from typing import Final

from m365_identity._messages.message import Kind, Severity

_CORRECT: Final = "correct the annotation of the ServiceAccount, or the variable, and create the pod again"
_AUTHORITIES: Final = (
    '{variable} is "{path}", which {problem}: expected a file of PEM certificates, or a folder of them'
)
_MEANT: Final = "leave it if it is intended; otherwise unset the wrong one, or see `m365.workload.identity/env`"
_THE_CREDENTIAL: Final = "unset {variable}, or use WorkloadIdentityCredential itself"

# Who signs in, and where.
MISSING: Final = Kind(
    "WIH101",
    Severity.ERROR,
    "no {setting}: neither {first} nor {second} is set. Was this pod injected by the webhook?",
    fix='label the pod azure.workload.identity/use: "true", annotate its ServiceAccount with '
    "azure.workload.identity/client-id, and create the pod again",
)
TENANT_MISSING: Final = Kind(
    "WIH107",
    Severity.ERROR,
    "no tenant id: neither {first} nor {second} is set, although the token file is named",
    fix="annotate the ServiceAccount with azure.workload.identity/tenant-id (az account show --query tenantId) and "
    "create the pod again, or set {second}; the platform engineer can set it for all pods: --tenant-id of the webhook",
)
CLIENT_MISSING: Final = Kind(
    "WIH108",
    Severity.ERROR,
    "no client id: neither {first} nor {second} is set, although the token file is named",
    fix="annotate the ServiceAccount with azure.workload.identity/client-id, the id of the application or of a "
    "user-assigned managed identity, and create the pod again, or set {second}",
)
TENANT_WRONG: Final = Kind(
    "WIH102",
    Severity.ERROR,
    '{place} is "{value}", expected the tenant\'s GUID or domain (az account show --query tenantId)',
    fix=_CORRECT,
    help="common, organizations and consumers are not tenants: an application signs in to one tenant.",
)
CLIENT_WRONG: Final = Kind(
    "WIH103",
    Severity.ERROR,
    '{place} is "{value}", expected the application\'s GUID ({query})',
    fix=_CORRECT,
    help='It can also be that of a user-assigned managed identity: az identity list --query "[].[name,clientId]".',
)
CLOUD_UNKNOWN: Final = Kind("WIH104", Severity.ERROR, '{place} is "{value}", expected one of {clouds}', fix=_CORRECT)
LOGIN_WRONG: Final = Kind(
    "WIH105",
    Severity.ERROR,
    '{place} is "{value}", expected the login host, such as https://login.microsoftonline.com/',
    fix=_CORRECT,
)
GRAPH_WRONG: Final = Kind(
    "WIH106",
    Severity.ERROR,
    '{place} is "{value}", expected the root of Microsoft Graph, such as https://graph.microsoft.com',
    fix=_CORRECT,
)
APPLICATION: Final = Kind("WIH110", Severity.OK, "{client} ({client_origin}) of tenant {tenant} ({tenant_origin})")
FILE_UNNAMED: Final = Kind(
    "WIH111",
    Severity.WARNING,
    "{path} is there, and nothing names it",
    fix="export AZURE_FEDERATED_TOKEN_FILE={path}, or --token-file",
)
PLACE: Final = Kind("WIH112", Severity.OK, "{cloud} ({origin}), sign-in at {login}, Graph at {graph}")
LOGIN_FOREIGN: Final = Kind(
    "WIH113",
    Severity.WARNING,
    "the token is sent to {login} ({origin}), which is not Microsoft's",
    fix="unset AZURE_AUTHORITY_HOST if it is not intended: then the cloud decides",
)

# Variables that contradict each other.
NO_CONTRADICTION: Final = Kind("WIH120", Severity.OK, "M365_* and AZURE_* do not contradict each other")
VARIABLES_DIFFER: Final = Kind(
    "WIH121",
    Severity.WARNING,
    "{ours} is {first} and {theirs} is {second}: this helper and Terraform's provider take the first, Azure SDKs the "
    "second",
    fix=_MEANT,
)
CLOUDS_DIFFER: Final = Kind(
    "WIH122",
    Severity.WARNING,
    "M365_CLOUD is {first} and AZURE_CLOUD is {second}: the first counts here",
    fix="unset AZURE_CLOUD",
)
LOGIN_OF_ANOTHER_CLOUD: Final = Kind(
    "WIH123",
    Severity.WARNING,
    "AZURE_AUTHORITY_HOST is {authority}, and the cloud {cloud} signs in at {login}: Azure SDKs take the first, this "
    "helper and Terraform's provider the second",
    fix=_MEANT,
)

# Variables that make an SDK sign in as somebody else, or elsewhere.
NO_OTHER_CREDENTIAL: Final = Kind("WIH130", Severity.OK, "no variable makes an SDK sign in with something else")
SECRET_SET: Final = Kind(
    "WIH131",
    Severity.WARNING,
    "{variable} is set: DefaultAzureCredential signs in with {what} before it looks at the token",
    fix=_THE_CREDENTIAL,
)
SECRET_OF_TOOLS: Final = Kind(
    "WIH155",
    Severity.WARNING,
    "{variable} is set beside {file}: {tools} prefer it, or refuse to start with both",
    fix="unset {variable}; it may come from envFrom",
)
TOKEN_LEFT_OUT: Final = Kind(
    "WIH132",
    Severity.WARNING,
    "AZURE_TOKEN_CREDENTIALS is {value}: DefaultAzureCredential leaves the token out",
    fix="unset AZURE_TOKEN_CREDENTIALS, or set it to WorkloadIdentityCredential",
)
ENDPOINT_HERE: Final = Kind(
    "WIH133",
    Severity.OK,
    "{variable} is set: ManagedIdentityCredential asks it and not the token; it is on this pod's loopback, as "
    "`m365-identity serve` is",
)
ENDPOINT_ELSEWHERE: Final = Kind(
    "WIH134",
    Severity.WARNING,
    "{variable} is set: ManagedIdentityCredential asks it and not the token",
    fix=_THE_CREDENTIAL,
)
REGION_SET: Final = Kind(
    "WIH135",
    Severity.WARNING,
    "{variable} is set: MSAL and some SDKs sign in at a regional host, which Entra refuses to most applications "
    "(AADSTS100007)",
    fix="unset {variable}",
)
ENDPOINT_BEHIND_PROXY: Final = Kind(
    "WIH139",
    Severity.WARNING,
    "{variable} is on this pod's loopback, and {proxy} is set: clients {clients} send their requests to the proxy, and "
    "IDENTITY_HEADER with them",
    fix="add 127.0.0.1 to NO_PROXY; localhost, a network, or * is not enough for all",
)

PROXY_OF_BINDINGS: Final = Kind(
    "WIH136",
    Severity.OK,
    "{variable} is set, by AKS identity bindings: Azure SDKs that opt in send the token of AZURE_FEDERATED_TOKEN_FILE "
    "to it; this helper and Terraform's provider do not",
)
PROXY_AUTHORITIES: Final = Kind(
    "WIH137",
    Severity.WARNING,
    "{file} and {data} are both set: the Azure SDKs refuse that",
    fix="unset {data}",
)
PROXY_TOKEN_ALONE: Final = Kind(
    "WIH138",
    Severity.WARNING,
    "{variable} is set and M365_OIDC_TOKEN_FILE_PATH is not: the only token may be for the audience of the proxy, "
    "which Entra refuses",
    fix="create the pod again with the webhook running: it adds a token for Microsoft 365",
)

# What Terraform's provider reads.
PROVIDER: Final = Kind("WIH140", Severity.OK, 'provider "microsoft365" {{}} finds all that it needs')
PROVIDER_UNUSED: Final = Kind(
    "WIH141",
    Severity.SKIPPED,
    "no M365_* variable is set: Terraform's provider is not used here, or has its own settings",
)
UNREAD: Final = Kind(
    "WIH142",
    Severity.WARNING,
    "{variable} is set, and nothing reads it, although the provider's documentation names it",
    fix="set AZURE_FEDERATED_TOKEN_FILE",
)
WHITE_SPACE: Final = Kind(
    "WIH143",
    Severity.WARNING,
    "{variable} has white space around its value, which the provider does not take off",
    fix="set {variable} to {value}, without line break",
)
PROVIDER_NO_CLOUD: Final = Kind(
    "WIH144",
    Severity.WARNING,
    'M365_CLOUD is not set, and the provider has no default for it: it fails with "unsupported microsoft cloud type '
    "''\"",
    fix="set M365_CLOUD to public; the webhook does",
)
PROVIDER_CLOUD_UNKNOWN: Final = Kind(
    "WIH145",
    Severity.WARNING,
    "{variable} is {value}, which the provider does not know",
    fix="set M365_CLOUD to one of {clouds}",
)
PROVIDER_GCC: Final = Kind(
    "WIH146",
    Severity.WARNING,
    "{variable} is gcc: the provider then calls graph.microsoft.us, and GCC tenants are in the public cloud",
    fix='set the annotation m365.workload.identity/cloud to "public"',
)
PROVIDER_NO_METHOD: Final = Kind(
    "WIH147",
    Severity.WARNING,
    "M365_AUTH_METHOD is not set: the provider has no default for it",
    fix="set M365_AUTH_METHOD to workload_identity; the webhook does",
)
PROVIDER_METHOD: Final = Kind(
    "WIH148",
    Severity.WARNING,
    "M365_AUTH_METHOD is {method}: the provider does not sign in with the token",
    fix="set M365_AUTH_METHOD to workload_identity, or to managed_identity in a pod with the token endpoint",
)
PROVIDER_NO_FILE: Final = Kind(
    "WIH149",
    Severity.WARNING,
    "M365_AUTH_METHOD is {method}, and {variable} is not set, which the provider reads then",
    fix="set {variable} to the token file",
)
PROVIDER_NO_ENDPOINT: Final = Kind(
    "WIH154",
    Severity.WARNING,
    "M365_AUTH_METHOD is {method}, and {variable} is not set, which the provider reads then",
    fix='annotate the pod with m365.workload.identity/token-endpoint: "true", and create it again',
)
PROVIDER_LACKS: Final = Kind(
    "WIH151",
    Severity.WARNING,
    "{variables} is not set, and the provider needs it with M365_AUTH_METHOD={method}",
    fix="set {first}; the webhook does, as the annotations of the ServiceAccount say",
)
PROVIDER_FILE_ABSENT: Final = Kind(
    "WIH152",
    Severity.WARNING,
    "{variable} is {path}, which is not a file here",
    fix="set {variable} to the token file",
)
PROVIDER_ISOLATED: Final = Kind(
    "WIH153",
    Severity.WARNING,
    "{variable} is {cloud}: the provider asks for no token in that cloud, and calls Graph without one",
    fix="use another tool in the cloud {cloud}, such as an SDK of Graph with this helper's credential",
)
PROVIDER_PROXY: Final = Kind(
    "WIH150",
    Severity.WARNING,
    "M365_PROXY_URL is set and HTTPS_PROXY is not: the provider uses the first only for signing in, and only with "
    "client_options in its block",
    fix="set HTTPS_PROXY, and NO_PROXY for what is in the cluster",
)

# Trusted authorities.
AUTHORITIES_WRONG: Final = Kind(
    "WIH160",
    Severity.ERROR,
    _AUTHORITIES,
    fix="correct {variable}, or unset it: then the usual authorities are trusted",
)
AUTHORITIES_OF_FILE: Final = Kind("WIH161", Severity.OK, "those in {path} ({variable}){also}, and no others")
AUTHORITIES_PUBLIC: Final = Kind("WIH162", Severity.OK, "the public ones that come with Python's certifi")
AUTHORITIES_ALSO: Final = Kind("WIH167", Severity.OK, "the public ones, and those in {path} ({variable})")
AUTHORITIES_OF_OTHERS_WRONG: Final = Kind(
    "WIH163", Severity.WARNING, _AUTHORITIES, fix="correct {variable}, or unset it: other programs read it"
)
AUTHORITIES_FOLDER: Final = Kind(
    "WIH164",
    Severity.WARNING,
    '{variable} is "{path}", which is not a folder',
    fix="correct {variable}, or unset it: Go and OpenSSL read it",
)
AUTHORITIES_FOLDER_IN_FILE: Final = Kind(
    "WIH168",
    Severity.WARNING,
    '{variable} is "{path}", which is a folder: this helper reads it, and Go, OpenSSL and curl do not',
    fix="name the folder in SSL_CERT_DIR, or in {variable} a file with all of its certificates",
)
AUTHORITIES_NOT_FOR_GO: Final = Kind(
    "WIH165",
    Severity.WARNING,
    "{variable} is set and {go} is not: Python trusts what it names, and Terraform and other programs in Go do not",
    fix="set {go} to {path} as well",
)
AUTHORITIES_DIFFER: Final = Kind(
    "WIH166",
    Severity.WARNING,
    "{variable} and {go} name different certificates: Python trusts those of the first, Go those of the second",
    fix="name the same in both",
)

# How the library is used.
OTHER_EVENT_LOOP: Final = Kind(
    "WIH170",
    Severity.ERROR,
    "this credential has open connections of another event loop, and an event loop cannot use those of another",
    (
        "asyncio.run was called a second time, or in another thread, with the same credential",
        "a web server or a task queue runs an event loop of its own for each request or thread",
    ),
    fix="make the credential in the function that the event loop runs, one for each loop; or await its close() before "
    "another loop uses it",
)
