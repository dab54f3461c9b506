"""Whether Entra can use a cluster's ServiceAccount issuer: what its documents say, in the cluster and in public.

Entra fetches `ISSUER/.well-known/openid-configuration` from the internet, then the keys that it names, and compares the
issuer of a token with that of the federated identity credential letter by letter, a slash at the end included. It
supports RS256 and keeps the first 100 keys.
"""

import base64
import ipaddress
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from webhook.findings import Finding, fail, ok, warn

DISCOVERY: Final = "/.well-known/openid-configuration"
KEYS: Final = "/openid/v1/jwks"

MOST_KEYS: Final = 100
_LONGEST: Final = 600  # characters of an issuer in a federated identity credential
_FEWEST_BITS: Final = 2048
_PRIVATE: Final = (".local", ".svc", ".internal", ".localhost", ".lan", ".home.arpa", ".test", ".invalid")
_SECRET_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})
_FLAGS: Final = "start kube-apiserver with --service-account-issuer=https://ADDRESS, one that the internet reaches"
_PUBLISH: Final = f"{_FLAGS}, and publish the two documents there (`issuer --export DIR` writes them)"
_UPLOAD: Final = "publish the cluster's two documents (`issuer --export DIR` writes them)"


class NoDocument(Exception):
    """What was answered is not the document that was asked for. One line."""


def read_discovery(body: bytes) -> dict[str, Any]:
    """A discovery document. Raises NoDocument."""
    document = _object(body)
    if not isinstance(document.get("issuer"), str) or not document["issuer"]:
        raise NoDocument("it names no issuer")
    return document


def read_keys(body: bytes) -> tuple[dict[str, Any], ...]:
    """The keys of a JSON Web Key Set. Raises NoDocument."""
    keys = _object(body).get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise NoDocument("it has no list of keys")
    return tuple(keys)


def unreadable(path: str, status: int, reason: str) -> Finding:
    """The cluster's own document at `path`, which kube-apiserver answered with `status`."""
    what = f"The cluster's {path} cannot be read"
    if status == 403:
        return fail(
            "cluster",
            f"{what}: RBAC forbids it.",
            fix="kubectl create clusterrolebinding m365-issuer-discovery "
            "--clusterrole=system:service-account-issuer-discovery --user=YOU",
        )
    if status == 404:
        return fail("cluster", f"{what}: kube-apiserver serves none, since its issuer is no https URL.", fix=_FLAGS)
    return fail("cluster", f"{what}: {reason}.", fix="see whether kube-apiserver is well: kubectl get --raw /readyz")


def no_document(path: str, error: NoDocument) -> Finding:
    """The cluster's own document at `path` makes no sense."""
    return fail("cluster", f"The cluster's {path} makes no sense: {error}.", fix="see what answers in its place")


def address(issuer: str) -> Finding:
    """Whether Entra could reach the issuer at all, by its looks."""
    shown = _shown(issuer)
    problem = _problem(issuer)
    if problem:
        return fail("address", f"The issuer {shown} {problem}.", fix=_PUBLISH)
    if len(issuer) > _LONGEST:
        return fail("address", f"The issuer has {len(issuer)} characters, and Entra takes {_LONGEST}.", fix=_FLAGS)
    slash = "ends with a slash" if issuer.endswith("/") else "has no slash at its end"
    return ok("address", f"The issuer is {shown}; it {slash}, and so must that of the federated identity credential.")


def private_address(issuer: str, addresses: Sequence[str]) -> Finding | None:
    """The finding when all of `addresses`, which the name of the issuer's host leads to, are private."""
    if not addresses or any(ipaddress.ip_address(each).is_global for each in addresses):
        return None
    return fail(
        "address",
        f"The host of {_shown(issuer)} has private addresses only ({', '.join(addresses[:3])}): Entra cannot reach it.",
        fix="let its public name lead to an address of the internet: Entra asks from outside",
    )


def discovery_url(base: str) -> str:
    """Where the discovery document of an issuer is, whether or not `base` ends with a slash."""
    return base.removesuffix("/") + DISCOVERY


