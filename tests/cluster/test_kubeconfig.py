"""Each mistake in a kubeconfig is reported, by the settings and by the connection alike."""

import os
from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from webhook.cluster import kubeconfig
from webhook.cluster.kube import Kube
from webhook.cluster.kubeconfig import BadKubeconfig, Choice, kubeconfig_path
from webhook.core.messages import Place, kubeconfigs, manifests, message

GOOD = """\
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: abc}}]
"""
CERTIFICATE, KEY = (
    b64encode(f"-----BEGIN {what}-----\n".encode()).decode() for what in ("CERTIFICATE", "EC PRIVATE KEY")
)
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
    "half a URL": (
        GOOD.replace("https://", "https:/"),
        ['cluster "c": server is "https:/127.0.0.1:1", expected a URL'],
    ),
    "a proxy without a scheme": (
        GOOD.replace(SERVER, f"{SERVER}, proxy-url: 'proxy:3128'"),
        ['cluster "c": proxy-url is "proxy:3128", expected http://HOST:PORT'],
    ),
    "both trusted and not": (
        GOOD.replace(SERVER, f"{SERVER}, insecure-skip-tls-verify: true, certificate-authority-data: {CERTIFICATE}"),
        ['cluster "c" has a certificate authority, and insecure-skip-tls-verify: true'],
    ),
    "an authority that is not one": (
        GOOD.replace(SERVER, f"{SERVER}, certificate-authority-data: aGVsbG8="),
        ['cluster "c": certificate-authority-data is not a certificate (PEM)'],
    ),
    "a key in place of a certificate": (
        GOOD.replace(TOKEN, f"client-certificate-data: {KEY}, client-key-data: {KEY}"),
        ['user "u": client-certificate-data is not a certificate (PEM)'],
    ),
    "a certificate without its key": (
        GOOD.replace(TOKEN, f"client-certificate-data: {CERTIFICATE}"),
        ['user "u" has client-certificate and no client-key (kubectl config set-credentials u --client-key=FILE'],
    ),
    "no credential": (GOOD.replace(TOKEN, ""), ['user "u" has nothing to sign in with']),
    "a password": (
        GOOD.replace(TOKEN, "username: a, password: b"),
        ['user "u" has a name and a password, which Kubernetes does not take any more'],
    ),
    "a provider that is gone": (
        GOOD.replace(TOKEN, "auth-provider: {name: azure}"),
        ['user "u" signs in by auth-provider azure, which kubectl does not know any more'],
    ),
    "an old plugin": (
        GOOD.replace(TOKEN, "exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}"),
        ['user "u": apiVersion of exec is "client.authentication.k8s.io/v1alpha1", expected'],
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
    file.write_text(
        GOOD.replace(
            TOKEN,
            f"tokenFile: token, client-key: /absent, client-key-data: {KEY}, client-certificate-data: {CERTIFICATE}",
        )
    )
    assert kubeconfig.problems(file) == []
    (tmp_path / "token").write_text("\n")
    (problem,) = kubeconfig.problems(file)
    assert problem.kind is kubeconfigs.TOKEN_FILE_EMPTY
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
async def test_a_mistake_in_a_list_of_files_is_reported(tmp_path: Path, text: str) -> None:
    """In a file of a list, or in data that it has to decode: one line with the file."""
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    paths = Path(f"{file}{os.pathsep}{tmp_path / 'absent'}")
    with pytest.raises(ValueError) as caught:
        await Kube(paths).__aenter__()
    assert str(caught.value).startswith(f"{file}:")
    assert "\n" not in str(caught.value)


TWO = """\
current-context: a
contexts:
- {name: a, context: {cluster: c, user: u, namespace: one}}
- {name: b, context: {cluster: d, user: v, namespace: two}}
clusters: [{name: c, cluster: {server: "https://c"}}, {name: d, cluster: {server: "https://d"}}]
users: [{name: u, user: {token: of-u}}, {name: v, user: {token: of-v}}]
"""


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(), ("https://c", "of-u", "one")),
        (Choice(context="b"), ("https://d", "of-v", "two")),
        (Choice(cluster="d"), ("https://d", "of-u", "one")),
        (Choice(context="b", user="u"), ("https://d", "of-u", "two")),
    ],
)
def test_the_flags_choose_as_kubectls_do(tmp_path: Path, choice: Choice, expected: tuple[str, str, str]) -> None:
    """A context, or another cluster or user in the current one."""
    file = tmp_path / "kubeconfig"
    file.write_text(TWO)
    found = kubeconfig.read(file, choice)
    assert (found.cluster["server"], found.user["token"], found.namespace) == expected


