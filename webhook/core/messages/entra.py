"""WI8xx: federated identity credentials, and the issuer (`fic`, `issuer`)."""

from typing import Final

from webhook.core.messages.message import Kind, Severity
from webhook.core.messages.workloads import LIST_APPLICATIONS

_ADDRESS: Final = (
    "start kube-apiserver with --service-account-issuer=https://ADDRESS, an address that the internet reaches"
)
_UPLOAD: Final = "publish the cluster's two documents (`m365wi issuer --export DIR` writes them)"

APPLICATION_UNKNOWN: Final = Kind(
    "WI801",
    Severity.ERROR,
    "{object} has no client id",
    fix=f"{LIST_APPLICATIONS}; kubectl annotate {{command}} {{annotation}}=GUID; or, if only the pods say it: "
    "--client-id GUID",
    help="A federated identity credential belongs to an application, and the client id says to which one.",
)
ACCOUNT_FORBIDDEN: Final = Kind(
    "WI802",
    Severity.ERROR,
    "{object} cannot be read: {reason}",
    fix="kubectl create rolebinding m365-view --clusterrole=view -n {namespace} --user={user}",
    help="`fic` reads the ServiceAccount with your own rights.",
)
ACCOUNT_UNREADABLE: Final = Kind(
    "WI803",
    Severity.ERROR,
    "{object} cannot be read: {reason}",
    help="The API server answered, but not with the ServiceAccount.",
)

DOCUMENT_FORBIDDEN: Final = Kind(
    "WI811",
    Severity.ERROR,
    "The cluster's {path} cannot be read: RBAC forbids it",
    fix="kubectl create clusterrolebinding m365-issuer-discovery "
    "--clusterrole=system:service-account-issuer-discovery --user={user}",
    help="The issuer is in the cluster's discovery document, which needs a right of its own.",
)
DOCUMENT_ABSENT: Final = Kind(
    "WI812",
    Severity.ERROR,
    "The cluster's {path} cannot be read: kube-apiserver does not serve it, because its issuer is not an https URL",
    fix=_ADDRESS,
    help="kube-apiserver serves the discovery document only if --service-account-issuer is an https URL.",
)
DOCUMENT_UNREADABLE: Final = Kind(
    "WI813",
    Severity.ERROR,
    "The cluster's {path} cannot be read: {reason}",
    fix="see whether kube-apiserver is well: kubectl get --raw /readyz",
    help="The API server answered, but not with the document.",
)
DOCUMENT_NOT_UNDERSTOOD: Final = Kind(
    "WI814",
    Severity.ERROR,
    "The cluster's {path} is not what it should be: {reason}",
    fix="see what answers in its place: kubectl get --raw {path}",
    help="Something on the way to the API server answered, such as a proxy with a login page.",
)

ISSUER_USABLE: Final = Kind(
    "WI821",
    Severity.OK,
    "The issuer is {issuer}; it {slash}, and so must that of the federated identity credential",
    help="Entra compares both letter by letter, a slash at the end included.",
)
ISSUER_UNUSABLE: Final = Kind(
    "WI822",
    Severity.ERROR,
    "The issuer {issuer} {reason}",
    fix=f"{_ADDRESS}, and publish the two documents there (`m365wi issuer --export DIR` writes them)",
    help="Entra fetches the issuer's documents from the internet, over https.",
)
ISSUER_TOO_LONG: Final = Kind(
    "WI823",
    Severity.ERROR,
    "The issuer has {length} characters, and Entra takes {limit}",
    fix=_ADDRESS,
    help="A federated identity credential cannot name a longer issuer.",
)
ISSUER_PRIVATE: Final = Kind(
    "WI824",
    Severity.ERROR,
    "The host of {issuer} has private addresses only ({addresses}): Entra cannot reach it",
    fix="let its public name lead to an address of the internet: Entra calls from outside",
    help="The DNS of your own network may answer differently from the public DNS.",
)

NOT_FETCHED: Final = Kind(
    "WI831",
    Severity.ERROR,
    "{url} cannot be fetched: {reason}",
    fix=f"{_UPLOAD} so that anybody can read them over https, without signing in",
    help="Entra fetches the document in the same way, and refuses every token of the issuer if it cannot.",
)
REDIRECTED: Final = Kind(
    "WI832",
    Severity.WARNING,
    "{url} leads on to {target}, and it is not documented that Entra follows",
    fix="serve the document at the address itself",
    help="A redirection works in a browser; whether Entra follows it may change without notice.",
)
PUBLIC_ISSUER_SAME: Final = Kind(
    "WI833",
    Severity.OK,
    "{url} can be reached and names the cluster's issuer",
    help="The public discovery document is that of the cluster.",
)
PUBLIC_ISSUER_OTHER: Final = Kind(
    "WI834",
    Severity.ERROR,
    "{url} names the issuer {found}, and the cluster's tokens name {issuer}{difference}",
    fix=f"{_UPLOAD}, or give kube-apiserver the issuer that is published",
    help="Entra compares the issuer of the token with that of the document letter by letter.",
)
KEYS_ADDRESS_MISSING: Final = Kind(
    "WI835",
    Severity.ERROR,
    "{url} does not say where the keys are (jwks_uri)",
    fix=_UPLOAD,
    help="Entra finds the keys only by jwks_uri.",
)
KEYS_ADDRESS_UNUSABLE: Final = Kind(
    "WI836",
    Severity.ERROR,
    "The jwks_uri {value} of {url} {reason}",
    fix=f"{_UPLOAD}; if kube-apiserver's own document is published, set --service-account-jwks-uri",
    help="kube-apiserver names its own address for the keys unless --service-account-jwks-uri says another.",
)

