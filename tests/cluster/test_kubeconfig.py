"""A kubeconfig that is no good is told by its mistakes, whoever reads it."""

import os
from pathlib import Path

import pytest

from webhook.cluster import kubeconfig
from webhook.cluster.kube import Kube

GOOD = """\
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: abc}}]
"""
SERVER, TOKEN, CONTEXT = 'server: "https://127.0.0.1:1"', "token: abc", "{cluster: c, user: u}"

BAD = {
    "no YAML": ("a: [", ["no YAML: while parsing a flow node"]),
    "no such day": ("a: 2026-99-99", ["no YAML: month must be in 1..12"]),
    "two documents": (f"{GOOD}---\n{GOOD}", ["no YAML: expected a single document"]),
    "empty": ("", ["expected a kubeconfig, with current-context"]),
    "text": ("hello", ["expected a kubeconfig, with current-context"]),
    "no current context": (
        GOOD.replace("current-context: a", ""),
        ["current-context is missing (kubectl config use-c"],
    ),
    "another context": (GOOD.replace("context: a", "context: b"), ['current-context is "b", but there is no such']),
    "contexts that are none": (
        GOOD.replace("contexts: [", "contexts: []\nx: ["),
        ['current-context is "a", but there'],
    ),
    "a context of nothing": (GOOD.replace(CONTEXT, ""), ['context "a" names no cluster', 'context "a" names no user']),
    "another cluster": (GOOD.replace("cluster: c,", "cluster: d,"), ['context "a" is of cluster "d", but there is no']),
    "another user": (GOOD.replace("user: u}", "user: v}"), ['context "a" is of user "v", but there is no such user']),
    "no server": (GOOD.replace(SERVER, ""), ['cluster "c" has no server, expected the API server\'s URL']),
    "a number as server": (GOOD.replace(SERVER, "server: 7"), ['cluster "c" has no server']),
    "no authority": (
        GOOD.replace(SERVER, f"{SERVER}, certificate-authority: ca.crt"),
        ['cluster "c": certificate-authority is "ca.crt", and there is no such file'],
    ),
    "no pair": (
        GOOD.replace(TOKEN, "client-certificate: /x.crt, client-key: /x.key"),
        ['user "u": client-certificate is "/x.crt"', 'user "u": client-key is "/x.key"'],
    ),
}


@pytest.mark.parametrize("what", BAD)
async def test_every_mistake_is_told_with_its_file(tmp_path: Path, what: str) -> None:
    """All of them, before a cluster is asked; the connection tells the same."""
    file = tmp_path / "kubeconfig"
    text, expected = BAD[what]
    file.write_text(text)
    problems = kubeconfig.problems(file)
    assert [problem[: len(f"{file}: {start}")] for problem, start in zip(problems, expected, strict=True)] == [
        f"{file}: {start}" for start in expected
    ]
    with pytest.raises(ValueError) as caught:
        await Kube(file).__aenter__()
    assert str(caught.value) == "; ".join(problems)


async def test_one_that_is_good_has_no_mistakes(tmp_path: Path) -> None:
    """Files are looked for beside it, and not at all where their content is given."""
    file = tmp_path / "kubeconfig"
    (tmp_path / "token").write_text("abc")
    file.write_text(GOOD.replace(TOKEN, "tokenFile: token, client-key: /absent, client-key-data: YWJj"))
    assert kubeconfig.problems(file) == []
    file.write_text(GOOD)
    async with Kube(file):
        pass


def test_a_folder_is_none(tmp_path: Path) -> None:
    """It cannot be read."""
    assert kubeconfig.problems(tmp_path) == [f"{tmp_path}: Is a directory"]


@pytest.mark.parametrize("text", ["a: [", GOOD.replace(SERVER, f"{SERVER}, certificate-authority-data: aGVsbG8=")])
async def test_what_only_the_client_sees_is_a_mistake_all_the_same(tmp_path: Path, text: str) -> None:
    """In a list of files, which it merges, or in data that it has to decode: one line, with the file."""
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    paths = Path(f"{file}{os.pathsep}{tmp_path / 'absent'}")
    with pytest.raises(ValueError) as caught:
        await Kube(paths).__aenter__()
    assert str(caught.value).startswith(f"{paths}: ")
    assert "\n" not in str(caught.value)
