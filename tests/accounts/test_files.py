"""ServiceAccounts from files: read as kubectl reads them, and as `mutate` does."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.cases import CLIENT, USUAL_ANNOTATIONS
from webhook.accounts.files import BadFiles, FileAccounts
from webhook.core import names
from webhook.core.identity import Account
from webhook.core.messages import Place, manifests, message

ACCOUNT = f"""\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: terraform
  namespace: shop
  annotations:
    azure.workload.identity/client-id: {CLIENT}
    example.com/other: "1"
"""


async def got(accounts: FileAccounts, name: str = "terraform", namespace: str = "shop") -> Account | None:
    return await accounts.get(namespace, name, seconds=0)


async def test_accounts_are_read_from_a_file(tmp_path: Path) -> None:
    """With those of their annotations that are ours."""
    (tmp_path / "sa.yaml").write_text(ACCOUNT)
    accounts = FileAccounts.read(tmp_path / "sa.yaml")
    assert await got(accounts) == Account("shop", "terraform", {names.AZURE_CLIENT_ID: CLIENT})
    assert await got(accounts, "other") is None
    assert await got(accounts, namespace="other") is None
    assert len(accounts) == 1


async def test_other_objects_are_ignored(tmp_path: Path) -> None:
    """A file may hold a whole application. Lists are searched; an account without namespace is in `default`."""
    items = ["{apiVersion: v1, kind: ServiceAccount, metadata: {name: listed}}", "{apiVersion: v1, kind: Pod}"]
    listed = "apiVersion: v1\nkind: List\nitems:\n" + "".join(f"- {item}\n" for item in items)
    other = "apiVersion: apps/v1\nkind: Deployment"
    (tmp_path / "app.yaml").write_text("\n---\n".join([ACCOUNT, "", "null", other, listed]))
    accounts = FileAccounts.read(tmp_path / "app.yaml")
    assert len(accounts) == 2
    assert await got(accounts, "listed", "default") == Account("default", "listed", {})


def test_a_document_that_kubectl_would_refuse_is_refused(tmp_path: Path) -> None:
    """As `mutate` refuses it: not an object, or an object without a kind."""
    (tmp_path / "app.yaml").write_text("\n---\n".join([ACCOUNT, "- 1", "kind: Pod", "kind: List\nitems: []"]))
    with pytest.raises(BadFiles) as caught:
        FileAccounts.read(tmp_path / "app.yaml")
    kinds = [problem.kind for problem in caught.value.problems]
    assert kinds == [manifests.NOT_AN_OBJECT, manifests.KIND_MISSING, manifests.KIND_MISSING]


@pytest.mark.parametrize("word", ["12:30:45", "190:20:30.15", "2026-01-01", "2026-99-99", "0o8", "0b2", "tRue", "="])
async def test_what_is_text_to_kubectl_is_text(tmp_path: Path, word: str) -> None:
    """Other readers of YAML make a number of seconds or a date of it."""
    (tmp_path / "sa.yaml").write_text(ACCOUNT + f"    azure.workload.identity/x: {word}\n")
    found = await got(FileAccounts.read(tmp_path))
    assert found
    assert found.annotations["azure.workload.identity/x"] == word


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("y", "boolean true"),
        ("Off", "boolean false"),
        ("0644", "number 420"),
        ("0o17", "number 15"),
        ("1_000", "number 1000"),
        ("1e3", "number 1000"),
        ("1.5", "number 1.5"),
    ],
)
def test_what_is_not_text_to_kubectl_needs_quotes(tmp_path: Path, word: str, what: str) -> None:
    """Other readers of YAML take some of these for text. In a cluster the file would be refused."""
    (tmp_path / "sa.yaml").write_text(ACCOUNT + f"    azure.workload.identity/x: {word}\n")
    with pytest.raises(BadFiles) as caught:
        FileAccounts.read(tmp_path)
    (problem,) = caught.value.problems
    assert problem.kind is manifests.NOT_IN_QUOTES
    place = f"{tmp_path / 'sa.yaml'}:9:32"
    assert problem.text == f"{place}: annotation azure.workload.identity/x is the {what}, expected text"


def test_a_repeated_key_is_a_warning(tmp_path: Path) -> None:
    """The last one counts, and most often the first one was meant."""
    (tmp_path / "sa.yaml").write_text(ACCOUNT + f"    azure.workload.identity/client-id: {CLIENT}\n")
    accounts = FileAccounts.read(tmp_path)
    place = Place(f"{tmp_path / 'sa.yaml'}:9:5")
    assert accounts.warnings == (message(manifests.KEY_REPEATED, place, key=names.AZURE_CLIENT_ID),)


def test_an_account_whose_name_kube_apiserver_makes_up_is_ignored(tmp_path: Path) -> None:
    """No pod can name it."""
    (tmp_path / "sa.yaml").write_text("apiVersion: v1\nkind: ServiceAccount\nmetadata: {generateName: web-}\n")
    with pytest.raises(BadFiles) as caught:
        FileAccounts.read(tmp_path)
    assert [problem.kind for problem in caught.value.problems] == [manifests.NO_ACCOUNT]


def test_a_kind_of_another_group_is_not_a_service_account(tmp_path: Path) -> None:
    """A ServiceAccount is an object of the core group."""
    (tmp_path / "sa.yaml").write_text(ACCOUNT.replace("apiVersion: v1", "apiVersion: example.com/v1"))
    with pytest.raises(BadFiles, match="no ServiceAccount found"):
        FileAccounts.read(tmp_path)


async def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    """YAML and JSON, in the order of their names, so that the last one wins; other files are ignored."""
    (tmp_path / "a.yaml").write_text(ACCOUNT)
    (tmp_path / "b.yml").write_text(ACCOUNT.replace(CLIENT, "later"))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "json", "namespace": "shop"}}
    (tmp_path / "c.json").write_text(json.dumps(account))
    (tmp_path / "notes.txt").write_text("{")
    accounts = FileAccounts.read(tmp_path)
    found = await got(accounts)
    assert found is not None
    assert found.annotations == {names.AZURE_CLIENT_ID: "later"}
    assert await got(accounts, "json") is not None


def test_all_mistakes_in_files_are_reported_at_once(tmp_path: Path) -> None:
    """Each with its file and its line."""
    (tmp_path / "a.yaml").write_text("{")
    (tmp_path / "b.yaml").write_text("apiVersion: v1\nkind: ServiceAccount\nmetadata: {}\n")
    (tmp_path / "c.yaml").write_text(ACCOUNT + "    azure.workload.identity/tenant-id: 7\n")
    (tmp_path / "d.yaml").write_bytes(b"\xff")
    with pytest.raises(BadFiles) as caught:
        FileAccounts.read(tmp_path)
    assert [problem.place.object.removeprefix(f"{tmp_path}/") for problem in caught.value.problems] == [
        "a.yaml:2:1",
        "d.yaml:1",
        "b.yaml:3:11",
        "c.yaml:9:40",
    ]
    found = str(caught.value)
    assert "b.yaml:3:11: expected a ServiceAccount with metadata.name" in found
    assert 'azure.workload.identity/tenant-id is the number 7, expected text (put it in quotes: "7")' in found


async def test_a_date_is_text_even_if_it_does_not_exist(tmp_path: Path) -> None:
    """As kubectl reads it; whether it makes sense is decided elsewhere."""
    file = tmp_path / "accounts.yaml"
    file.write_text(
        ACCOUNT + "    m365.workload.identity/tenant-id: 2026-99-99\n    azure.workload.identity/x: 2026-01-01\n"
    )
    found = await got(FileAccounts.read(file))
    assert found
    assert found.annotations[names.TENANT_ID] == "2026-99-99"
    assert found.annotations["azure.workload.identity/x"] == "2026-01-01"


def test_text_that_is_not_what_its_tag_says_is_reported_with_its_file(tmp_path: Path) -> None:
    """And the next file is still read."""
    (tmp_path / "a.yaml").write_text("number: !!int many")
    (tmp_path / "b.yaml").write_text("kind: [")
    with pytest.raises(BadFiles) as caught:
        FileAccounts.read(tmp_path)
    assert [(problem.place.object, problem.kind) for problem in caught.value.problems] == [
        (f"{tmp_path / 'a.yaml'}:1:9", manifests.NOT_YAML),
        (f"{tmp_path / 'b.yaml'}:2:1", manifests.NOT_YAML),
    ]


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    """By its name and the system's reason."""
    with pytest.raises(BadFiles, match=r"none\.yaml: the file cannot be read: No such file or directory"):
        FileAccounts.read(tmp_path / "none.yaml")