def keys_url(issuer: str, jwks_uri: str, base: str) -> str:
    """Where to look for the keys when the documents of `issuer` are looked for at `base`."""
    issuer, base = issuer.removesuffix("/"), base.removesuffix("/")
    return base + jwks_uri.removeprefix(issuer) if jwks_uri.startswith(issuer + "/") else jwks_uri


def public_issuer(issuer: str, document: Mapping[str, Any], url: str) -> Finding:
    """Whether the public discovery document is that of `issuer`."""
    found = str(document["issuer"])
    if found == issuer:
        return ok("discovery", f"{url} can be reached and names the cluster's issuer.")
    how = ""
    if found.removesuffix("/") == issuer.removesuffix("/"):
        how = ": they differ in the slash at the end"
    elif found.lower() == issuer.lower():
        how = ": they differ in upper and lower case"
    return fail(
        "discovery",
        f"{url} names the issuer {_shown(found)}, and the cluster's tokens name {_shown(issuer)}{how}.",
        fix=f"{_UPLOAD}, or give kube-apiserver the issuer that is published",
    )


def public_keys_address(document: Mapping[str, Any], url: str) -> Finding | None:
    """The finding when Entra cannot fetch the keys from where the public discovery document says."""
    place = document.get("jwks_uri")
    if not isinstance(place, str) or not place:
        return fail("keys", f"{url} does not say where the keys are (jwks_uri).", fix=_UPLOAD)
    problem = _problem(place)
    if problem:
        return fail(
            "keys",
            f"The jwks_uri {_shown(place)} of {url} {problem}.",
            fix=f"{_UPLOAD}; where kube-apiserver's own document is published, set --service-account-jwks-uri",
        )
    return None


def not_reached(about: str, url: str, reason: str) -> Finding:
    """A public document that was not there."""
    return fail(
        about,
        f"{url} cannot be fetched: {reason}.",
        fix=f"{_UPLOAD} so that anybody can read them over https, without signing in",
    )


def redirected(about: str, url: str, where: str) -> Finding:
    """A public document that is somewhere else."""
    return warn(
        about,
        f"{url} leads on to {_shown(where)}, and it is not documented that Entra follows.",
        fix="serve the document at the address itself",
    )


def keys(found: Sequence[Mapping[str, Any]], where: str) -> Iterator[Finding]:
    """Whether Entra can use a set of keys; `where` begins a sentence."""
    if not found:
        yield fail("keys", f"{where} has no keys, so no token can be verified.", fix=_UPLOAD)
        return
    before = True
    for problem in _key_problems(found, where):
        before = False
        yield problem
    if before:
        plural = "s" if len(found) > 1 else ""
        yield ok("keys", f"{where} has {len(found)} key{plural}, RS256, each with an id of its own.")


def same_keys(cluster: Sequence[Mapping[str, Any]], public: Sequence[Mapping[str, Any]], url: str) -> Iterator[Finding]:
    """Whether the keys that are published are those of the cluster, by id and content."""
    ours = {str(key.get("kid")): _material(key) for key in cluster}
    theirs = {str(key.get("kid")): _material(key) for key in public}
    lacking = [kid for kid in ours if kid not in theirs]
    different = [kid for kid in ours if kid in theirs and ours[kid] != theirs[kid]]
    more = [kid for kid in theirs if kid not in ours]
    if lacking:
        yield fail(
            "keys",
            f"{url} lacks {_listed(lacking)} of the cluster: Entra refuses every token that is signed with it.",
            fix=f"{_UPLOAD} again, as after each change of the signing key; keep the old keys for a day",
        )
    if different:
        yield fail(
            "keys", f"{url} has another key of the id {_listed(different)} than the cluster.", fix=f"{_UPLOAD} again"
        )
    if more:
        yield warn(
            "keys",
            f"{url} has {_listed(more)}, which the cluster has not: whoever holds it can sign in as any pod.",
            fix="right for a day after a change of the signing key; after that take it out",
        )
    if not lacking and not different and not more:
        yield ok("keys", f"{url} has the cluster's keys.")


