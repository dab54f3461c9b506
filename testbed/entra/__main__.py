"""`python -m testbed.entra`: the emulator as a command, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from testbed.entra.configuration import Configuration, ConfigurationError, read
from testbed.entra.emulator import Entra, Listening
from testbed.entra.login import TOKEN_PATH
from testbed.entra.messages import Asked
from testbed.entra.token_endpoint import JWT_BEARER
from webhook.core.clouds import CLOUDS

SUBJECT = "system:serviceaccount:default:terraform"
TOKEN_SECONDS = 86400.0
ADMINISTRATION = ("Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the emulator; exit status 2 if a file cannot be read or an address cannot be used."""
    options = _parser().parse_args(arguments)
    if (options.tls_cert is None) is not (options.tls_key is None):
        return _complain("--tls-cert and --tls-key must be given together")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        configuration = read(options.config) if options.config else Configuration("public", (), (), ())
        listening = Listening(
            host=options.host,
            login_port=options.login_port,
            graph_port=options.graph_port,
            issuer_port=options.issuer_port,
            arm_port=options.arm_port,
            names=options.name,
            tls=(options.tls_cert, options.tls_key) if options.tls_cert else None,
        )
        with Entra(
            cloud=options.cloud or configuration.cloud,
            listening=listening,
            directory=options.directory,
            report=_log if options.log else None,
        ) as entra:
            configuration.apply(entra)
            _say(_addresses(entra) if options.config else _addresses(entra) + "\n" + _example(entra))
            stop.wait()
    except (ConfigurationError, OSError) as error:
        return _complain(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m testbed.entra",
        description="Emulates login.microsoftonline.com, graph.microsoft.com and management.azure.com, until SIGTERM.",
        epilog="If all names lead to the login port, it answers for Graph and ARM, too.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a YAML file; see testbed/entra/configuration.py")
    parser.add_argument("--cloud", choices=CLOUDS, help="the cloud, instead of the file's (default: public)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    for name in ("login", "graph", "issuer", "arm"):
        parser.add_argument(
            f"--{name}-port", type=int, default=0, metavar="PORT", help="the port (default: any free port)"
        )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="a further name or address in the certificate; may be repeated",
    )
    parser.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="serve with this certificate instead of the emulator's own"
    )
    parser.add_argument("--tls-key", type=Path, metavar="FILE")
    parser.add_argument(
        "--directory", type=Path, metavar="DIR", help="the folder of ca.pem (default: a temporary folder)"
    )
    parser.add_argument("--log", action="store_true", help="print a JSON line for each request")
    return parser


def _addresses(entra: Entra) -> str:
    sites = {"login": entra.login, "graph": entra.graph, "arm": entra.arm_url, "issuer": entra.issuer.url}
    return "\n".join(f"{name:8}{where}" for name, where in {**sites, "CA": entra.ca_file}.items())


def _example(entra: Entra) -> str:
    """Registers an application, writes a token for it, and returns the commands that sign in with it."""
    application = entra.application(roles=["Organization.Read.All"])
    application.federate(issuer=entra.issuer.url, subject=SUBJECT)
    token_file = entra.ca_file.with_name("token")
    token_file.touch(mode=0o600)
    token_file.write_text(entra.issuer.token(subject=SUBJECT, lifetime=TOKEN_SECONDS))
    form = {
        "grant_type": "client_credentials",
        "client_id": application.client_id,
        "scope": entra.graph_scope,
        "client_assertion_type": JWT_BEARER,
    }
    fields = " ".join(f"-d {shlex.quote(f'{name}={value}')}" for name, value in form.items())
    ca_file, at_token = shlex.quote(str(entra.ca_file)), shlex.quote(f"client_assertion@{token_file}")
    where = f"{entra.login}{application.tenant_id}{TOKEN_PATH}"
    environment = entra.environment(application, token_file=token_file)
    return "\n".join(
        [
            "",
            "An application with the role Organization.Read.All, and a token file, to try it with:",
            *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
            "",
            f"curl --cacert {ca_file} {fields} --data-urlencode {at_token} {where}",
            "",
            "An administrator of the tenant and the subscription, for az; a user signs in at once by a device code:",
            *_for_az(entra),
        ]
    )


def _for_az(entra: Entra) -> list[str]:
    """Registers an administrator, a user and a managed identity, and returns the commands by which az signs in."""
    administrator = entra.application(name="administrator", roles=(*ADMINISTRATION, "Organization.Read.All"))
    user = entra.users.signed_in = entra.user()
    for who in (administrator, user):
        entra.arm.access.grant(who, "Owner")
    entra.managed_identity("shop")
    as_whom = f"--username {administrator.client_id} --tenant {administrator.tenant_id}"
    return [
        "export AZURE_CORE_INSTANCE_DISCOVERY=false",
        f"az cloud register --name emulator --endpoint-resource-manager {entra.arm_url}",
        "az cloud set --name emulator",
        f"az login --service-principal {as_whom} --password={administrator.add_secret()}",
        "az login --use-device-code",
    ]


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _log(asked: Asked) -> None:
    _say(json.dumps({name: value for name, value in asdict(asked).items() if value not in ("", None, {})}, default=str))


def _complain(text: str) -> int:
    sys.stderr.write(f"python -m testbed.entra: {text}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
