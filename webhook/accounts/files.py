"""ServiceAccounts from files, for machines without a cluster. `mutate` finds its ServiceAccounts here, too."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from webhook.accounts.source import BadAccount, account_from
from webhook.core.identity import Account
from webhook.core.messages import Message, Place, manifests, message
from webhook.documents import metadata
from webhook.documents.files import Manifest, read_manifests

DEFAULT_NAMESPACE: Final = "default"


class BadFiles(Exception):
    """Files without ServiceAccounts, or with wrong ones; `problems` has each mistake."""

    def __init__(self, problems: Iterable[Message]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class FileAccounts:
    """ServiceAccounts from files, read once. warnings: what is suspicious in the files, as `mutate` reports it."""

    def __init__(
        self, path: Path, accounts: Mapping[tuple[str, str], Account], warnings: Iterable[Message] = ()
    ) -> None:
        self._path = path
        self._accounts = accounts
        self.warnings = tuple(warnings)

    @classmethod
    def read(cls, path: Path) -> "FileAccounts":
        """The ServiceAccounts in a file, or in all *.yaml, *.yml and *.json of a folder. Raises BadFiles."""
        files = read_manifests([str(path)])
        problems = [*files.problems]
        accounts: dict[tuple[str, str], Account] = {}
        for manifest in files.manifests:
            try:
                found = account_in(manifest, DEFAULT_NAMESPACE)
            except BadFiles as error:
                problems += error.problems
                continue
            if found:
                accounts[found.namespace, found.name] = found
        if not problems and not accounts:
            problems.append(message(manifests.NO_ACCOUNT, Place(str(path))))
        if problems:
            raise BadFiles(problems)
        return cls(path, accounts, files.warnings)

    def __str__(self) -> str:
        return str(self._path)

    def __len__(self) -> int:
        return len(self._accounts)

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        """See AccountSource; never fails."""
        return self._accounts.get((namespace, name))


def is_account(manifest: Manifest) -> bool:
    """Whether the object is a ServiceAccount."""
    return (manifest.group, manifest.kind) == ("", "ServiceAccount")


def account_in(manifest: Manifest, namespace: str) -> Account | None:
    """The ServiceAccount that the object is, None if it is something else. Raises BadFiles.

    namespace: used if the object names none. A ServiceAccount that has only a generateName is None as well:
    kube-apiserver makes its name up, so no pod can mean it.
    """
    if not is_account(manifest):
        return None
    problems = [*metadata.problems(manifest, "metadata")]
    if problems:
        raise BadFiles(problems)
    if manifest.metadata.get("generateName") and not manifest.metadata.get("name"):
        return None
    document = {"metadata": {**manifest.metadata, "namespace": manifest.namespace(namespace)}}
    try:
        return account_from(document, place=manifest.place("metadata"))
    except BadAccount as error:
        raise BadFiles([error.problem]) from None
