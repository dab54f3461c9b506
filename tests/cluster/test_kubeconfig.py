"""Each mistake in a kubeconfig is reported, by the settings and by the connection alike."""

import os
from pathlib import Path

import pytest

from webhook.cluster import kubeconfig
from webhook.cluster.kube import Kube
from webhook.cluster.kubeconfig import BadKubeconfig, kubeconfig_path
from webhook.core.messages import Place, manifests, message

GOOD = """\
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: abc}}]
"""
SERVER, TOKEN, CONTEXT = 'server: "https://127.0.0.1:1"', "token: abc", "{cluster: c, user: u}"

BAD = {
    "not YAML": ("a: [", ["the text is not YAML: did not find expected node content [WI408]"]),
    "a day that does not exist": ("a: 2026-99-99", ["current-context is missing"]),
    "two documents": (f"{GOOD}---\n{GOOD}", ["expected a kubeconfig: one document with current-context"]),
    "empty": ("", ["expected a kubeconfig: one document with current-context"]),
    "text": ("hello", ["expected a kubeconfig: one document with current-context"]),
    "no current context": (
        GOOD.replace("current-context: a", ""),
        ["current-context is missing (kubectl config use-c"],
    ),
    "another context": (GOOD.replace("context: a", "context: b"), ['current-context is "b", but the file has no such']),
    "a list without contexts": (
        GOOD.replace("contexts: [", "contexts: []\nx: ["),
        ['current-context is "a", but the file'],
    ),
    "a context of nothing": (GOOD.replace(CONTEXT, ""), ['context "a" names no cluster', 'context "a" names no user']),
    "another cluster": (
        GOOD.replace("cluster: c,", "cluster: d,"),
        ['context "a" is of cluster "d", but the file has no'],
    ),
    "another user": (
        GOOD.replace("user: u}", "user: v}"),
        ['context "a" is of user "v", but the file has no such user'],
    ),
    "no server": (GOOD.replace(SERVER, ""), ['cluster "c" has no server, expected the API server\'s URL']),
    "a number as server": (GOOD.replace(SERVER, "server: 7"), ['cluster "c" has no server']),
    "no authority": (
        GOOD.replace(SERVER, f"{SERVER}, certificate-authority: ca.crt"),
        ['cluster "c": certificate-authority is "ca.crt", but that file does not exist'],
    ),
    "no pair": (
        GOOD.replace(TOKEN, "client-certificate: /x.crt, client-key: /x.key"),
        ['user "u": client-certificate is "/x.crt"', 'user "u": client-key is "/x.key"'],
    ),
}


@pytest.mark.parametrize("what", BAD)
async def test_every_mistake_is_reported_with_its_file(tmp_path: Path, what: str) -> None:
    """All of them, before a cluster is asked; the connection says the same."""
    file = tmp_path / "kubeconfig"
    text, expected = BAD[what]
    file.write_text(text)
    problems = kubeconfig.problems(file)
    found = [str(problem).removeprefix(f"{problem.place.object}: ") for problem in problems]
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected
    assert {problem.place.object.removesuffix(":2:1") for problem in problems} == {str(file)}
    with pytest.raises(BadKubeconfig) as caught:
        await Kube(file).__aenter__()
    assert caught.value.problems == tuple(problems)
    assert str(caught.value) == "; ".join(map(str, problems))


async def test_a_good_one_has_no_mistakes(tmp_path: Path) -> None:
    """Files are looked for in its folder, but not if their content is given."""
    file = tmp_path / "kubeconfig"
    (tmp_path / "token").write_text("abc")
    file.write_text(GOOD.replace(TOKEN, "tokenFile: token, client-key: /absent, client-key-data: YWJj"))
    assert kubeconfig.problems(file) == []
    file.write_text(GOOD)
    async with Kube(file):
        pass


def test_it_is_read_as_kubectl_reads_it(tmp_path: Path) -> None:
    """A word that only looks like a time is a name."""
    file = tmp_path / "kubeconfig"
    file.write_text(GOOD.replace("context: a", "context: 12:30:45").replace("name: a,", 'name: "12:30:45",'))
    assert kubeconfig.problems(file) == []


def test_a_folder_is_not_a_kubeconfig(tmp_path: Path) -> None:
    """It cannot be read."""
    expected = message(manifests.FILE_UNREADABLE, Place(str(tmp_path)), reason="Is a directory")
    assert kubeconfig.problems(tmp_path) == [expected]


def test_outside_a_cluster_a_kubeconfig_is_needed(tmp_path: Path) -> None:
    """As kubectl finds it: the one given, $KUBECONFIG, ~/.kube/config; in a pod, none is needed."""
    home = {"HOME": str(tmp_path)}
    with pytest.raises(BadKubeconfig) as caught:
        kubeconfig_path(None, home)
    assert str(caught.value) == "outside a cluster, give --kubeconfig PATH or set KUBECONFIG [WI530]"
    assert kubeconfig_path(None, {**home, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}) is None
    (tmp_path / ".kube").mkdir()
    usual = tmp_path / ".kube" / "config"
    usual.write_text(GOOD)
    assert kubeconfig_path(None, home) == usual
    assert kubeconfig_path(None, {**home, "KUBECONFIG": "/other"}) == Path("/other")
    assert kubeconfig_path(Path("/given"), {**home, "KUBECONFIG": "/other"}) == Path("/given")


@pytest.mark.parametrize("text", ["a: [", GOOD.replace(SERVER, f"{SERVER}, certificate-authority-data: aGVsbG8=")])
async def test_a_mistake_that_only_the_client_finds_is_reported(tmp_path: Path, text: str) -> None:
    """In a list of files, which it merges, or in data that it has to decode: one line with the file."""
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    paths = Path(f"{file}{os.pathsep}{tmp_path / 'absent'}")
    with pytest.raises(ValueError) as caught:
        await Kube(paths).__aenter__()
    assert str(caught.value).startswith(f"{paths}: ")
    assert "\n" not in str(caught.value)
