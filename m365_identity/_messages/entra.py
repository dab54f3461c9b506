"""WIH3xx: what Entra answers to a client with a federated token, and why.

Microsoft may change Entra's codes: `m365_identity._advice.codes` has the message of each.
"""

from typing import Final

from m365_identity._messages import graph, token_file
from m365_identity._messages.message import Kind, Severity

_PROPAGATION: Final = "the credential was made in the last minutes: Entra's servers learn of it one by one"
_OTHER_APP: Final = "the credential is on another application than {client}"
_REBUILT: Final = "the cluster was rebuilt or its --service-account-issuer changed, so its tokens have another issuer"
_ROTATED: Final = (
    "the cluster's signing key was changed and its JWKS, as Entra can read it, does not have the new one yet"
)
_ISSUER: Final = (
    "make {discovery} and its jwks_uri readable from the internet, without a login (`m365wi issuer` checks both)"
)
_ADMIN: Final = (
    "only an administrator of the tenant can change it; the sign-in logs of service principals say which policy"
)
_SCOPE: Final = "ask for one resource with /.default, for Microsoft Graph {graph_scope}"
_SECRET: Final = "another credential than this one was used, with a client secret"
_RESTART: Final = "restart the pod, so that it gets a new token: kubectl delete pod POD"

_OF_IDENTITY: Final = "{create_for_identity}"
_OF_IDENTITY_THERE: Final = "{list_of_identity}"


# No federated identity credential matches.
NO_MATCH: Final = Kind(
    "WIH301",
    Severity.ERROR,
    "application {client} has no federated identity credential for this token's issuer, subject, audience",
    ("issuer, subject or audience differ, perhaps in one character", _PROPAGATION, _OTHER_APP, _OF_IDENTITY),
    fix="compare with `{list}`; if it is not there: {create}",
)
NO_ISSUER: Final = Kind(
    "WIH302",
    Severity.ERROR,
    'no federated identity credential of application {client} has the issuer "{issuer}"',
    ("{slash}", _REBUILT, _PROPAGATION, _OTHER_APP, _OF_IDENTITY),
    fix="{create}",
)
NO_AUDIENCE: Final = Kind(
    "WIH303",
    Severity.ERROR,
    'no federated identity credential of application {client} has the audience "{audience}"',
    (
        "the credential was made for another cloud's audience",
        "the annotation m365.workload.identity/audience or the cloud of ServiceAccount {account} is wrong",
        _PROPAGATION,
        _OF_IDENTITY_THERE,
    ),
    fix=(
        "give the credential that has this issuer and subject this token's audience: {list}; {update}; or, for "
        'another token, set m365.workload.identity/audience to "{expected}"'
    ),
)
NO_AUDIENCE_OF_API_SERVER: Final = Kind(
    "WIH336",
    Severity.ERROR,
    "the token is not one for Entra, and no federated identity credential may have its audience",
    fix=(
        'mount a projected volume with a serviceAccountToken and audience: "{expected}", or let the webhook do it, and '
        "have the variable name its file; if no credential is there: {create}"
    ),
)
NO_SUBJECT: Final = Kind(
    "WIH304",
    Severity.ERROR,
    'no federated identity credential of application {client} has the subject "{subject}"',
    (
        "the pod runs as another ServiceAccount or in another namespace than the credential is for",
        _PROPAGATION,
        _OTHER_APP,
        _OF_IDENTITY,
    ),
    fix="{create}",
)
SUBJECT_OF_ENTRA: Final = Kind(
    "WIH305",
    Severity.ERROR,
    "the subject does not have the form that tokens issued by Entra itself must have",
    ("the file holds a token of Entra's and not of the cluster's",),
    fix="mount the ServiceAccount's token at {file}, and for it: {create}",
)
SUBJECT_CASE: Final = Kind(
    "WIH306",
    Severity.ERROR,
    'a federated identity credential has the subject "{subject}" but for upper and lower case',
    (
        "namespace or ServiceAccount are written with other letters in the credential; waiting heals nothing",
        _OF_IDENTITY_THERE,
    ),
    fix="delete that credential (`{list}` names it) and create it again: {create}",
)
NO_CREDENTIAL: Final = Kind(
    "WIH307",
    Severity.ERROR,
    "application {client} has no federated identity credential at all",
    ("it was not created yet", _OTHER_APP, _PROPAGATION, _OF_IDENTITY),
    fix="{create}",
)

