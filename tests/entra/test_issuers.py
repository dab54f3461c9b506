"""Whether Entra can use an issuer, by its address, its discovery document and its keys."""

import base64
from typing import Any

import pytest

from tests.entra.support import DISCOVERY, HOME, KEYS, MODULUS, key
from webhook.entra import issuers
from webhook.findings import Status, worst


@pytest.mark.parametrize(
    ("issuer", "problem"),
    [
        ("http://issuer.example.com", "is not an https URL"),
        ("kubernetes/serviceaccount", "is not an https URL"),
        ("https://issuer.example.com ", "is not an https URL"),
        ("https://kubernetes.default.svc", "Entra can never reach"),
        ("https://kubernetes.default.svc.cluster.local", "Entra can never reach"),
        ("https://10.0.0.1:6443", "is a private address"),
        ("https://[fd00::1]", "is a private address"),
        ("https://localhost", "is a private address"),
        ("https://issuer.corp.internal/x", "is a private address"),
        ("https://issuer.example.com/?tenant=1", "has a query"),
        ("https://user:word@issuer.example.com/", "has a query, a fragment or a password"),
        ("https://issuer.example.com/" + "x" * 600, "Entra takes 600"),
    ],
)
def test_an_address_that_entra_cannot_reach_is_reported_with_the_flag(issuer: str, problem: str) -> None:
    """Each has to do with kube-apiserver's --service-account-issuer."""
    found = issuers.check_address(issuer)
    assert found.status is Status.FAIL
    assert problem in found.detail
    assert "--service-account-issuer" in found.fix


@pytest.mark.parametrize(("issuer", "said"), [(f"{HOME}/", "ends with a slash"), (HOME, "has no slash at its end")])
def test_the_slash_at_the_end_is_reported(issuer: str, said: str) -> None:
    """The classic mistake: the credential has to have it, too."""
    found = issuers.check_address(issuer)
    assert found.status is Status.OK
    assert said in found.detail


def test_a_name_with_private_addresses_only_is_reported() -> None:
    """A name of the company's own network; one public address is enough."""
    assert issuers.check_host(HOME, ["10.1.2.3", "fd00::2"]) is not None
    assert issuers.check_host(HOME, ["10.1.2.3", "8.8.8.8"]) is None
    assert issuers.check_host(HOME, []) is None  # the fetch tells of that


def test_the_documents_are_looked_for_below_the_issuer_whatever_its_slash() -> None:
    """No double slash; keys that the document names below the issuer are looked for at the other place."""
    assert issuers.discovery_url(f"{HOME}/") == issuers.discovery_url(HOME) == f"{HOME}/{DISCOVERY}"
    assert issuers.keys_url(f"{HOME}/", f"{HOME}/{KEYS}", "https://stage.example.com/") == (
        f"https://stage.example.com/{KEYS}"
    )
    assert issuers.keys_url(HOME, "https://keys.example.com/k", "https://stage.example.com") == (
        "https://keys.example.com/k"
    )


@pytest.mark.parametrize(
    ("found", "how"),
    [
        (f"{HOME}/", "they differ in the slash at the end"),
        (HOME.replace("prod", "Prod"), "they differ in upper and lower case"),
        ("https://other.example.com", "names the issuer https://other.example.com"),
    ],
)
def test_another_issuer_in_public_is_reported_with_the_difference(found: str, how: str) -> None:
    """Entra compares it letter by letter."""
    finding = issuers.compare_issuer(HOME, {"issuer": found}, "https://x/y")
    assert finding.status is Status.FAIL
    assert how in finding.detail


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "does not say where the keys are"),
        ({"jwks_uri": "https://172.18.0.2:6443/openid/v1/jwks"}, "is a private address"),
        ({"jwks_uri": "http://issuer.example.com/jwks"}, "is not an https URL"),
    ],
)
def test_keys_that_entra_cannot_fetch_are_reported(document: dict[str, str], problem: str) -> None:
    """kube-apiserver's own document names its own address, unless it is told another."""
    finding = issuers.check_keys_address(document, "https://x/y")
    assert finding is not None
    assert problem in finding.detail


@pytest.mark.parametrize(
    ("keys", "status", "problem"),
    [
        ([], Status.FAIL, "has no keys"),
        ([key(str(number)) for number in range(101)], Status.FAIL, "Entra keeps the first 100"),
        ([key(None)], Status.FAIL, "has 1 without an id"),
        ([key("a"), key("a")], Status.FAIL, "has key a more than once"),
        ([key(d="secret")], Status.FAIL, "holds a PRIVATE key"),
        ([key(kty="EC", alg="ES256", n=None, e=None, crv="P-256", x="x", y="y")], Status.FAIL, "keys for ES256"),
        ([key("a"), key("b", alg="RS512")], Status.WARN, "keys for RS512"),
        ([key(n=base64.urlsafe_b64encode(b"\xc5" * 128).decode())], Status.WARN, "RSA key of 1024 bits"),
        ([key("a"), key("b", alg=None)], Status.OK, "has 2 keys, RS256"),
    ],
)
def test_keys_that_entra_cannot_use_are_reported(keys: list[dict[str, Any]], status: Status, problem: str) -> None:
    """Number, ids, algorithm, length; and what must never be published."""
    found = [*issuers.check_keys(keys, "It")]
    assert worst(found) is status
    assert any(problem in finding.detail for finding in found)
    assert not any("secret" in finding.detail for finding in found)
    assert all(finding.fix for finding in found if finding.status is not Status.OK)


@pytest.mark.parametrize(
    ("public", "status", "problem"),
    [
        ([key("a")], Status.FAIL, "does not have key b"),
        ([key("a"), key("b", e="AQAC")], Status.FAIL, "another key of the id key b"),
        ([key("a"), key("b"), key("c")], Status.WARN, "key c, which the cluster does not have"),
        ([key("b"), key("a", n=MODULUS + "==")], Status.OK, "has the cluster's keys"),
    ],
)
def test_published_keys_are_compared_with_the_clusters(
    public: list[dict[str, Any]], status: Status, problem: str
) -> None:
    """By id and content, however they are ordered and padded."""
    found = [*issuers.compare_keys([key("a"), key("b")], public, "https://x/y")]
    assert worst(found) is status
    assert any(problem in finding.detail for finding in found)


@pytest.mark.parametrize(
    ("status", "problem", "fix"),
    [
        (403, "RBAC forbids it", "system:service-account-issuer-discovery"),
        (404, "its issuer is not an https URL", "--service-account-issuer"),
        (500, "HTTP 500: etcd", "/readyz"),
    ],
)
def test_an_unreadable_document_is_reported_with_its_own_fix(status: int, problem: str, fix: str) -> None:
    """Each state has its own fix."""
    finding = issuers.unreadable(issuers.DISCOVERY, status, "HTTP 500: etcd")
    assert problem in finding.detail
    assert fix in finding.fix


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"issuer": ""}', b"[" * 100_000])
def test_anything_but_a_discovery_document_is_refused(body: bytes) -> None:
    """A login page, a list, no issuer, rubbish."""
    with pytest.raises(issuers.NoDocument):
        issuers.read_discovery(body)


@pytest.mark.parametrize("body", [b"", b'{"keys": {}}', b'{"keys": ["a"]}'])
def test_anything_but_a_key_set_is_refused(body: bytes) -> None:
    """Nothing, an object and texts instead of keys."""
    with pytest.raises(issuers.NoDocument):
        issuers.read_keys(body)
