"""What `doctor` says, as data; a pod in which all is well down to the certificates; and single checks, called."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from certs.authority import make_leaf
from certs.pem import bundle_pem
from m365_identity.__main__ import main
from m365_identity._checks import Found
from m365_identity._checks.result import LinkFinding
from m365_identity._tokens.assertion import decode
from m365_identity.retry import Clock
from testbed.entra import Application, Entra, Listening, running
from testbed.entra.proxy import Proxy, proxying
from testbed.node.authority import authority
from tests.helper.tokens import jwt
from tests.helper_commands.processes import SUBJECT, Pod

__all__ = ["NOW", "Report", "Well", "doctor", "found", "kubelet", "one", "token", "well", "write"]

NOW = 1_900_000_000.0
"""When the checks are made that are called with a token of `token`."""


@dataclass(frozen=True)
class Report:
    """What `doctor -o json` printed."""

    code: int
    document: Mapping[str, Any]

    def all(self, check: str) -> Sequence[Mapping[str, Any]]:
        """The results of a check."""
        return [result for result in self.document["checks"] if result["id"] == check]

    def worst(self, check: str) -> Mapping[str, Any]:
        """The result of a check that matters most."""
        return max(self.all(check), key=lambda result: ("ok", "skip", "warn", "fail").index(result["status"]))

    def status(self, check: str) -> str:
        return str(self.worst(check)["status"])

    def detail(self, check: str) -> str:
        return str(self.worst(check)["detail"])

    def fix(self, check: str) -> str:
        return str(self.worst(check)["fix"])

    def failed(self) -> set[str]:
        """The checks of which a result is "fail"."""
        return {result["id"] for result in self.document["checks"] if result["status"] == "fail"}


def doctor(environ: Mapping[str, str], *arguments: str) -> Report:
    """`m365-identity doctor -o json ARGUMENTS`, in this process, whose own environment is the same meanwhile."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environ, clear=True),  # requests reads its proxies there
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(["doctor", "-o", "json", *arguments], environ)
    assert err.getvalue() == ""
    assert "eyJ" not in out.getvalue(), "a token, or part of one"
    return Report(code, json.loads(out.getvalue()))


def kubelet(folder: Path, content: str) -> Path:
    """A projected volume as the kubelet writes it: the token's path."""
    data = folder / "..2026_01_31_00_00_00.1"
    data.mkdir(parents=True)
    (data / "azure-identity-token").write_text(content)
    (folder / "..data").symlink_to(data.name)
    (folder / "azure-identity-token").symlink_to("..data/azure-identity-token")
    return folder / "azure-identity-token"


def write(pod: Pod, **claims: Any) -> str:
    """Puts a new token into the pod's file."""
    content = pod.entra.issuer.token(**({"subject": SUBJECT} | claims))
    pod.token_file.write_text(content)
    return content


@dataclass(frozen=True)
class Well:
    """A pod in which all is well: Microsoft's names behind a proxy, certificates as theirs, a public issuer."""

    entra: Entra
    proxy: Proxy
    application: Application
    environ: dict[str, str]


@contextlib.contextmanager
def well(folder: Path) -> Iterator[Well]:
    """That pod."""
    signer = authority(organization="Microsoft Corporation", common_name="Microsoft TLS Issuing CA 01")
    names = ("login.microsoftonline.com", "graph.microsoft.com", "localhost")
    now = dt.datetime.now(dt.UTC)
    pair = make_leaf(signer, names=names, now=now, lifetime=dt.timedelta(days=1))
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(bundle_pem([pair.certificate, signer.certificate]))
    key.write_bytes(pair.private_pem())
    issuer = "https://oidc.example.com/cluster/"
    with running(listening=Listening(tls=(certificate, key))) as entra, proxying(routes=entra.routes) as proxy:
        entra.trust_jwks(issuer, entra.issuer.jwks())
        application = entra.application(roles=["Organization.Read.All"])
        application.federate(issuer=issuer, subject=SUBJECT)
        path = kubelet(folder / "tokens", entra.issuer.token(subject=SUBJECT, iss=issuer))
        environ = entra.environment(application, token_file=path)
        environ |= {"HTTPS_PROXY": proxy.url, "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/"}
        yield Well(entra, proxy, application, environ)


def token(**claims: Any) -> str:
    """A token of shop/terraform, made at NOW for an hour; with some claims replaced, None to leave one out."""
    usual = {
        "iss": "https://oidc.example.com/cluster/",
        "sub": SUBJECT,
        "aud": ["api://AzureADTokenExchange"],
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 3600,
    }
    return jwt(**{name: value for name, value in (usual | claims).items() if value is not None})


def found(environ: Mapping[str, str] | None = None, *, now: float = NOW, **claims: Any) -> Found:
    """What is known after the token file was read: a token with these claims, at `now`."""
    told = Found(environ=environ or {}, clock=Clock(wall=lambda: now))
    told.assertion = decode(token(**claims))
    told.not_before = claims.get("nbf", NOW)
    return told


def one(check: Callable[[Found], Iterable[LinkFinding]], known: Found) -> LinkFinding:
    """The only finding of a check."""
    (finding,) = check(known)
    return finding
