"""WI9xx: what `onboard` and `offboard` find and do, and what is well for `check --entra`."""

from typing import Final

from webhook.core.messages.message import Kind, Severity

_AGAIN: Final = "then run the same command again: it goes on where it stopped"
_ADMINISTRATOR: Final = "as a Privileged Role Administrator, run the same command; or open {link}{command}; " + _AGAIN

# Who signs in, and where.
TENANT: Final = Kind(
    "WI901",
    Severity.OK,
    "{tenant}, in the cloud {cloud}",
    help="Everything is found or made in this tenant: it is the one of your own sign-in, or of `--tenant`.",
)
TENANT_UNKNOWN: Final = Kind(
    "WI902",
    Severity.ERROR,
    "your own sign-in does not say which tenant it is for",
    fix="--tenant GUID",
    help="Entra is free to encrypt access tokens. The tenant is written into an annotation, so it must be known.",
)
TENANT_OTHER: Final = Kind(
    "WI903",
    Severity.ERROR,
    "{object}: annotation {annotation} is {value}, and you are signed in to tenant {tenant}",
    fix="sign in to that tenant (az login --tenant {value}), or name it: --tenant {value}",
    help="Pods of the ServiceAccount would ask the other tenant, which does not know the application.",
)
# The application.
APPLICATION_FOUND: Final = Kind(
    "WI911",
    Severity.OK,
    '"{name}", client id {client}',
    help="It was found by the annotation of the ServiceAccount, by `--application`, or by the name that it would get.",
)
APPLICATION_CREATED: Final = Kind(
    "WI912",
    Severity.OK,
    '"{name}" is new, client id {client}',
    help="Its tags say for which ServiceAccount of which cluster it was made: `offboard` removes it by them.",
)
APPLICATIONS_OF_ONE_NAME: Final = Kind(
    "WI913",
    Severity.ERROR,
    'there are {count} applications with the name "{name}": {clients}',
    fix="name the right one: --application GUID",
    help="Entra lets any number of applications have the same name.",
)
APPLICATION_NOT_OURS: Final = Kind(
    "WI914",
    Severity.ERROR,
    'application "{name}" ({client}) has the name that would be given, and {why}',
    fix="if it is the right one: --application {client}; if not, another name: --application NAME",
    help="Everybody who may register applications can take a name. Permissions are not given to an application that "
    "somebody else may be able to sign in as, unless you name it.",
)
APPLICATION_OTHER: Final = Kind(
    "WI915",
    Severity.ERROR,
    "{object} names {client}, and {other} was given",
    fix="leave the other one out; or, for the other one: kubectl annotate {command} {annotation}-",
    help="The pods that run already sign in as the application in the annotation.",
)
APPLICATION_GONE: Final = Kind(
    "WI916",
    Severity.ERROR,
    "tenant {tenant} has no application {client}",
    fix="{fix}",
    help="The client id is wrong, of another tenant, or the application was deleted more than 30 days ago.",
)
IDENTITY_FOUND: Final = Kind(
    "WI917",
    Severity.OK,
    '"{name}", client id {client}',
    help="A user-assigned managed identity. `onboard` uses one that is there, and makes none.",
)
APPLICATION_DELETED: Final = Kind(
    "WI918",
    Severity.ERROR,
    'application "{name}" ({client}) was deleted, and can be restored for 30 days after that',
    fix="az rest --method POST --url {address}/restore && az ad sp create --id {client}; then consent again, "
    "as m365wi onboard does{instead}",
    help="Somebody deleted it in Entra. Once it is restored, it has its client id and its permissions again, but "
    "neither a service principal nor consent.",
)

# Its service principal.
PRINCIPAL_FOUND: Final = Kind(
    "WI921",
    Severity.OK,
    "the application has one",
    help="An application signs in through its service principal (enterprise application) in the tenant.",
)
PRINCIPAL_CREATED: Final = Kind(
    "WI922",
    Severity.OK,
    "the application has a new one",
    help="The step that is `az ad sp create` in the guide.",
)

