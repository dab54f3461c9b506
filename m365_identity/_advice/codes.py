"""The table of advice: Entra's codes that a client with a federated token meets.

Text in braces is filled in with the reader's own values: see `m365_identity._advice.advise`. The codes explain, and
decide which failures may heal (`m365_identity.retry`); Microsoft may change them, so a code that is not here is no
error.
"""

from typing import Final, NamedTuple

__all__ = ["ROWS", "Row"]

_PROPAGATION: Final = "the credential was made in the last minutes: Entra's servers learn of it one by one"
_OTHER_APP: Final = "the credential is on another application than {client}"
_REBUILT: Final = "the cluster was rebuilt or its --service-account-issuer changed, so its tokens have another issuer"
_ROTATED: Final = (
    "the cluster's signing key was changed and its JWKS, as Entra can read it, does not have the new one yet"
)
_SETTINGS: Final = "client id {client} or tenant id {tenant} is wrong: see the annotations of ServiceAccount {account}"
_CLOUD: Final = "the application is in another cloud than {cloud} ({login})"
_ISSUER: Final = (
    "make {discovery} and its jwks_uri readable from the internet, without a login "
    "(`python -m webhook issuer` checks both)"
)
_ADMIN: Final = (
    "only an administrator of the tenant can change it; the sign-in logs of service principals say which policy"
)
_SCOPE: Final = "ask for one resource with /.default, for Microsoft Graph {graph_scope}"
_SECRET: Final = "another credential than this one was used, with a client secret"
_RESTART: Final = "restart the pod, so that it gets a new token: kubectl delete pod POD"


class Row(NamedTuple):
    """about_the_token: whether what can be seen in the token itself comes first among the causes."""

    meaning: str
    causes: tuple[str, ...]
    fix: str
    about_the_token: bool = False


def _rows(
    *codes: int, meaning: str, causes: tuple[str, ...], fix: str, about_the_token: bool = False
) -> dict[int, Row]:
    return dict.fromkeys(codes, Row(meaning, causes, fix, about_the_token))


