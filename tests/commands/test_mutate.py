"""`python -m webhook mutate`: its flags, its files, what it prints and its exit code."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.core import cases
from tests.offline.mutating import ACCOUNT, CLIENT, Mutate, pod, write

ROOT = Path(__file__).parents[2]


EXAMPLES = [ROOT / "examples" / name for name in ("azure-cli", "terraform")]
THEIR_FLAGS = [flag for folder in EXAMPLES for flag in ("-f", str(folder))]


def test_files_folders_and_standard_input_are_read_together(mutate: Mutate, tmp_path: Path) -> None:
    """A folder's YAML and JSON in the order of names, without its folders; the objects of all files count together."""
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    write(folder / "b.yml", ACCOUNT)
    (folder / "a.json").write_text(json.dumps(pod("a")))
    write(folder / "c.txt", pod("c"))
    write(folder / "below" / "d.yaml", pod("d"))
    ran = mutate("-f", "-", "-f", "folder", stdin=yaml.safe_dump(pod("first")), last=pod("last"))
    assert [document["metadata"]["name"] for document in ran.documents] == ["last", "first", "a", "terraform"]
    assert [line for line in ran.err if not line.endswith(": injected")] == []


def test_settings_come_from_flags_and_environment(mutate: Mutate, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for serve: the flag, then the variable."""
    account = {**ACCOUNT, "metadata": {**ACCOUNT["metadata"], "annotations": {CLIENT: cases.CLIENT}}}
    monkeypatch.setenv("M365WI_TENANT_ID", "contoso.com")
    monkeypatch.setenv("M365WI_CLOUD", "china")
    (_, made) = mutate("--cloud", "dod", all=[account, pod()]).documents
    env = {entry["name"]: entry["value"] for entry in made["spec"]["containers"][0]["env"]}
    assert (env["M365_TENANT_ID"], env["M365_CLOUD"]) == ("contoso.com", "dod")
    monkeypatch.setenv("M365WI_OWN_NAMESPACE", "shop")
    assert mutate(all=[account, pod()]).err == ["Pod shop/p: unchanged: not-selected"]


def test_every_mistake_is_reported_at_once(mutate: Mutate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags, settings and files in one go, exit code 2, nothing printed."""
    monkeypatch.setenv("M365WI_TENANT_ID", "a b")
    (tmp_path / "empty").mkdir()
    flags = ["-o", "xml", "--color", "blue", "-n", "No", "--cloud", "moon", "-f", "missing", "-f", "empty", "-f", "-"]
    ran = mutate(
        *flags,
        "-f",
        "-",
        bad="a: b\n\tc: d\n",
        latin=b"a: \xe9\n",
        wide="a: b\n".encode("utf-16") + b"\n",
        helm='{{- if .Values.x }}\n"a": 1\n',
        json='{"a": 1\n "b": 2}',
        deep="[" * 900,  # deeper than our limit, not than that of newer libyaml
        kinds="apiVersion: v1\n---\n- a\n---\nkind: List\napiVersion: v1\nitems:\n  - null\n",
    )
    assert (ran.code, ran.out) == (2, "")
    assert [line.removeprefix("python -m webhook mutate: ") for line in ran.err] == [
        '-o is "xml", expected one of yaml, json, patch, diff [WI501]',
        '--color is "blue", expected one of auto, always, never [WI501]',
        '-n is "No", expected a namespace\'s name [WI501]',
        'M365WI_TENANT_ID is "a b", expected the tenant\'s GUID or domain [WI501]',
        '--cloud is "moon", expected one of public, gcc, gcchigh, dod, china, ex, rx [WI501]',
        "-f - is given 2 times: standard input can be read only once [WI402]",
        "bad.yaml:2:1: the text is not YAML: a tab where only spaces indent [WI408]",
        "latin.yaml:1: the text is not UTF-8 (write the file as UTF-8) [WI404]",
        "wide.yaml: the text begins with the mark of UTF-16, but the rest of it is not UTF-16 "
        "(write the file as UTF-8) [WI405]",
        "helm.yaml:1:3: the text is not YAML: did not find expected node content; it looks like a template "
        "(helm template CHART | m365wi mutate -f -) [WI409]",
        "json.yaml:2:2: the text is not JSON: Expecting ',' delimiter [WI406]",
        "deep.yaml:1:201: the text is not YAML: nested deeper than 200 levels [WI408]",
        "kinds.yaml:1:1: this is not a Kubernetes object: kind missing [WI412]",
        "kinds.yaml:3:1: this is not a Kubernetes object: expected apiVersion and kind [WI411]",
        "kinds.yaml:8:5: this is not a Kubernetes object: expected apiVersion and kind [WI411]",
        "missing: the file cannot be read: No such file or directory [WI401]",
        "empty: no file in the folder ends in one of .yaml, .yml, .json [WI403]",
    ]


def test_a_run_without_a_file_is_wrong_use(mutate: Mutate) -> None:
    """And so is a file without an object."""
    assert mutate().err == [
        "python -m webhook mutate: -f is missing, expected a file, a folder, or - for standard input [WI502]"
    ]
    ran = mutate(empty="# nothing\n---\n")
    assert (ran.code, ran.err) == (2, ["python -m webhook mutate: empty.yaml: no object found [WI410]"])


def test_a_repeated_key_is_a_warning_with_its_place(mutate: Mutate) -> None:
    """kubectl silently takes the last one, and so does the command, in YAML and in JSON."""
    text = "apiVersion: v1\nkind: Pod\nkind: ConfigMap\n"
    ran = mutate(repeated=text)
    assert (ran.code, ran.out) == (0, text)
    message = 'key "kind" stands twice: the last one counts, as for kubectl [WI413]'
    assert ran.err[0] == f"warning: repeated.yaml:3:1: {message}"
    ran = mutate(json='{"apiVersion": "v1", "kind": "Pod", "kind": "ConfigMap"}')
    assert (ran.out, ran.err[0]) == ("apiVersion: v1\nkind: ConfigMap\n", f"warning: json.yaml:1:37: {message}")


def test_names_cannot_steer_a_terminal(mutate: Mutate) -> None:
    """An object is named in one line of ASCII."""
    ran = mutate(all=pod("\x1b[31mé\n"))
    assert ran.err[0] == r"Pod shop/\x1b[31m\xe9\n: unchanged: account-not-found"


def test_only_a_terminal_gets_colours(mutate: Mutate) -> None:
    """--color never and always are obeyed; auto looks whether standard output is a terminal."""
    for flags, coloured in (((), False), (("--color", "never"), False), (("--color", "always"), True)):
        out = mutate("-o", "diff", *flags, all=[ACCOUNT, pod()]).out
        assert ("\x1b[32m+" in out) is coloured
    assert "\x1b" not in mutate("--color", "always", all=[ACCOUNT, pod()]).out


@pytest.mark.slow
@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_gets_colours_unless_the_environment_forbids_it(environ: dict[str, str], coloured: bool) -> None:
    """The real command on a real terminal; see https://no-color.org."""
    reader, writer = pty.openpty()
    command = [sys.executable, "-m", "webhook", "mutate", *THEIR_FLAGS, "-o", "diff"]
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    with subprocess.Popen(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, env=clean | environ):
        os.close(writer)
        out = b""
        while chunk := _read(reader):
            out += chunk
    os.close(reader)
    assert (b"\x1b[32m+" in out) is coloured


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux's way to say that the other end is closed
        return b""


@pytest.mark.slow
def test_the_examples_are_injected_through_pipes() -> None:
    """The real command, as a user runs it, in a locale without UTF-8. A reader may close the pipe early."""
    command = [sys.executable, "-m", "webhook", "mutate"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("M365WI_")}
    options: dict[str, Any] = {"cwd": ROOT, "capture_output": True, "env": environ | {"LC_ALL": "C"}}
    first = subprocess.run([*command, *THEIR_FLAGS], check=True, **options)
    assert first.stderr.decode().splitlines() == [
        "Deployment m365-reports/graph-report: injected",
        "Pod terraform-m365/terraform: injected",
    ]
    second = subprocess.run([*command, "-f", "-"], input=first.stdout, check=True, **options)
    assert second.stdout == first.stdout
    with subprocess.Popen([*command, *THEIR_FLAGS], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as gone:
        assert gone.stdout
        assert gone.stderr
        gone.stdout.close()
        assert b"Traceback" not in gone.stderr.read()
