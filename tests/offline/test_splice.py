"""The text of manifests: kept as it was but for the additions, which follow its style."""

import difflib
import io
import time
from typing import Any

import pytest

from webhook.core.messages import Place, manifests, message
from webhook.core.policy import Policy
from webhook.documents import files
from webhook.documents.nodes import parse
from webhook.offline import outputs, workloads

ACCOUNT = """\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: terraform
  annotations:
    azure.workload.identity/client-id: 7d8f6f5e-3c0b-4f53-9a52-8f4b9d0f5a10
    azure.workload.identity/tenant-id: contoso.onmicrosoft.com
    m365.workload.identity/env: m365
"""
HEAD = """\
apiVersion: v1
kind: Pod
metadata:
  name: p
  labels: {azure.workload.identity/use: "true"}
spec:
  serviceAccountName: terraform
"""


def mutated(text: str) -> tuple[str, str, list[workloads.Result]]:
    """`text` mutated, its diff, and the results; `text` comes with a ServiceAccount in a file of its own before it."""
    sources: list[files.SourceFile] = []
    found: list[files.Manifest] = []
    for each in (ACCOUNT, text):
        reading = files.read_manifests(["-"], io.BytesIO(each.encode()))
        assert not reading.problems
        sources += reading.sources
        found += reading.manifests
    results = workloads.decide_all(found, Policy(helper_image="m365-identity:1"), "default")
    output = outputs.as_yaml(sources[1:], results)
    assert not output.warnings
    return output.text, outputs.as_diff(sources[1:], results).text, results


def difference(text: str) -> str:
    """What becomes of the pod spec `text`, after `HEAD`: the lines added and taken away, the former without values."""
    lines = mutated(HEAD + text)[1].splitlines()[2:]
    return "\n".join(line for line in lines if line[0] in "+-")


def spec(text: str) -> Any:
    """The pod spec after `HEAD` and `text` were mutated."""
    (document,) = parse(mutated(HEAD + text)[0])
    return document.value["spec"]


def variables(container: Any) -> list[str]:
    """The names of a container's variables, ours as one asterisk."""
    names = [entry["name"] for entry in container["env"]]
    return ["*", *names[len(VALUES) :]] if names[: len(VALUES)] == [*VALUES] else names


STYLED = """\
  volumes:   # where things are
    # the work
    -   name: work
        emptyDir: {}
    # - name: more
  containers:
    # the first
    - name: a
      image: 'a'   # with quotes
      # env: none so far

    # the second
    - name: b
      tty: yes
      env:
        # mine

        - name: A
          value: >-
            folded
            text

      volumeMounts:
        - {name: work, mountPath: "/w"}
  # the end of it
  nodeSelector: {}
"""
VALUES = {
    "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token",
    "M365_CLIENT_ID": '"7d8f6f5e-3c0b-4f53-9a52-8f4b9d0f5a10"',
    "M365_TENANT_ID": "contoso.onmicrosoft.com",
    "M365_AUTH_METHOD": "workload_identity",
    "M365_CLOUD": "public",
}
ENV = "".join(f"        - name: {name}\n          value: {value}\n" for name, value in VALUES.items())
MOUNT = """\
        - name: azure-identity-token
          mountPath: /var/run/secrets/azure/tokens
          readOnly: true
"""
VOLUME = """\
    - name: azure-identity-token
      projected:
        defaultMode: 420
        sources:
          - serviceAccountToken:
              audience: api://AzureADTokenExchange
              expirationSeconds: 3600
              path: azure-identity-token
"""


def test_additions_follow_the_style_around_them() -> None:
    """Dashes in line with the others, our variables first, comments with what they belong to, not a line changed."""
    result, diff, _ = mutated(HEAD + STYLED)
    expected = STYLED.replace("    # - name: more\n", "    # - name: more\n" + VOLUME)
    expected = expected.replace("so far\n", f"so far\n      env:\n{ENV}      volumeMounts:\n{MOUNT}")
    expected = expected.replace("        # mine\n", ENV + "        # mine\n")
    expected = expected.replace('"/w"}\n', '"/w"}\n' + MOUNT)
    assert result == HEAD + expected
    assert diff == "".join(
        difflib.unified_diff(
            (HEAD + STYLED).splitlines(keepends=True), result.splitlines(keepends=True), "<stdin>", "<stdin>\t(mutated)"
        )
    )


MESH = """\
  initContainers:
    # the mesh
    - name: istio-proxy
      restartPolicy: Always  # a native sidecar
      # its end

    # ours
    -
      name: mine
  containers: [{name: a}]
"""


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        (MESH, "      # its end\n", "\n    # ours\n    -\n      name: mine\n"),
        (
            "  initContainers: [{name: istio-proxy, restartPolicy: Always}, {name: mine}]\n  containers: [{name: a}]\n",
            '"readOnly": true}]}, ',
            "{name: mine",
        ),
    ],
    ids=["in block style", "inside brackets"],
)
def test_a_helper_between_two_containers_stands_between_their_comments(text: str, before: str, after: str) -> None:
    """A container of the webhook's that needs another one stands right behind it."""
    result = mutated(
        HEAD.replace("spec:", "  annotations: {m365.workload.identity/preflight: 'true'}\nspec:", 1) + text
    )[0]
    (document,) = parse(result)
    names = [each["name"] for each in document.value["spec"]["initContainers"]]
    assert names == ["istio-proxy", "m365-preflight", "mine"]
    middle = result.index("m365-preflight")
    assert before in result[:middle]
    assert after in result[middle:]


