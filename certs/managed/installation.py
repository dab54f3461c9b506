"""Whether Secret and webhook configuration are still those that a replica knows, or another installation's.

After an uninstallation its replicas live on for some seconds, while they drain. If the webhook is installed again
meanwhile, they find two new objects, and what they remember must not go into these: in caBundle it would be an
authority without a key, trusted for the life of a leaf certificate, and each new replica would wait until every
kube-apiserver knows the new authority, too (`certs.managed.next_step.waits_for_slow_apiservers`).

One object that was deleted and made again is repaired with what is remembered. So are both, if the new caBundle trusts
the leaf certificate that is served: then somebody has put them back.
"""

from __future__ import annotations

from collections.abc import Iterable

from certs.managed.ca_bundle import PublishedBundle
from certs.managed.steps import Leaf
from certs.pem import fingerprint

__all__ = ["Installation"]


class Installation:
    """The two objects as they were last read, by uid."""

    def __init__(self) -> None:
        self._configuration: str | None = None
        self._secret: str | None = None

    def is_another(
        self, configuration: str | None, secret: str | None, *, bundles: Iterable[PublishedBundle], leaf: Leaf | None
    ) -> bool:
        """Whether neither object is the one that was known, and no caBundle trusts `leaf`. Remembers what is there.

        configuration, secret: the uid of each, None if it is absent. The first reading finds another installation, and
        nothing is remembered then.
        """
        gone = configuration != self._configuration and secret != self._secret
        trusted = leaf is not None and any(fingerprint(leaf.authority) in each.fingerprints for each in bundles)
        another = gone and not trusted
        # One that is absent may come back, and it is then compared with the one before.
        self._configuration = configuration if another or configuration is not None else self._configuration
        self._secret = secret if another or secret is not None else self._secret
        return another
