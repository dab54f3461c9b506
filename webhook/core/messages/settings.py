"""WI5xx: settings and flags, and a kubeconfig.

The place of each is the flag or the variable, as `object`; for a kubeconfig, its path.
"""

from typing import Final

from webhook.core.messages.message import Kind, Severity

BAD_VALUE: Final = Kind(
    "WI501",
    Severity.ERROR,
    '{object} is "{value}", expected {expected}',
    help="The flag or the variable has a value that cannot be used.",
)
VALUE_MISSING: Final = Kind(
    "WI502",
    Severity.ERROR,
    "{object} is missing, expected {expected}",
    help="The command cannot guess this value.",
)
MISSPELT_SETTING: Final = Kind(
    "WI503",
    Severity.ERROR,
    "unknown setting {object}, did you mean {meant}?",
    help="A misspelt variable would have no effect, so the webhook does not start.",
)
UNKNOWN_SETTING: Final = Kind(
    "WI504",
    Severity.WARNING,
    "unknown setting {object}: it has no effect in this version",
    help="The variable may belong to another version, or Kubernetes made it for a Service of that name.",
)
NO_EFFECT: Final = Kind(
    "WI505",
    Severity.ERROR,
    "{object} has no effect, because certificates are {mode}",
    fix="leave it out, or set --certificates self-managed",
    help="The setting is about self-managed certificates.",
)
MISSPELT_FLAG: Final = Kind(
    "WI506",
    Severity.ERROR,
    "unknown flag {object}, did you mean {meant}?",
    help="The command has no flag of that name.",
)
UNKNOWN_FLAG: Final = Kind(
    "WI507",
    Severity.ERROR,
    "unknown flag {object}",
    fix="{program} --help",
    help="The command has no flag of that name. Another command may have it.",
)
UNKNOWN_ARGUMENT: Final = Kind(
    "WI508",
    Severity.ERROR,
    "unexpected argument {object}",
    fix="{program} --help",
    help="A flag may be missing in front of it.",
)
UNKNOWN_COMMAND: Final = Kind(
    "WI519",
    Severity.ERROR,
    "unknown command {object}",
    fix="{program} --help",
    help="The program has no command of that name.",
)
MISSPELT_COMMAND: Final = Kind(
    "WI529",
    Severity.ERROR,
    "unknown command {object}, did you mean {meant}?",
    help="The program has no command of that name.",
)
ACCOUNTS_AND_KUBECONFIG: Final = Kind(
    "WI510",
    Severity.ERROR,
    "--accounts and --kubeconfig exclude each other: ServiceAccounts come from files or from a cluster",
    fix="leave one of them out",
    help="There is one source of ServiceAccounts.",
)
NO_ACCOUNTS: Final = Kind(
    "WI511",
    Severity.ERROR,
    "outside a cluster, give --accounts PATH or --kubeconfig PATH",
    help="In a pod, ServiceAccounts come from the cluster that the pod runs in.",
)
TLS_CERT_MISSING: Final = Kind(
    "WI512",
    Severity.ERROR,
    "--certificates is files, so --tls-cert is needed",
    fix="--tls-cert PATH",
    help="The certificate chain to serve.",
)
TLS_CERT_UNUSED: Final = Kind(
    "WI513",
    Severity.ERROR,
    "--tls-cert is given, but --certificates is {mode}",
    fix="leave one of them out",
    help="A certificate from files is served only if --certificates is files.",
)
TLS_KEY_ALONE: Final = Kind(
    "WI514",
    Severity.ERROR,
    "--tls-key is given without --tls-cert",
    fix="--tls-cert PATH",
    help="A private key needs its certificate.",
)
SAME_PORT: Final = Kind(
    "WI515",
    Severity.ERROR,
    "--listen and --ops-listen are one and the same port: {value}",
    fix="give each its own",
    help="The server would wait forever for its own port to become free.",
)
CLIENT_NAMES_ALONE: Final = Kind(
    "WI516",
    Severity.ERROR,
    "--client-names is given without --client-ca",
    fix="--client-ca PATH, or leave --client-names out",
    help="Without an authority, a client could give itself any name.",
)
FLAG_ALONE: Final = Kind(
    "WI517",
    Severity.ERROR,
    "{object} goes with `{command}`",
    help="The flag has no meaning without that command.",
)
EXCLUDE_EACH_OTHER: Final = Kind(
    "WI518",
    Severity.ERROR,
    "{object} and {other} exclude each other",
    fix="leave one of them out",
    help="Both choose the same thing.",
)
OUTPUT_FAILED: Final = Kind(
    "WI520",
    Severity.ERROR,
    "standard output cannot be written: {reason}",
    help="The system's own reason, such as a full disk. What was written so far is incomplete.",
)
FOLDER_UNWRITABLE: Final = Kind(
    "WI521",
    Severity.ERROR,
    '{object} is "{value}", which cannot be written: {reason}',
    help="The system's own reason.",
)
LIBRARY_MISSING: Final = Kind(
    "WI544",
    Severity.ERROR,
    "`{command}` needs Python libraries that are not installed: {library}",
    fix='pipx install --force "m365wi{extra}"; in a checkout: pipx install --force "./cli{extra}"',
    help="`m365wi` has what people need; `m365wi[serve]` has the server, too. The image has the server.",
)