# What it may do.
PERMISSIONS_FOUND: Final = Kind(
    "WI931",
    Severity.OK,
    "it asks for {permissions}",
    help="Application permissions of Microsoft Graph, in the application's own list.",
)
PERMISSIONS_ADDED: Final = Kind(
    "WI932",
    Severity.OK,
    "added: {permissions}",
    help="The application's list now has these application permissions of Microsoft Graph; those that it had, stay.",
)
PERMISSIONS_NONE: Final = Kind(
    "WI933",
    Severity.OK,
    "none was asked for with --permission",
    help="The application signs in, and may do what it was permitted before.",
)
CONSENT_FOUND: Final = Kind(
    "WI941",
    Severity.OK,
    "an administrator has consented to {permissions}",
    help="The service principal has the app roles of Microsoft Graph.",
)
CONSENT_GIVEN: Final = Kind(
    "WI942",
    Severity.OK,
    "given: {permissions}",
    help="You may consent for the whole tenant, so the service principal has got the app roles of Microsoft Graph.",
)
CONSENT_WAITS: Final = Kind(
    "WI943",
    Severity.WARNING,
    "no administrator has consented to {permissions}, and you may not",
    fix=_ADMINISTRATOR,
    help="Consent to application permissions of Microsoft Graph takes a Privileged Role Administrator. Everything else "
    "is done meanwhile.",
)
CONSENT_WAITS_FOR_IDENTITY: Final = Kind(
    "WI944",
    Severity.WARNING,
    "the managed identity does not have {permissions}, and you may not give them",
    fix="as a Privileged Role Administrator, run the same command; " + _AGAIN,
    help="A managed identity has no list of permissions that an administrator could consent to in the portal: the app "
    "roles are given to its service principal.",
)

# The ServiceAccount.
ACCOUNT_FOUND: Final = Kind(
    "WI951",
    Severity.OK,
    "{object} has the annotations",
    help="Client id and tenant id are those of the application.",
)
ACCOUNT_CREATED: Final = Kind(
    "WI952",
    Severity.OK,
    "{object} is new, with its annotations",
    help="Made by server-side apply, with the field manager `m365wi-onboard`.",
)
NAMESPACE_CREATED: Final = Kind(
    "WI953",
    Severity.OK,
    "{object} and its namespace are new, with its annotations",
    help="Made by server-side apply, with the field manager `m365wi-onboard`.",
)
ACCOUNT_ANNOTATED: Final = Kind(
    "WI954",
    Severity.OK,
    "{object} has got {annotations}",
    help="Written by server-side apply, with the field manager `m365wi-onboard`. Pods that run already are as before: "
    "the webhook looks at a pod when it is created.",
)
ACCOUNT_PRINTED: Final = Kind(
    "WI955",
    Severity.OK,
    "{object} is on standard output",
    fix="apply it, as it is or through Git; then run the same command again, which tries to sign in",
    help="With `--print` the cluster is only read.",
)
ANNOTATION_FOREIGN: Final = Kind(
    "WI956",
    Severity.ERROR,
    "{object}: annotation {annotation} is {value}, and would have to be {wanted}",
    fix="if that is right: kubectl annotate --overwrite {command} {annotation}={wanted}",
    help="`onboard` never changes an annotation that has another value: somebody has set it.",
)
CLUSTER_REFUSED: Final = Kind(
    "WI957",
    Severity.ERROR,
    "{object}: {reason}",
    fix="{fix}",
    help="kube-apiserver refused to read or write the object. What was done before stays, and the same command goes on "
    "from there.",
)

# The federated identity credential.
CREDENTIAL_FOUND: Final = Kind(
    "WI961",
    Severity.OK,
    "{name} is right",
    help="It has the issuer, the subject and the audience of the ServiceAccount's tokens, letter by letter.",
)
CREDENTIAL_CREATED: Final = Kind(
    "WI962",
    Severity.OK,
    "{name} is new",
    help="Entra's servers learn of it one by one, within minutes.",
)
CREDENTIAL_UPDATED: Final = Kind(
    "WI963",
    Severity.OK,
    "{name} was changed",
    help="It had the same name and another issuer, subject or audience.",
)