def test_lists_without_indentation_stay_so() -> None:
    """As kubectl writes them; a comment at the dash belongs to the key that follows."""
    text = "  containers:\n  - name: a\n    env:\n    - name: A\n    # b\n    image: b\n  # c\n"
    text += "  volumes:\n  - name: x\n  # d\n"
    result = mutated(HEAD + text)[0]
    assert "    - name: A\n    # b\n    image: b\n    volumeMounts:\n    - name: azure" in result
    assert "  - name: x\n  - name: azure-identity-token\n" in result
    assert result.endswith("token\n  # d\n")


@pytest.mark.parametrize("null", ["", " null", " ~", " !!null", "   # none", " Null # none"])
def test_a_key_without_a_value_gets_one_below_it(null: str) -> None:
    """However the missing value is written; the comment on its line stays."""
    text = f"  containers:\n  - name: a\n    env:{null}\n    image: b\n  volumes:{null}\n"
    result = mutated(HEAD + text)[0]
    assert spec(text)["volumes"][0]["name"] == "azure-identity-token"
    assert variables(spec(text)["containers"][0]) == ["*"]
    assert result.count("# none") == text.count("# none")
    assert list(spec(text)) == ["serviceAccountName", "containers", "volumes"]


@pytest.mark.parametrize(
    "text",
    [
        "  containers: [{name: a, env: [], volumeMounts: null, args: [1,]}]\n",
        "  containers: [\n    {name: a, env: [{name: A},], volumeMounts: [{name: x}]},\n  ]\n  volumes: []\n",
        '  containers:\n  - {"name":"a","env":}\n  - {}\n  volumes: [ {name: x } ]\n',
        '  "containers" : [ { name: a } ]  # one\n',
    ],
)
def test_inside_brackets_additions_stay_inside(text: str) -> None:
    """As JSON, if something is added to a list or an object on one line."""
    made = spec(text)
    assert all(variables(each)[0] == "*" for each in made["containers"])
    assert [line for line in difference(text).splitlines() if line.startswith("-")]
    assert made["volumes"][-1]["name"] == "azure-identity-token"
    assert made["containers"][0]["volumeMounts"][-1]["mountPath"] == "/var/run/secrets/azure/tokens"


def test_a_list_shared_by_two_containers_is_not_changed_for_both() -> None:
    """The anchored list keeps its anchor and gets its additions; each alias becomes a copy with its own."""
    text = """\
  containers:
  - &first
    name: a
    env: &env  # shared
    - &entry {name: A}
    image: &image b
  - name: b
    env: *env
    image: *image
  - *first
  initContainers:
  - name: c
    env: [*entry]
  - name: d
    args: &args [x]
    env: &none []
  - {name: e, env: *none, args: *args}
  - name: f
    env: *none  # none either
"""
    made = spec(text)
    assert [variables(each) for each in made["containers"]] == [["*", "A"]] * 3
    assert made["containers"][2] == made["containers"][0]
    assert made["containers"][1]["image"] == "b"
    assert [variables(each) for each in made["initContainers"]] == [["*", "A"], ["*"], ["*"], ["*"]]
    result = mutated(HEAD + text)[0]
    for kept in ("&first", "&env  # shared", "&entry", "image: *image", "[*entry]"):
        assert (kept in result) is (kept != "[*entry]")
    assert "*entry" in result
    assert "args: *args" in result
    assert "*first" not in result
    assert "# none either" in result


def test_an_alias_in_an_unchanged_place_keeps_its_value() -> None:
    """An alias of something that changes becomes a copy of the old value, in a place that does not change."""
    text = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: &meta
    name: p
    labels: {azure.workload.identity/use: "true"}
  spec: &spec
    serviceAccountName: terraform
    containers:
    - name: a
      args: &args [x, "y"]
- apiVersion: example.com/v1
  kind: Template
  metadata: *meta
  spec: *spec
  more: [*spec, *args]
  key:   *spec  # too
  merged:
    <<: *spec
    own: 1
"""
    (before,) = parse(text)
    (after,) = parse(mutated(text)[0])
    assert after.value["items"][1] == before.value["items"][1]
    assert variables(after.value["items"][0]["spec"]["containers"][0]) == ["*"]
    result = mutated(text)[0]
    assert "metadata: *meta" in result
    assert ", *args]" in result
    assert "*spec" not in result


def test_a_merged_list_is_overridden_by_a_key_of_its_own() -> None:
    """`<<` stays; the list that it brought is written out with the additions."""
    text = """\
  x-base: &base
    image: b
    env: [{name: A}]
  containers:
  - name: a
    <<: *base
  - <<: [*base]
    name: b
