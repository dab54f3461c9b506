"""WI88x and WI89x: what the credentials in Entra are, compared with what the ServiceAccounts need (`fic plan`).

The place of each is the ServiceAccount, the application or the credential, as `object`.
"""

from typing import Final

from webhook.core.messages.message import Kind, Severity

CREDENTIAL_MISSING: Final = Kind(
    "WI881",
    Severity.ERROR,
    "there is not a credential: apply creates {name}",
    help="The pods of the ServiceAccount cannot sign in.",
)
ISSUER_BEFORE: Final = Kind(
    "WI882",
    Severity.ERROR,
    "{name} is for {issuer}, the issuer of this cluster before: apply changes it",
    help="The cluster was rebuilt, or has another issuer since; the mark or --former-issuer says that it is this one.",
)
ISSUER_UNKNOWN: Final = Kind(
    "WI883",
    Severity.ERROR,
    "the credential of this ServiceAccount is for the issuer {issuers}: apply creates {name} beside it",
    fix="if that was this cluster before it was rebuilt: --former-issuer {issuers}, which changes it instead",
    help="It may belong to another cluster with the same names, so it is left alone.",
)
AUDIENCE_WRONG: Final = Kind(
    "WI884",
    Severity.ERROR,
    "{name} is for the audience {found}, expected {audience}: apply changes it",
    help="The cloud or the audience of the ServiceAccount was changed, or the credential was made for another cloud.",
)
LETTERS_WRONG: Final = Kind(
    "WI885",
    Severity.ERROR,
    "{name} has {found}, expected {expected} letter by letter: apply changes it",
    help="Entra compares upper and lower case and the slash at the end, too.",
)
DUPLICATE: Final = Kind(
    "WI886",
    Severity.WARNING,
    "{name} is a duplicate with other letters, which no token matches: apply removes it",
    help="It takes one of the places, and was made by this program.",
)
DUPLICATE_BY_HAND: Final = Kind(
    "WI887",
    Severity.WARNING,
    "{name} is a duplicate with other letters, which no token matches, and a person made it",
    fix="{command}",
    help="`apply` and `prune` remove only what this program made and marked.",
)
NO_ROOM: Final = Kind(
    "WI888",
    Severity.ERROR,
    "there is not a credential, and the application has {count} of the {limit} that Entra takes",
    fix="see what is left over: m365wi fic prune -A; or give some ServiceAccounts an application of their own",
    help="Twenty is Entra's limit for an application and for a managed identity.",
)
LEFT_OVER: Final = Kind(
    "WI889",
    Severity.WARNING,
    "{name} was made for {subject} of {issuer}, and nothing needs it: prune removes it",
    help="The ServiceAccount is gone, or names another application, or the cluster is gone.",
)
MARK_NAMELESS: Final = Kind(
    "WI890",
    Severity.WARNING,
    "{name} is right, and its mark does not name this cluster: apply changes its description",
    help="With the name in it, the credential is known again after the cluster was rebuilt with another issuer.",
)
APPLICATION_ABSENT: Final = Kind(
    "WI891",
    Severity.ERROR,
    "client id {client} is neither an application nor a managed identity of this tenant",
    fix="correct the annotation of the ServiceAccount; or sign in to the application's own tenant: --tenant TENANT",
    help="Credentials belong to the application's registration, in the tenant in which it was made.",
)
TENANT_OTHER: Final = Kind(
    "WI892",
    Severity.NOTE,
    "{object} is left out: its tenant is {tenant}, and you are signed in to {own}",
    fix="for these: --tenant {tenant}",
    help="A plan is about one tenant.",
)
CLOUD_OTHER: Final = Kind(
    "WI893",
    Severity.NOTE,
    "{object} is left out: its cloud is {cloud}, and you are signed in to {own}",
    fix="for these: --cloud {cloud}",
    help="A plan is about one cloud.",
)
ACCOUNTS_FORBIDDEN: Final = Kind(
    "WI894",
    Severity.ERROR,
    "ServiceAccounts cannot be listed: {reason}",
    fix="kubectl create clusterrolebinding m365-view --clusterrole=view --user={user}; for one namespace: -n NAMESPACE",
    help="The plan reads the ServiceAccounts with your own rights.",
)
ACCOUNTS_UNREADABLE: Final = Kind(
    "WI895",
    Severity.ERROR,
    "ServiceAccounts cannot be listed: {reason}",
    help="The API server answered, but not with ServiceAccounts.",
)
STILL_REFUSED: Final = Kind(
    "WI896",
    Severity.ERROR,
    "{object} cannot sign in to client id {client} yet: {reason}",
    fix="{advice}",
    help="`apply --wait` tries the exchange that a pod would make. A new credential takes up to some minutes.",
)
