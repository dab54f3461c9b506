"""What tests of `fic plan`, `apply` and `prune` share: ServiceAccounts, Entra, and the caller who signs in to it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.entra.directory import Application
from testbed.entra.emulator import Entra, running
from testbed.entra.proxy import proxying
from tests.commands.live import Ran, endpoint, run
from webhook.entra.mark import mark

ISSUER = "https://oidc.example.com/prod/"
BEFORE = "https://oidc.example.com/before/"
STAGE = "https://oidc.example.com/stage/"
AUDIENCE = "api://AzureADTokenExchange"


@dataclass
class World:
    """Entra, a caller who may write what it owns, and the API server's part that the commands read.

    accounts: the annotations of each ServiceAccount, by namespace/name. refused: statuses of the API server by path.
    """

    entra: Entra
    folder: Path
    proxy: str
    accounts: dict[str, Mapping[str, str]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    issuer: str = ISSUER
    page: int = 3
    secret: str = field(init=False, repr=False)
    caller: Application = field(init=False)

    def __post_init__(self) -> None:
        self.caller = self.entra.application(name="caller", roles=["Application.ReadWrite.OwnedBy"])
        self.secret = self.caller.add_secret()

    def reset(self) -> None:
        """No ServiceAccounts, faults and requests. What is in Entra stays."""
        self.accounts.clear()
        self.refused.clear()
        self.entra.clear()
        self.entra.forget_requests()
        self.issuer = ISSUER

    def application(self, name: str, *, owned: bool = True) -> Application:
        """A new application, of which the caller is an owner."""
        found = self.entra.application(name=name)
        if owned:
            found.owners.append(self.caller.object_id)
        return found

    def account(self, name: str, application: Application | str, **annotations: str) -> None:
        """A ServiceAccount, namespace/name, that names an application."""
        client = application if isinstance(application, str) else application.client_id
        more = {f"m365.workload.identity/{key}": value for key, value in annotations.items()}
        self.accounts[name] = {"azure.workload.identity/client-id": client, **more}

    def environ(self) -> dict[str, str]:
        """As a pipeline has it."""
        return {
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "HTTPS_PROXY": self.proxy,
            "SSL_CERT_FILE": str(self.entra.ca_file),
            "AZURE_CLIENT_ID": self.caller.client_id,
            "AZURE_TENANT_ID": self.caller.tenant_id,
            "AZURE_CLIENT_SECRET": self.secret,
        }

    def fic(self, action: str, *arguments: str, environ: Mapping[str, str] | None = None) -> Ran:
        """The command, of the whole cluster unless the arguments say otherwise."""
        selected = () if {"-n", "-A", "--service-account"} & {*arguments} else ("-A",)
        return run("fic", action, *selected, *arguments, environ={**self.environ(), **(environ or {})})

    def states(self, *arguments: str) -> dict[str, list[str]]:
        """What the plan says: the states of each ServiceAccount or credential."""
        found: dict[str, list[str]] = {}
        for each in self.fic("plan", "-o", "json", *arguments).json["credentials"]:
            found.setdefault(each["serviceAccount"], []).append(each["state"])
        return {name: sorted(states) for name, states in sorted(found.items())}

    def answer(self, path: str) -> tuple[int, bytes, Mapping[str, str]]:
        """The API server's answer to a path."""
        plain, _, query = path.partition("?")
        if plain in self.refused:
            return self.refused[plain], b'{"message": "User \\"me\\" cannot list"}', {}
        if plain == "/.well-known/openid-configuration":
            return 200, json.dumps({"issuer": self.issuer}).encode(), {}
        parts = plain.strip("/").split("/")
        namespace = parts[3] if "namespaces" in parts else ""
        items = [_account(name, self.accounts[name]) for name in sorted(self.accounts)]
        items = [each for each in items if namespace in ("", each["metadata"]["namespace"])]
        if parts[-1] != "serviceaccounts":
            items = [each for each in items if each["metadata"]["name"] == parts[-1]]
            return (200, json.dumps(items[0]).encode(), {}) if items else (404, b"{}", {})
        start = int(query.partition("continue=")[2].partition("&")[0] or 0)
        more = {"continue": str(start + self.page)} if start + self.page < len(items) else {}
        page = {"metadata": more, "items": items[start : start + self.page]}
        return 200, json.dumps(page).encode(), {}


def _account(name: str, annotations: Mapping[str, str]) -> dict[str, Any]:
    namespace, _, own = name.partition("/")
    return {"metadata": {"namespace": namespace, "name": own, "annotations": dict(annotations)}}


@contextmanager
def world(folder: Path, *, cloud: str = "public") -> Iterator[World]:
    """Everything, for the time of the block."""
    with ExitStack() as stack:
        entra = stack.enter_context(running(cloud=cloud))
        proxy = stack.enter_context(proxying(routes=entra.routes))
        found = World(entra, folder, proxy.url)
        port = stack.enter_context(endpoint(None, found.answer))
        server = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [server],
            "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c", "namespace": "shop"}}],
        }
        (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
        yield found


def subject(account: str) -> str:
    """The subject of a ServiceAccount, namespace/name."""
    return f"system:serviceaccount:{account.replace('/', ':')}"


def put(
    application: Application, account: str, *, issuer: str = ISSUER, marked: str | None = None, **changes: str
) -> None:
    """A credential of `account` in Entra. marked: made by us for the cluster of this name, "" for one without."""
    whose = changes.pop("whose", subject(account))
    application.federate(
        issuer=issuer,
        subject=whose,
        audience=changes.pop("audience", AUDIENCE),
        name=changes.pop("name", ""),
        description="" if marked is None else mark(issuer, subject(account), marked),
    )
