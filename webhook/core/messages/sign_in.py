"""WI87x: signing in to Entra, and what Microsoft Graph and Azure Resource Manager answer.

The place of each is what was asked for, as `object`: an application, a credential, or a request.
"""

from typing import Final

from webhook.core.messages.message import Kind, Severity

NO_SIGN_IN: Final = Kind(
    "WI871",
    Severity.ERROR,
    "nothing says who you are in Entra: az is not installed, and AZURE_CLIENT_ID is not set with a secret, a "
    "certificate or a token file",
    fix="az login; or --auth device-code, which asks in a browser",
    help="`--auth auto` takes a service principal of the environment, then a pod's workload identity, then the Azure "
    "CLI, then a managed identity.",
)
SIGN_IN_FAILED: Final = Kind(
    "WI872",
    Severity.ERROR,
    "signing in by {method} failed: {reason}",
    fix="azure-cli: az login --tenant TENANT; environment and workload-identity: look at AZURE_CLIENT_ID, "
    "AZURE_TENANT_ID (--tenant replaces it) and the secret, certificate or token file; or choose another way with "
    "--auth",
    help="The reason is that of azure-identity or of Entra.",
)
SIGN_IN_UNREACHABLE: Final = Kind(
    "WI877",
    Severity.ERROR,
    "signing in by {method} failed, because {host} cannot be reached: {reason}",
    fix="see whether {host} can be reached from here: HTTPS_PROXY and SSL_CERT_FILE count",
    help="No answer came: the network, a proxy, or an authority that is not trusted.",
)
SIGN_IN_INCOMPLETE: Final = Kind(
    "WI873",
    Severity.ERROR,
    "--auth {method} needs {missing} in the environment",
    help="The variables are those of the Azure SDKs.",
)
REFUSED: Final = Kind(
    "WI874",
    Severity.ERROR,
    "{object}: {service} answers HTTP {status} {error}: {reason} (request {request})",
    help="The words are the service's own. Its support finds the request by its id.",
)
FORBIDDEN: Final = Kind(
    "WI875",
    Severity.ERROR,
    "{object}: {service} answers HTTP {status} {error}: {reason} (request {request})",
    fix="sign in as an owner of the application, or give your own application Application.ReadWrite.OwnedBy with "
    "admin consent, and make it an owner; for a managed identity: Managed Identity Contributor",
    help="You are signed in, and may not do that. `federation.md` says which right does what.",
)
UNREACHABLE: Final = Kind(
    "WI876",
    Severity.ERROR,
    "{object}: {service} cannot be reached: {reason}",
    fix="see whether {host} can be reached from here: HTTPS_PROXY and SSL_CERT_FILE count",
    help="The connection failed, or no answer came in time, after several attempts.",
)