KEYS_USABLE: Final = Kind(
    "WI841",
    Severity.OK,
    "{where} has {keys}, RS256, each with an id of its own",
    help="Entra supports RS256 and finds a key by its id.",
)
KEYS_MISSING: Final = Kind(
    "WI842",
    Severity.ERROR,
    "{where} has no keys, so no token can be verified",
    fix=_UPLOAD,
    help="The key set is empty.",
)
KEY_PRIVATE: Final = Kind(
    "WI843",
    Severity.ERROR,
    "{where} holds a PRIVATE key: everybody who reads it can sign in as any pod of the cluster",
    fix="take it down, give kube-apiserver a new signing key, and publish what `m365wi issuer --export DIR` writes",
    help="Only public keys belong into the document. The private key is to be treated as stolen.",
)
KEYS_TOO_MANY: Final = Kind(
    "WI844",
    Severity.ERROR,
    "{where} has {count} keys, and Entra keeps the first {limit}",
    fix="take out those that no longer sign anything",
    help="Entra does not see a key after the hundredth.",
)
KEY_WITHOUT_ID: Final = Kind(
    "WI845",
    Severity.ERROR,
    "{where} has {count} without an id (kid), by which Entra finds a key",
    fix=_UPLOAD,
    help="kube-apiserver gives each key an id; somebody wrote this document by hand.",
)
KEY_REPEATED: Final = Kind(
    "WI846",
    Severity.ERROR,
    "{where} has {keys} more than once",
    fix="keep one key of each id",
    help="Entra may take either key, and then refuses the tokens of the other.",
)
ALGORITHM_UNSUPPORTED: Final = Kind(
    "WI847",
    Severity.ERROR,
    "{where} has keys for {algorithms}, and Entra supports RS256",
    fix="sign with an RSA key: kube-apiserver's --service-account-signing-key-file",
    help="Not one key of the set is for RS256, so Entra refuses every token.",
)
ALGORITHM_UNSUPPORTED_PARTLY: Final = Kind(
    "WI848",
    Severity.WARNING,
    "{where} has keys for {algorithms}, and Entra supports RS256",
    fix="sign with an RSA key: kube-apiserver's --service-account-signing-key-file",
    help="Some keys of the set are for RS256. Tokens that are signed with another key are refused.",
)
KEY_SHORT: Final = Kind(
    "WI849",
    Severity.WARNING,
    "{where} has an RSA key of {bits} bits, fewer than {fewest}",
    fix="sign with a longer one: kube-apiserver's --service-account-signing-key-file",
    help="Short RSA keys can be broken.",
)
KEYS_SAME: Final = Kind(
    "WI851",
    Severity.OK,
    "{url} has the cluster's keys",
    help="Each token of the cluster can be verified with a published key.",
)
KEYS_NOT_PUBLISHED: Final = Kind(
    "WI852",
    Severity.ERROR,
    "{url} does not have {keys} of the cluster: Entra refuses every token that is signed with it",
    fix=f"{_UPLOAD} again, as after each change of the signing key; keep the old keys for a day",
    help="The signing key of the cluster was changed after the documents were published.",
)
KEYS_DIFFER: Final = Kind(
    "WI853",
    Severity.ERROR,
    "{url} has another key of the id {keys} than the cluster",
    fix=f"{_UPLOAD} again",
    help="Two different keys have the same id.",
)
KEYS_UNKNOWN: Final = Kind(
    "WI854",
    Severity.WARNING,
    "{url} has {keys}, which the cluster does not have: everybody who holds it can sign in as any pod",
    fix="right for a day after a change of the signing key; after that take it out",
    help="Entra trusts every key that is published.",
)

EXPORTED: Final = Kind(
    "WI861",
    Severity.OK,
    "Written to {folder}: {files}",
    fix="publish both below {issuer}, as application/json, for everybody; then run `m365wi issuer` without --export",
    help="The two documents are what Entra reads.",
)
EXPORTED_UNUSABLE: Final = Kind(
    "WI862",
    Severity.ERROR,
    "Written to {folder}: {files}; but they name an issuer that Entra cannot use",
    fix="start kube-apiserver with the address of their place, --service-account-issuer, and export again",
    help="The documents name the issuer that kube-apiserver had at that moment.",
)
