"""ServiceAccounts from YAML files, for machines without a cluster."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from webhook.accounts.source import account_from
from webhook.core.identity import Account


class _Loader(yaml.CSafeLoader):
    """Dates stay text, possible ones and others, as for kubectl."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


class BadFiles(Exception):
    """Files that hold no ServiceAccounts, or wrong ones; `problems` has a line for each mistake."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class FileAccounts:
    """ServiceAccounts from YAML files, for machines without a cluster. Read once; all mistakes are told at once."""

    def __init__(self, path: Path, accounts: Mapping[tuple[str, str], Account]) -> None:
        self._path = path
        self._accounts = accounts

    @classmethod
    def read(cls, path: Path) -> "FileAccounts":
        """The ServiceAccounts in a file, or in all *.yaml, *.yml and *.json of a folder. Raises BadFiles."""
        try:
            inside = sorted(path.iterdir()) if path.is_dir() else None
        except OSError as error:
            raise BadFiles([f"{path}: {error.strerror}"]) from None
        files = [path] if inside is None else [file for file in inside if file.suffix in (".yaml", ".yml", ".json")]
        accounts: dict[tuple[str, str], Account] = {}
        problems: list[str] = []
        for file in files:
            try:
                documents = list(yaml.load_all(file.read_text(encoding="utf-8"), _Loader))
            except OSError as error:
                problems.append(f"{file}: {error.strerror}")
                continue
            except (yaml.YAMLError, ValueError) as error:  # the latter for what a tag says and the text is not
                problems.append(f"{file}: no YAML: {' '.join(str(error).split())}")
                continue
            for document in documents:
                for found in _accounts_in(document, f"{file}", problems):
                    accounts[found.namespace, found.name] = found
        if not problems and not accounts:
            problems.append(f"{path}: there is no ServiceAccount in it")
        if problems:
            raise BadFiles(problems)
        return cls(path, accounts)

    def __str__(self) -> str:
        return str(self._path)

    def __len__(self) -> int:
        return len(self._accounts)

    async def get(self, namespace: str, name: str, *, seconds: float) -> Account | None:
        """See AccountSource; never fails."""
        return self._accounts.get((namespace, name))


def _accounts_in(document: Any, place: str, problems: list[str]) -> list[Account]:
    if not isinstance(document, dict):
        return []
    kind = document.get("kind")
    if kind in ("List", "ServiceAccountList") and isinstance(document.get("items"), list):
        # What the API server lists does not repeat its kind.
        implied = {"kind": "ServiceAccount"} if kind == "ServiceAccountList" else {}
        items = [implied | item if isinstance(item, dict) else item for item in document["items"]]
        return [account for item in items for account in _accounts_in(item, place, problems)]
    if kind != "ServiceAccount":
        return []
    try:
        return [account_from(document, place=place)]
    except ValueError as error:
        problems.append(str(error))
        return []