# The token itself.
NOT_A_JWT: Final = Kind(
    "WIH318",
    Severity.ERROR,
    "Entra cannot read the token, or a claim is missing in it",
    ("{file} holds something else than the ServiceAccount's token",),
    fix="mount the projected token at {file}; `m365-identity doctor` shows what is in it",
)
SIGNATURE: Final = Kind(
    "WIH319",
    Severity.ERROR,
    "the token's signature could not be verified with the keys of its issuer {issuer}",
    (
        _ROTATED,
        _REBUILT,
        "the JWKS has more than 100 keys, of which Entra keeps the first 100",
        "the token is not from this issuer",
    ),
    fix=(
        "see that the jwks_uri of {discovery} has the key that signs "
        "(`m365wi issuer` compares), then wait up to an hour, since Entra remembers keys"
    ),
)
ALGORITHM: Final = Kind(
    "WIH320",
    Severity.ERROR,
    "the token is signed in a way that Entra does not take: it knows RS256, RS384 and RS512",
    (
        "the cluster's signing key is an elliptic curve one (ES256), or another that is not RSA",
        "it is an RSA key of less than 2048 bits",
    ),
    fix=(
        "give kube-apiserver and kube-controller-manager an RSA key of 2048 bits or more to sign with "
        "(--service-account-signing-key-file), publish it in the issuer's JWKS, and restart the pods"
    ),
)
EXPIRED: Final = Kind(
    "WIH339",
    Severity.ERROR,
    "the token has expired: it says {valid}, and it is {now} here",
    token_file.EXPIRED.causes,
    fix=token_file.EXPIRED.fix,
)
NOT_YET_VALID: Final = Kind(
    "WIH340",
    Severity.ERROR,
    "the token is not yet valid: it says {valid}, and it is {now} here",
    token_file.NOT_YET_VALID.causes,
    fix=token_file.NOT_YET_VALID.fix,
)
OUT_OF_TIME_BY_CLOCK: Final = Kind(
    "WIH341",
    Severity.ERROR,
    "the token is expired or not yet valid, and this clock is {skew} {direction} that of the login host: it says "
    "{valid}, and it is {now} here",
    (*graph.CLOCK_WRONG.causes, "the kubelet renews tokens by this clock, and so too late or too early"),
    fix=graph.CLOCK_WRONG.fix,
)
OUT_OF_TIME: Final = Kind(
    "WIH321",
    Severity.ERROR,
    "the token is expired or not yet valid: it says {valid}, and it is {now} here",
    (
        "the clock of the node that signs tokens, or of this one, is wrong",
        "the file is mounted with subPath, or was copied: the kubelet does not renew it then",
        "a program keeps the token in memory instead of reading the file again",
    ),
    fix=("mount the volume's folder without subPath; compare `date -u` with the Date header of {login}; " + _RESTART),
)
TOKEN_OF_ENTRA: Final = Kind(
    "WIH322",
    Severity.ERROR,
    "tokens that Entra issued itself are not taken here",
    ("{file} holds a token of Entra's and not of the cluster's",),
    fix="mount the ServiceAccount's token at {file}, and for it: {create}",
)
FEDERATION_POLICY: Final = Kind(
    "WIH323",
    Severity.ERROR,
    "a policy of tenant {tenant} does not allow federation, or not with this issuer",
    ('the issuer "{issuer}" is not among those that the tenant allows',),
    fix=("have the issuer allowed by the tenant's application management policy; " + _ADMIN),
)
KEYS_UNREADABLE: Final = Kind(
    "WIH324",
    Severity.ERROR,
    'Entra could not read the keys of the issuer "{issuer}"',
    (
        "the issuer's documents cannot be read from the internet (a firewall, a login, a private cluster)",
        "the issuer's web server was away for a moment; the same is seen in passing without any cause",
    ),
    fix=_ISSUER,
)

# The request.
NO_RESOURCE: Final = Kind(
    "WIH325",
    Severity.ERROR,
    "the resource of scope {scope} is not in tenant {tenant}",
    ("the scope is another cloud's than {cloud}", "the API has no service principal in this tenant"),
    fix="for Microsoft Graph ask for {graph_scope}",
)
SCOPE_REFUSED: Final = Kind(
    "WIH326",
    Severity.ERROR,
    "the scope {scope} cannot be asked for",
    ("it does not end with /.default, is empty, or names more than one resource",),
    fix=_SCOPE,
)
NO_PROOF: Final = Kind(
    "WIH327",
    Severity.ERROR,
    "the request came without any proof of who asks",
    ("the token file was empty", "a proxy on the way dropped part of the request"),
    fix=(f"see that {{file}} holds a token (`m365-identity doctor`); {_RESTART}"),
)
SECRET_REFUSED: Final = Kind(
    "WIH328",
    Severity.ERROR,
    "a client secret is wrong or expired, which signing in with a token does not use",
    (_SECRET,),
    fix="unset AZURE_CLIENT_SECRET and M365_CLIENT_SECRET, and use WorkloadIdentityCredential itself",
)
PART_MISSING: Final = Kind(
    "WIH329",
    Severity.ERROR,
    "a part of the request is missing: {failure}",
    ("client id or scope is empty", "a proxy on the way dropped part of the request"),
    fix="see `m365-identity doctor` for the settings in force, and leave out proxies that change requests",
)
REQUEST_CHANGED: Final = Kind(
    "WIH330",
    Severity.ERROR,
    "the request did not arrive as it was sent",
    ("a proxy on the way changes requests",),
    fix="let {login} pass through the proxy unchanged",
)

# Too much, and not now.
THROTTLED: Final = Kind(
    "WIH333",
    Severity.ERROR,
    "Entra got too many requests{wait}",
    ("a new credential is made for every call, so that none keeps its token", "many pods started at once"),
    fix="make one credential and keep it: it asks once an hour; until then, wait as long as Entra says",
)
PASSING: Final = Kind(
    "WIH334",
    Severity.ERROR,
    "Entra had a passing problem{wait}",
    ("none on this side",),
    fix="try again later; if it stays, see https://status.cloud.microsoft with the correlation id",
)