CREDENTIALS_FULL: Final = Kind(
    "WI964",
    Severity.ERROR,
    "{client} has {count} federated identity credentials already, and Entra takes no more",
    fix="m365wi fic plan says which of them are left over, and m365wi fic prune removes those; or give the "
    "ServiceAccount an application of its own",
    help="The limit is Entra's, for an application and for a managed identity.",
)

# The proof.
SIGNED_IN: Final = Kind(
    "WI971",
    Severity.OK,
    "{object} signs in, and Microsoft Graph answers",
    help="kube-apiserver made a token for the ServiceAccount, Entra exchanged it for an access token, and Microsoft "
    "Graph took that.",
)
NOT_SIGNED_IN: Final = Kind(
    "WI972",
    Severity.SKIPPED,
    "not tried: {reason}",
    fix="{fix}",
    help="Everything is set up; whether it works was not seen.",
)
NO_SIGN_IN_YET: Final = Kind(
    "WI974",
    Severity.ERROR,
    "{object} does not sign in: {reason} [{code}]",
    fix="{fix}",
    help="Entra's answer in the words of `m365-identity doctor`, with the code of the doctor's message.",
)
ROLES_NOT_YET: Final = Kind(
    "WI973",
    Severity.ERROR,
    "{object} signs in, and its token does not have {permissions} yet",
    fix="wait some minutes; " + _AGAIN.removeprefix("then "),
    help="Consent reaches new tokens within minutes.",
)

# Undoing it.
TO_BE_REMOVED: Final = Kind(
    "WI981",
    Severity.WARNING,
    "would be removed: {what}",
    help="`offboard` removes only with `--yes`.",
)
REMOVED: Final = Kind("WI982", Severity.OK, "removed: {what}", help="`onboard` had made it.")
KEPT: Final = Kind(
    "WI983",
    Severity.OK,
    "{what} stays: {why}",
    help="`offboard` removes what `onboard` made for this ServiceAccount of this cluster, and nothing else.",
)
NOTHING_TO_REMOVE: Final = Kind(
    "WI984",
    Severity.OK,
    "{what}: there is nothing that `onboard` made",
    help="It was removed before, never made, or made by somebody else.",
)

NAMESPACE_ABSENT: Final = Kind(
    "WI985",
    Severity.ERROR,
    "namespace {namespace} does not exist, and Entra has nothing that `onboard` made for its ServiceAccount{meant}",
    fix="kubectl get namespaces; if the cluster was rebuilt since: --issuer with the issuer that it had",
    help="The name after -n may be misspelled. If only the namespace is gone, `offboard` removes what is in Entra.",
)
ACCOUNT_NOT_THERE: Final = Kind(
    "WI986",
    Severity.OK,
    "{what} does not exist{meant}",
    help="It was removed before, or its name is misspelled.",
)

# What `check --entra` finds. What is wrong there has the sentences and codes of `m365-identity doctor`.
APPLICATION_READY: Final = Kind(
    "WI991",
    Severity.OK,
    '"{name}", client id {client}, can sign in to tenant {tenant}',
    help="The application has a service principal in the tenant that is enabled.",
)
CREDENTIAL_MATCHES: Final = Kind(
    "WI992",
    Severity.OK,
    "federated identity credential {name} has issuer, subject and audience of the pods' tokens",
    help="Letter by letter, as Entra compares them.",
)
CREDENTIALS_ELSEWHERE: Final = Kind(
    "WI993",
    Severity.SKIPPED,
    "application {client} is of another tenant, where its federated identity credentials are",
    help="The tenant has a service principal of a multi-tenant application. Only its own tenant knows its credentials.",
)
NOT_NAMED: Final = Kind(
    "WI994",
    Severity.SKIPPED,
    "{object} names no application",
    help="Without a client id there is nothing to look for in Entra.",
)