async def test_a_list_as_the_api_server_gives_it_is_read(tmp_path: Path) -> None:
    """`kubectl get --raw` prints a ServiceAccountList whose items have no kind."""
    item = {"metadata": {"name": "terraform", "namespace": "shop", "annotations": USUAL_ANNOTATIONS}}
    (tmp_path / "list.json").write_text(json.dumps({"apiVersion": "v1", "kind": "ServiceAccountList", "items": [item]}))
    found = await got(FileAccounts.read(tmp_path))
    assert found is not None
    assert found.annotations == USUAL_ANNOTATIONS


def test_a_folder_that_cannot_be_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As other mistakes with files."""

    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)  # root may read everything
    with pytest.raises(BadFiles) as error:
        FileAccounts.read(tmp_path)
    assert str(error.value) == f"{tmp_path}: the file cannot be read: Permission denied [WI401]"


def test_a_folder_without_accounts_is_a_mistake(tmp_path: Path) -> None:
    """A user who gives a path expects something in it: an empty folder, then one with another object."""
    with pytest.raises(BadFiles, match=r"no file in the folder ends in one of \.yaml, \.yml, \.json"):
        FileAccounts.read(tmp_path)
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\n")
    with pytest.raises(BadFiles, match="no ServiceAccount found"):
        FileAccounts.read(tmp_path)
