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

from webhook.core.messages import entra as kinds
from webhook.core.text import shown
from webhook.findings import Finding, finding, forbidden_user

DISCOVERY: Final = "/.well-known/openid-configuration"
KEYS: Final = "/openid/v1/jwks"
ACCEPTED: Final = "application/json, application/jwk-set+json"  # kube-apiserver gives keys as the latter alone

MOST_KEYS: Final = 100
_LONGEST: Final = 600  # characters of an issuer in a federated identity credential
_FEWEST_BITS: Final = 2048
_PRIVATE: Final = (".local", ".svc", ".internal", ".localhost", ".lan", ".home.arpa", ".test", ".invalid")
_SECRET_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


class NoDocument(Exception):
    """The answer is not the document that was expected. The message is the end of a sentence."""


def read_discovery(body: bytes) -> dict[str, Any]:
    """A discovery document. Raises NoDocument."""
    document = _object(body)
    if not isinstance(document.get("issuer"), str) or not document["issuer"]:
        raise NoDocument("it does not name an issuer")
    return document


def read_keys(body: bytes) -> tuple[dict[str, Any], ...]:
    """The keys of a JSON Web Key Set. Raises NoDocument."""
    keys = _object(body).get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise NoDocument("it has no list of keys")
    return tuple(keys)


def unreadable(path: str, status: int, reason: str) -> Finding:
    """kube-apiserver answered `status` instead of the cluster's own document at `path`."""
    if status == 403:
        return finding("cluster", kinds.DOCUMENT_FORBIDDEN, path=path, user=forbidden_user(reason))
    if status == 404:
        return finding("cluster", kinds.DOCUMENT_ABSENT, path=path)
    return finding("cluster", kinds.DOCUMENT_UNREADABLE, path=path, reason=reason)


def not_understood(path: str, error: NoDocument) -> Finding:
    """The cluster's own document at `path` is something else."""
    return finding("cluster", kinds.DOCUMENT_NOT_UNDERSTOOD, path=path, reason=str(error))


def check_address(issuer: str) -> Finding:
    """Whether the issuer looks like an address that Entra can reach."""
    obstacle = _obstacle(issuer)
    if obstacle:
        return finding("address", kinds.ISSUER_UNUSABLE, issuer=issuer, reason=obstacle)
    if len(issuer) > _LONGEST:
        return finding("address", kinds.ISSUER_TOO_LONG, length=len(issuer), limit=_LONGEST)
    slash = "ends with a slash" if issuer.endswith("/") else "has no slash at its end"
    return finding("address", kinds.ISSUER_USABLE, issuer=issuer, slash=slash)


def check_host(issuer: str, addresses: Sequence[str]) -> Finding | None:
    """The finding if all of `addresses`, to which the name of the issuer's host leads, are private."""
    if not addresses or any(ipaddress.ip_address(each).is_global for each in addresses):
        return None
    return finding("address", kinds.ISSUER_PRIVATE, issuer=issuer, addresses=", ".join(addresses[:3]))


def discovery_url(base: str) -> str:
    """Where the discovery document of an issuer is, whether or not `base` ends with a slash."""
    return base.removesuffix("/") + DISCOVERY


def keys_url(issuer: str, jwks_uri: str, base: str) -> str:
    """Where to look for the keys when the documents of `issuer` are looked for at `base`."""
    issuer, base = issuer.removesuffix("/"), base.removesuffix("/")
    return base + jwks_uri.removeprefix(issuer) if jwks_uri.startswith(issuer + "/") else jwks_uri


def compare_issuer(issuer: str, document: Mapping[str, Any], url: str) -> Finding:
    """Whether the public discovery document is that of `issuer`."""
    found = str(document["issuer"])
    if found == issuer:
        return finding("discovery", kinds.PUBLIC_ISSUER_SAME, url=url)
    difference = ""
    if found.removesuffix("/") == issuer.removesuffix("/"):
        difference = ": they differ in the slash at the end"
    elif found.lower() == issuer.lower():
        difference = ": they differ in upper and lower case"
    return finding(
        "discovery", kinds.PUBLIC_ISSUER_OTHER, url=url, found=shown(found, 200), issuer=issuer, difference=difference
    )


