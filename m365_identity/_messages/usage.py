"""WIH0xx: flags and arguments of the commands."""

from typing import Final

from m365_identity._messages.message import Kind, Severity

FLAG_EMPTY: Final = Kind("WIH001", Severity.ERROR, "{flag} is empty", fix="leave the flag out, or give it a value")
ONLY_EXEC: Final = Kind("WIH002", Severity.ERROR, 'only exec takes "--" and what follows it')
NO_COMMAND: Final = Kind(
    "WIH003", Severity.ERROR, 'expected "--" and then a command, as in: m365-identity exec -- terraform plan'
)
SCOPE_WRONG: Final = Kind("WIH004", Severity.ERROR, '--scope is "{value}", expected one scope, such as {scope}')
HEADER_WRONG: Final = Kind(
    "WIH005",
    Severity.ERROR,
    "IDENTITY_HEADER {problem}: expected 8 to 256 visible ASCII characters, the secret of clients",
    help="The value is a secret, so it is not shown.",
)
ENDPOINT_MISSING: Final = Kind("WIH006", Severity.ERROR, "{place} is {problem}: expected http://{address}:PORT/PATH")
ENDPOINT_WRONG: Final = Kind("WIH007", Severity.ERROR, "{place} is {value}, expected http://{address}:PORT/PATH")
METRICS_WITHOUT_CLIENT: Final = Kind(
    "WIH008",
    Severity.ERROR,
    "{place} needs prometheus-client, which is not installed",
    fix='pip install "m365-workload-identity[metrics]"',
    help="The image has it.",
)
UNKNOWN_COMMAND: Final = Kind("WIH011", Severity.ERROR, "unknown command {word}: m365-identity --help has them all")
MISSPELT_COMMAND: Final = Kind("WIH012", Severity.ERROR, "unknown command {word}, did you mean {meant}?")
UNKNOWN_FLAG: Final = Kind("WIH013", Severity.ERROR, "unknown flag {word}: {program} --help has them all")
MISSPELT_FLAG: Final = Kind("WIH014", Severity.ERROR, "unknown flag {word}, did you mean {meant}?")
UNKNOWN_ARGUMENT: Final = Kind(
    "WIH015",
    Severity.ERROR,
    "unexpected argument {word}: {program} --help has those that it takes",
    help="A flag may be missing in front of it.",
)