def test_without_a_context_cluster_and_user_are_enough(tmp_path: Path) -> None:
    """Both flags together name all that a context would."""
    file = tmp_path / "kubeconfig"
    file.write_text(TWO.replace("current-context: a", ""))
    found = kubeconfig.read(file, Choice(cluster="d", user="u"))
    assert (found.cluster["server"], found.user["token"], found.namespace) == ("https://d", "of-u", "")
    assert [problem.code for problem in kubeconfig.problems(file, Choice(cluster="d"))] == ["WI532"]


def test_a_choice_that_the_file_does_not_have_is_named(tmp_path: Path) -> None:
    """With the flag; two at once."""
    file = tmp_path / "kubeconfig"
    file.write_text(TWO)
    (problem,) = kubeconfig.problems(file, Choice(context="z"))
    assert str(problem) == (f'{file}: --context is "z", but the file has no such context (kubectl config view) [WI539]')
    found = kubeconfig.problems(file, Choice(cluster="y", user="z"))
    assert [str(each).partition(", but")[0] for each in found] == [
        f'{file}: --cluster is "y"',
        f'{file}: --user is "z"',
    ]


def test_files_are_merged_and_the_first_wins(tmp_path: Path) -> None:
    """As for kubectl: entries, the current context, and paths that count from the file that has them."""
    first, second = tmp_path / "first", tmp_path / "folder" / "second"
    second.parent.mkdir()
    (second.parent / "ca.crt").write_bytes(b64decode(CERTIFICATE))
    first.write_text("current-context: b\nusers: [{name: v, user: {token: of-first}}]\n")
    second.write_text(TWO.replace('"https://d"', '"https://d", certificate-authority: ca.crt'))
    (tmp_path / "empty").write_text("# nothing\n")
    files = (tmp_path / "absent", tmp_path / "empty", first, second)
    found = kubeconfig.read(Path(os.pathsep.join(map(str, files))))
    assert found.user == {"token": "of-first"}
    assert found.cluster == {"server": "https://d", "certificate-authority": str(second.parent / "ca.crt")}
    assert found.namespace == "two"


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        ("server: 127.0.0.1:1, insecure-skip-tls-verify: true", "https://127.0.0.1:1"),
        (f"server: 'api.example:6443', certificate-authority-data: {CERTIFICATE}", "https://api.example:6443"),
        ("server: localhost:8080", "http://localhost:8080"),
        ("server: 'https://api.example/k8s/clusters/c-1/'", "https://api.example/k8s/clusters/c-1/"),
    ],
)
def test_a_server_without_a_scheme_has_kubectls(tmp_path: Path, cluster: str, expected: str) -> None:
    """https if anything speaks of TLS, else http."""
    file = tmp_path / "kubeconfig"
    file.write_text(GOOD.replace(SERVER, cluster))
    assert kubeconfig.read(file).cluster["server"] == expected


def test_without_tls_no_credential_is_needed(tmp_path: Path) -> None:
    """As at `kubectl proxy`: neither a user, nor a credential of one."""
    file = tmp_path / "kubeconfig"
    plain = GOOD.replace("https:", "http:")
    for text in (plain.replace(", user: u", ""), plain.replace(TOKEN, "")):
        file.write_text(text)
        assert kubeconfig.problems(file) == []


def test_a_plugin_is_found_from_the_folder_of_its_file(tmp_path: Path) -> None:
    """A path is relative to the kubeconfig; a bare name is looked for in PATH."""
    file = tmp_path / "kubeconfig"
    plugin = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: %s}}"
    for command, expected in (("./bin/login", str(tmp_path / "bin" / "login")), ("login", "login")):
        file.write_text(TWO.replace("{token: of-u}", plugin % command))
        assert kubeconfig.read(file).user["exec"]["command"] == expected
    file.write_text(TWO.replace("{token: of-u}", "{exec: {}}"))
    assert [str(each).partition(": user ")[2] for each in kubeconfig.problems(file)] == [
        f'"u": exec has no {member} (sign in to the cluster again, as its provider says) [WI540]'
        for member in ("command", "apiVersion")
    ]


def test_a_choice_needs_a_kubeconfig(tmp_path: Path) -> None:
    """In a pod, too."""
    with pytest.raises(BadKubeconfig):
        kubeconfig_path(None, {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, Choice(context="a"))