def check_keys_address(document: Mapping[str, Any], url: str) -> Finding | None:
    """The finding if Entra cannot fetch the keys from where the public discovery document says."""
    address = document.get("jwks_uri")
    if not isinstance(address, str) or not address:
        return finding("keys", kinds.KEYS_ADDRESS_MISSING, url=url)
    obstacle = _obstacle(address)
    if obstacle:
        return finding("keys", kinds.KEYS_ADDRESS_UNUSABLE, value=shown(address, 200), url=url, reason=obstacle)
    return None


def not_fetched(about: str, url: str, reason: str) -> Finding:
    """A public document could not be fetched."""
    return finding(about, kinds.NOT_FETCHED, url=url, reason=reason)


def redirected(about: str, url: str, target: str) -> Finding:
    """A public document is somewhere else."""
    return finding(about, kinds.REDIRECTED, url=url, target=shown(target, 200))


def check_keys(found: Sequence[Mapping[str, Any]], where: str) -> Iterator[Finding]:
    """Whether Entra can use a set of keys; `where` begins a sentence."""
    if not found:
        yield finding("keys", kinds.KEYS_MISSING, where=where)
        return
    problems = [*_key_problems(found, where)]
    yield from problems
    if not problems:
        yield finding("keys", kinds.KEYS_USABLE, where=where, keys=f"{len(found)} key{'s' if len(found) > 1 else ''}")


def compare_keys(
    cluster: Sequence[Mapping[str, Any]], public: Sequence[Mapping[str, Any]], url: str
) -> Iterator[Finding]:
    """Whether the keys that are published are those of the cluster, by id and content."""
    own = {str(key.get("kid")): _material(key) for key in cluster}
    published = {str(key.get("kid")): _material(key) for key in public}
    missing = [kid for kid in own if kid not in published]
    different = [kid for kid in own if kid in published and own[kid] != published[kid]]
    more = [kid for kid in published if kid not in own]
    for kind, ids in ((kinds.KEYS_NOT_PUBLISHED, missing), (kinds.KEYS_DIFFER, different), (kinds.KEYS_UNKNOWN, more)):
        if ids:
            yield finding("keys", kind, url=url, keys=_listed(ids))
    if not missing and not different and not more:
        yield finding("keys", kinds.KEYS_SAME, url=url)


def documents(issuer: str, discovery: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What to publish: the text of each file by its path below the issuer. Same input, same text."""
    published = dict(discovery) | {"issuer": issuer, "jwks_uri": issuer.removesuffix("/") + KEYS}
    return {
        DISCOVERY.removeprefix("/"): json.dumps(published, indent=2) + "\n",
        KEYS.removeprefix("/"): json.dumps({"keys": list(found)}, indent=2) + "\n",
    }


def host(url: str) -> str:
    """The host in a URL, in lower case; "" if it does not have one."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _obstacle(url: str) -> str:
    """What keeps Entra from ever fetching `url`, as the end of a sentence, or ""."""
    name = host(url)
    if url != url.strip() or not url.startswith("https://") or not name:
        return "is not an https URL"
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
        yield finding("keys", kinds.KEY_PRIVATE, where=where)
    if len(found) > MOST_KEYS:
        yield finding("keys", kinds.KEYS_TOO_MANY, where=where, count=len(found), limit=MOST_KEYS)
    ids = Counter(kid if isinstance(kid := key.get("kid"), str) else "" for key in found)
    if ids[""]:
        yield finding("keys", kinds.KEY_WITHOUT_ID, where=where, count=ids[""])
    repeated = [kid for kid, count in ids.items() if kid and count > 1]
    if repeated:
        yield finding("keys", kinds.KEY_REPEATED, where=where, keys=_listed(repeated))
    others = [key for key in found if key.get("kty") != "RSA" or key.get("alg", "RS256") != "RS256"]
    if others:
        kind = kinds.ALGORITHM_UNSUPPORTED if len(others) == len(found) else kinds.ALGORITHM_UNSUPPORTED_PARTLY
        algorithms = ", ".join(sorted({shown(str(key.get("alg") or key.get("kty"))) for key in others}))
        yield finding("keys", kind, where=where, algorithms=algorithms)
    short = [key for key in found if key.get("kty") == "RSA" and _bits(key) < _FEWEST_BITS]
    if short:
        yield finding("keys", kinds.KEY_SHORT, where=where, bits=_bits(short[0]), fewest=_FEWEST_BITS)


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
        raise NoDocument("it is not JSON") from None
    if not isinstance(document, dict):
        raise NoDocument("it is not a JSON object")
    return document


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return f"key{'s' if len(ids) > 1 else ''} {', '.join(shown(kid) for kid in ids[:3])}{more}"