def documents(issuer: str, discovery: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What to publish: the text of each file by its path below the issuer. Same input, same text."""
    published = dict(discovery) | {"issuer": issuer, "jwks_uri": issuer.removesuffix("/") + KEYS}
    return {
        DISCOVERY.removeprefix("/"): json.dumps(published, indent=2) + "\n",
        KEYS.removeprefix("/"): json.dumps({"keys": list(found)}, indent=2) + "\n",
    }


def host(url: str) -> str:
    """The host in a URL, in lower case; "" when there is none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _problem(url: str) -> str:
    """What keeps Entra from ever fetching `url`, as the end of a sentence, or ""."""
    name = host(url)
    if url != url.strip() or not url.startswith("https://") or not name:
        return "is no https URL"
    parts = urlsplit(url)
    if parts.query or parts.fragment or parts.username or parts.password:
        return "has a query, a fragment or a password in it"
    if name.startswith("kubernetes.default"):
        return "is the cluster's own name for itself, which Entra can never reach"
    try:
        private = not ipaddress.ip_address(name).is_global
    except ValueError:
        private = "." not in name or name.endswith(_PRIVATE)
    return "is a private address, which Entra cannot reach" if private else ""


def _key_problems(found: Sequence[Mapping[str, Any]], where: str) -> Iterator[Finding]:
    if any(not _SECRET_MEMBERS.isdisjoint(key) for key in found):
        yield fail(
            "keys",
            f"{where} holds a PRIVATE key: whoever reads it can sign in as any pod of the cluster.",
            fix="take it down, give kube-apiserver a new signing key, and publish what `issuer --export DIR` writes",
        )
    if len(found) > MOST_KEYS:
        yield fail(
            "keys",
            f"{where} has {len(found)} keys, and Entra keeps the first {MOST_KEYS}.",
            fix="take out those that sign nothing any more",
        )
    ids = Counter(kid if isinstance(kid := key.get("kid"), str) else "" for key in found)
    if ids[""]:
        yield fail("keys", f"{where} has {ids['']} without an id (kid), by which Entra finds a key.", fix=_UPLOAD)
    repeated = [kid for kid, count in ids.items() if kid and count > 1]
    if repeated:
        yield fail("keys", f"{where} has {_listed(repeated)} more than once.", fix="keep one key of each id")
    others = [key for key in found if key.get("kty") != "RSA" or key.get("alg", "RS256") != "RS256"]
    if others:
        algorithms = ", ".join(sorted({_shown(str(key.get("alg") or key.get("kty"))) for key in others}))
        sentence = f"{where} has keys for {algorithms}, and Entra supports RS256."
        fix = "sign with an RSA key: kube-apiserver's --service-account-signing-key-file"
        yield fail("keys", sentence, fix=fix) if len(others) == len(found) else warn("keys", sentence, fix=fix)
    short = [key for key in found if key.get("kty") == "RSA" and _bits(key) < _FEWEST_BITS]
    if short:
        yield warn(
            "keys",
            f"{where} has an RSA key of {_bits(short[0])} bits, fewer than {_FEWEST_BITS}.",
            fix="sign with a longer one: kube-apiserver's --service-account-signing-key-file",
        )


def _material(key: Mapping[str, Any]) -> tuple[str, ...]:
    """What a public key is made of, however its numbers are padded."""
    return tuple(str(key.get(member, "")).rstrip("=") for member in ("kty", "n", "e", "crv", "x", "y"))


def _bits(key: Mapping[str, Any]) -> int:
    modulus = str(key.get("n", ""))
    try:
        return int.from_bytes(base64.urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length()
    except ValueError:
        return 0


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise NoDocument("it is no JSON") from None
    if not isinstance(document, dict):
        raise NoDocument("it is no JSON object")
    return document


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return f"key{'s' if len(ids) > 1 else ''} {', '.join(_shown(kid) for kid in ids[:3])}{more}"


def _shown(text: str) -> str:
    """Text from elsewhere, in one short line."""
    line = ascii(text)[1:-1]
    return line if len(line) <= 200 else f"{line[:197]}..."