"""
    assert [variables(each) for each in spec(text)["containers"]] == [["*", "A"]] * 2
    assert spec(text)["x-base"] == {"image": "b", "env": [{"name": "A"}]}
    assert mutated(HEAD + text)[0].count("*base") == 2


@pytest.mark.parametrize("header", ["|", "|-", "|+", ">", ">+", "|2", "|+2 # +"])
def test_text_of_many_lines_at_the_end_stays_what_it_is(header: str) -> None:
    """Additions come after the last line; after empty lines only if those count."""
    text = f"  containers:\n  - name: a\n    args:\n    - {header}\n        one\n        two\n\n\n# end\n"
    before = parse(HEAD + text)[0].value["spec"]["containers"][0]["args"]
    assert spec(text)["containers"][0]["args"] == before
    assert mutated(HEAD + text)[0].endswith("# end\n")
    assert "-" not in {line[0] for line in difference(text).splitlines()}


def test_windows_line_breaks_stay_and_a_byte_order_mark_goes() -> None:
    """Added lines end as the others do. A mark would be wrong after other files, so it is left out."""
    text = (HEAD + "  containers:\n  - name: a\n    env:\n    volumeMounts: # none\n").replace("\n", "\r\n")
    result = mutated("\ufeff" + text)[0]
    assert result.startswith("apiVersion: v1\r\nkind: Pod\r\n")
    assert result.count("\n") == result.count("\r\n") > text.count("\n")


def test_a_last_line_without_a_break_gets_one() -> None:
    """As kubectl reads it: the text below a | then ends with a line break."""
    text = "  containers:\n  - name: a\n    args:\n    - |\n      x"
    assert spec(text)["containers"][0]["args"] == ["x\n"]


def test_unchanged_values_keep_their_spelling() -> None:
    """Numbers, booleans and quotes are not rewritten, even if YAML 1.1 and 1.2 read them differently."""
    words = "0644, 0o644, 0x1f, yes, on, ~, 1_000, 1e3, 12:30, 'it''s', \"\\x41\", 2026-01-02, é, !!str 1"
    text = f"  containers:\n  - name: a\n    x: [{words}]\n    y: !local\n      k: [{words}]\n"
    result = mutated(HEAD + text)[0]
    assert result.count(f"[{words}]") == 2
    assert spec(text)["containers"][0]["x"] == [
        *(420, 420, 31, True, True, None, 1000, 1000, "12:30", "it's", "A", "2026-01-02", "é", "1")
    ]


def test_a_text_without_a_place_for_additions_is_written_anew() -> None:
    """The result is right all the same, and a warning says that the comments are gone."""
    text = HEAD + "  containers:\n  - ? name\n    : a  # c\n"
    reading = files.read_manifests(["-"], io.BytesIO((ACCOUNT + "---\n" + text).encode()))
    results = workloads.decide_all(reading.manifests, Policy(), "default")
    output = outputs.as_yaml(reading.sources, results)
    assert output.warnings == (message(manifests.WRITTEN_ANEW, Place("<stdin>")),)
    assert str(output.warnings[0]).startswith("<stdin>: the whole file is written again, without its comments: ")
    container = parse(output.text)[1].value["spec"]["containers"][0]
    assert container["name"] == "a"
    assert variables(container) == ["*"]
    assert "#" not in output.text
    assert outputs.as_diff(reading.sources, results).text.startswith("--- <stdin>\n+++ <stdin>\t(mutated)\n@@ -1,")


@pytest.mark.parametrize(
    ("second", "between"),
    [
        ("a: 1\n", "---\n"),
        ("# c\n\n  # c\n---\na: 1\n", ""),
        ("--- # c\na: 1\n", ""),
        ("%YAML 1.1\n---\na: 1\n", "...\n"),
        ("# c\r\n---\r\na: 1\r\n", ""),
        ("# ---\na: 1\n", "---\n"),
    ],
)
def test_files_are_put_together_as_documents(second: str, between: str) -> None:
    """With a line between them only if the second has none."""
    first = "b: 2\n...\n# c\n"
    sources = [files.SourceFile("f", text, tuple(parse(text)), ()) for text in (first, second)]
    text = outputs.as_yaml(sources, []).text
    assert text == first + between + second
    assert [document.value for document in parse(text)] == [{"b": 2}, {"a": 1}]


@pytest.mark.slow
def test_the_time_for_a_pod_grows_no_faster_than_its_length() -> None:
    """200 containers of 50 variables against 25. A comparison of all their lines would take minutes."""
    entries = "".join(f"    - name: V{number}\n      value: x\n" for number in range(50))

    def seconds(count: int) -> float:
        text = HEAD + "  containers:\n" + "".join(f"  - name: c{n}\n    env:\n{entries}" for n in range(count))
        start = time.process_time()
        assert mutated(text)[1].count("\n@@ ") >= count
        return time.process_time() - start

    little, much = (min(seconds(count) for _ in range(3)) for count in (25, 200))
    assert much < 3 * 8 * little