ROWS: Final[dict[int, Row]] = {
    # No federated identity credential matches.
    **_rows(
        70021,
        meaning="application {client} has no federated identity credential for this token's issuer, subject, audience",
        causes=("issuer, subject or audience differ, be it in one character", _PROPAGATION, _OTHER_APP),
        fix="compare with `{list}`; if there is none: {create}",
        about_the_token=True,
    ),
    **_rows(
        700211,
        meaning='no federated identity credential of application {client} has the issuer "{issuer}"',
        causes=("{slash}", _REBUILT, _PROPAGATION, _OTHER_APP),
        fix="{create}",
        about_the_token=True,
    ),
    **_rows(
        700212,
        meaning='no federated identity credential of application {client} has the audience "{audience}"',
        causes=(
            "the credential was made for another cloud's audience",
            "the annotation m365.workload.identity/audience or the cloud of ServiceAccount {account} is wrong",
            _PROPAGATION,
        ),
        fix="give the credential that has this issuer and subject this token's audience: {list}; {update}; or, for "
        'another token, set m365.workload.identity/audience to "{expected}"',
        about_the_token=True,
    ),
    **_rows(
        700213,
        meaning='no federated identity credential of application {client} has the subject "{subject}"',
        causes=(
            "the pod runs as another ServiceAccount or in another namespace than the credential is for",
            _PROPAGATION,
            _OTHER_APP,
        ),
        fix="{create}",
        about_the_token=True,
    ),
    **_rows(
        7002137,
        meaning="the subject does not have the form that tokens issued by Entra itself must have",
        causes=("the file holds a token of Entra's and not of the cluster's",),
        fix="mount the ServiceAccount's token at {file}, and for it: {create}",
        about_the_token=True,
    ),
    **_rows(
        7002138,
        meaning='a federated identity credential has the subject "{subject}" but for upper and lower case',
        causes=("namespace or ServiceAccount are written with other letters in the credential; waiting heals nothing",),
        fix="delete that credential (`{list}` names it) and make it anew: {create}",
        about_the_token=True,
    ),
    **_rows(
        70025,
        meaning="application {client} has no federated identity credential at all",
        causes=("it was not made yet", _OTHER_APP, _PROPAGATION),
        fix="{create}",
        about_the_token=True,
    ),
    # The application.
    **_rows(
        700016,
        700011,
        70001,
        meaning="there is no application {client} in tenant {tenant}",
        causes=(_SETTINGS, "it has no service principal in this tenant", _CLOUD),
        fix="az ad sp show --id {client} in that tenant; if there is none: az ad sp create --id {client}; if the id is "
        "wrong, correct the annotation azure.workload.identity/client-id and restart the pod",
    ),
    **_rows(
        7000112,
        meaning="application {client} is disabled",
        causes=("an administrator, or Microsoft, has disabled it or its service principal",),
        fix="az ad sp update --id {client} --set accountEnabled=true",
    ),
    **_rows(
        700025,
        meaning="application {client} is a public client, which may not prove who it is",
        causes=("its manifest allows public client flows only",),
        fix="az ad app update --id {client} --is-fallback-public-client false",
    ),
    **_rows(
        70052,
        meaning="this issuer's tokens are only taken from managed identities and applications of a single tenant",
        causes=("the file holds a token of Entra's and not of the cluster's", "the application is multi-tenant"),
        fix="mount the ServiceAccount's token at {file}, and for it: {create}",
    ),
    # The tenant and the cloud.
    **_rows(
        90002,
        900023,
        meaning="there is no tenant {tenant} at {login}",
        causes=("the tenant id is wrong", "the tenant is in another cloud than {cloud}"),
        fix="az account show --query tenantId gives the id; set azure.workload.identity/tenant-id, or "
        "m365.workload.identity/cloud, and restart the pod",
    ),
    **_rows(
        90038,
        meaning="tenant {tenant} belongs to another national cloud than {cloud}",
        causes=("M365_CLOUD is wrong for this tenant",),
        fix="set m365.workload.identity/cloud to the tenant's cloud, and restart the pod",
    ),
    **_rows(
        900382,
        900432,
        meaning="a confidential client cannot sign in from one cloud to another",
        causes=("tenant {tenant} is not in the cloud {cloud}", "some sovereign clouds do not allow federation"),
        fix="set m365.workload.identity/cloud to the tenant's own cloud, and restart the pod",
    ),
    **_rows(
        900439,
        meaning="a client of the US Government cannot sign in at the public endpoint",
        causes=("M365_CLOUD is {cloud}, and the tenant is a US Government one",),
        fix='set m365.workload.identity/cloud to "gcchigh" or "dod", and restart the pod',
    ),
    **_rows(
        50049,
        meaning="Entra does not know the login host {login}",
        causes=("AZURE_AUTHORITY_HOST is misspelt",),
        fix="unset AZURE_AUTHORITY_HOST, so that the cloud decides",
    ),
    **_rows(
        100007,
        meaning="this client may not use a regional endpoint",
        causes=("AZURE_REGIONAL_AUTHORITY_NAME is set",),
        fix="unset AZURE_REGIONAL_AUTHORITY_NAME",
    ),
    # The token itself.
    **_rows(
        50027,
        meaning="the token is no JWT that Entra can read, or lacks a claim",
        causes=("{file} holds something else than the ServiceAccount's token",),
        fix="mount the projected token at {file}; `m365-identity doctor` shows what is in it",
        about_the_token=True,
    ),
    **_rows(
        50013,
        50006,
        50012,
        700027,
        meaning="the token's signature could not be verified with the keys of its issuer {issuer}",
        causes=(
            _ROTATED,
            _REBUILT,
            "the JWKS has more than 100 keys, of which Entra keeps the first 100",
            "the token is not from this issuer",
        ),
        fix="see that the jwks_uri of {discovery} has the key that signs "
        "(`python -m webhook issuer` compares), then wait up to an hour, since Entra remembers keys",
        about_the_token=True,
    ),
    **_rows(
        5002738,
        meaning="the token is signed in a way that Entra does not take: it knows RS256, RS384 and RS512",
        causes=("the cluster's signing key is an elliptic curve one (ES256), or another that is not RSA",),
        fix="give kube-apiserver and kube-controller-manager an RSA key of 2048 bits or more to sign with "
        "(--service-account-signing-key-file), publish it in the issuer's JWKS, and restart the pods",
        about_the_token=True,
    ),
    **_rows(
        700024,
        500133,
        meaning="the token is expired or not yet valid: it says {valid}, and it is {now} here",
        causes=(
            "the file is mounted with subPath, or was copied: the kubelet does not renew it then",
            "the clock of the node that signs tokens, or of this one, is wrong",
            "a program keeps the token in memory instead of reading the file again",
        ),
        fix="mount the volume's folder without subPath; compare `date -u` with the Date header of {login}; " + _RESTART,
        about_the_token=True,
    ),
    **_rows(
        700222,
        700229,
        meaning="tokens that Entra issued itself are not taken here",
        causes=("{file} holds a token of Entra's and not of the cluster's",),
        fix="mount the ServiceAccount's token at {file}, and for it: {create}",
        about_the_token=True,
    ),
    **_rows(
        700223,
        700238,
        meaning="a policy of tenant {tenant} does not allow federation, or not with this issuer",
        causes=('the issuer "{issuer}" is not among those that the tenant allows',),
        fix="have the issuer allowed by the tenant's application management policy; " + _ADMIN,
    ),
    **_rows(
        90061,
        50166,
        501661,
        meaning='Entra could not read the keys of the issuer "{issuer}"',
        causes=(
            "the issuer's documents cannot be read from the internet (a firewall, a login, a private cluster)",
            "the issuer's web server was away for a moment; the same is seen in passing without any cause",
        ),
        fix=_ISSUER,
        about_the_token=True,
    ),
    # The request.
    **_rows(
        500011,
        meaning="the resource of scope {scope} is not in tenant {tenant}",
        causes=("the scope is another cloud's than {cloud}", "the API has no service principal in this tenant"),
        fix="for Microsoft Graph ask for {graph_scope}",
    ),
    **_rows(
        70011,
        28002,
        28003,
        700022,
        700023,
        1002012,
        meaning="the scope {scope} cannot be asked for",
        causes=("it does not end with /.default, is empty, or names more than one resource",),
        fix=_SCOPE,
    ),
    **_rows(
        7000218,
        7000216,
        meaning="the request came without any proof of who asks",
        causes=("the token file was empty", "a proxy on the way dropped part of the request"),
        fix=f"see that {{file}} holds a token (`m365-identity doctor`); {_RESTART}",
    ),
    **_rows(
        7000215,
        7000222,
        70002,
        meaning="a client secret is wrong or expired, which signing in with a token does not use",
        causes=(_SECRET,),
        fix="unset AZURE_CLIENT_SECRET and M365_CLIENT_SECRET, and use WorkloadIdentityCredential itself",
    ),
    **_rows(
        90014,
        900144,
        meaning="a part of the request is missing: {failure}",
        causes=("client id or scope is empty", "a proxy on the way dropped part of the request"),
        fix="see `m365-identity doctor` for the settings in force, and leave out proxies that change requests",
    ),
    **_rows(
        9002313,
        meaning="the request did not arrive as it was sent",
        causes=("a proxy on the way changes requests",),
        fix="let {login} pass through the proxy unchanged",
    ),
    # Policies.
    **_rows(
        53003,
        530032,
        meaning="Conditional Access or a security policy blocks application {client} from here",
        causes=("the address that the cluster leaves from is not in an allowed location", "the application is at risk"),
        fix="have the cluster's outgoing address added to a named location that the policy excludes; " + _ADMIN,
    ),
    **_rows(
        65001,
        meaning="nobody has consented to what application {client} asks for",
        causes=("the application permissions were added and not granted",),
        fix="az ad app permission admin-consent --id {client}",
    ),
    # Too much, and not now.
    **_rows(
        50196,
        90055,
        meaning="Entra was asked too often",
        causes=("credentials are made anew for every call, so that none keeps its token", "many pods started at once"),
        fix="make one credential and keep it: it asks once an hour",
    ),
    **_rows(
        90033,
        90006,
        90024,
        90012,
        50033,
        meaning="Entra had a passing problem",
        causes=("none on this side",),
        fix="try again later; if it stays, see https://status.cloud.microsoft with the correlation id",
    ),
}
