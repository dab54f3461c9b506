"""`doctor` as a command: what it prints, where, and with which exit code."""

import dataclasses
import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest

from m365_identity._checks import Found, LinkStatus
from m365_identity._checks.result import LinkFinding, finding
from m365_identity._checks.settings import application
from m365_identity._checks.walk import CHECKS
from m365_identity._messages import TABLE
from m365_identity._messages import graph as messages
from tests.helper_commands.doctor_support import doctor, well, write
from tests.helper_commands.processes import COMMAND, SUBJECT, Commands, Pod

pytestmark = pytest.mark.slow

LINE = re.compile(r"(ok  |warn|FAIL|skip) (.{19})  (.+)")


def on_terminal(environ: Mapping[str, str]) -> str:
    """What `doctor` writes to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, "doctor"], env=dict(environ), stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            said += chunk
        process.wait(60)
    os.close(ours)
    return said.decode()


def test_every_line_of_a_good_pod_is_ok(commands: Commands, tmp_path: Path) -> None:
    """One line a check, in the order of the walk, each ok; exit code 0; nothing on standard error."""
    with well(tmp_path) as pod:
        commands.environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **pod.environ}
        done = commands.run("doctor")
        assert (done.code, done.err) == (0, "")
        lines = done.out.splitlines()
        assert lines[-1] == f"{len(CHECKS)} ok. Every link holds."
        matches = [LINE.fullmatch(line) for line in lines[:-2]]
        assert [match and (match[1], match[2].rstrip()) for match in matches] == [
            ("ok  ", check.title) for check in CHECKS
        ]
        assert len(pod.entra.exchanges) == 1
        assert [(asked.path, asked.status) for asked in pod.entra.calls] == [("/v1.0/organization", 200)]
        assert pod.proxy.tunnels


def test_the_document_has_every_check_in_order(tmp_path: Path) -> None:
    """The shape of -o json; one that is all well names nothing to look at first."""
    with well(tmp_path) as pod:
        report = doctor(pod.environ)
        assert report.code == 0
        assert set(report.document) == {"status", "first", "checks"}
        assert (report.document["status"], report.document["first"]) == ("ok", None)
        assert [result["id"] for result in report.document["checks"]] == [check.id for check in CHECKS]
        for result in report.document["checks"]:
            assert set(result) == {"id", "title", "status", "code", "detail", "causes", "fix"}
            assert TABLE[result["code"]].severity == "ok"
            assert (result["status"], result["causes"], result["fix"]) == ("ok", [], "")
            assert result["detail"]

        pod.application.unfederate()
        report = doctor(pod.environ)
        assert report.code == 1
        assert (report.document["status"], report.document["first"]) == ("fail", "exchange")
        assert report.failed() == {"exchange"}
        assert {report.status(check) for check in ("access-token", "roles", "graph")} == {"skip"}
        assert report.detail("graph") == 'needs "exchange"'
        assert report.status("graph-tls") == "ok"

        report = doctor(
            pod.environ | {"M365_FEDERATED_TOKEN_FILE": "/x"}, "--client-id", "00" * 4 + "-0000" * 4 + "0" * 8
        )
        assert report.failed() == {"exchange"}


def test_only_warnings_are_exit_code_0(commands: Commands) -> None:
    """What can be intended does not fail; it is the first to look at."""
    commands.pod.federate()
    done = commands.run("doctor")
    assert done.code == 0, done.out
    assert "FAIL" not in done.out
    assert "First to look at: cloud\n" in done.out


def test_causes_and_fix_are_below_what_failed(commands: Commands) -> None:
    """Below the line of what failed, and once more at the end."""
    commands.pod.application.federate(issuer=commands.pod.entra.issuer.url, subject="system:serviceaccount:shop:other")
    done = commands.run("doctor")
    assert (done.code, done.err) == (1, "")
    lines = done.out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("FAIL exchange "))
    assert "AADSTS700213 (invalid_client, HTTP 401): no federated identity credential" in lines[place]
    assert lines[place + 1].startswith("      1. ")
    fix = f"      fix: az ad app federated-credential create --id {commands.pod.application.client_id} --parameters "
    assert [line.startswith(fix) for line in lines[place:]].count(True) == 2
    end = lines.index("", place)
    assert lines[end + 1].endswith("First to fix: exchange")
    assert lines[end + 2].strip() == lines[place].partition("exchange")[2].strip()
    assert lines[end + 3].startswith(fix)
    credential = json.loads(lines[end + 3].partition("--parameters ")[2].strip("'"))
    assert re.fullmatch("shop-terraform-[0-9a-f]{8}", credential.pop("name"))
    assert credential == {
        "issuer": commands.pod.entra.issuer.url,
        "subject": SUBJECT,
        "audiences": ["api://AzureADTokenExchange"],
    }


def test_signs_and_colours_on_a_terminal(commands: Commands) -> None:
    """Green, yellow and red; with NO_COLOR signs alone, on a dumb terminal words, without UTF-8 coloured words."""
    commands.pod.token_file.write_text("x")
    commands.environ["TERM"] = "xterm"
    said = on_terminal(commands.environ)
    assert "\x1b[32m✓\x1b[0m application " in said
    assert "\x1b[33m!\x1b[0m cloud " in said
    assert "\x1b[31m✗\x1b[0m token file " in said
    assert "\x1b[2m-\x1b[0m exchange " in said
    said = on_terminal(commands.environ | {"NO_COLOR": "1"})
    assert "✓ application " in said
    assert "\x1b" not in said
    said = on_terminal(commands.environ | {"TERM": "dumb"})
    assert "ok   application " in said
    assert "\x1b" not in said
    said = on_terminal(commands.environ | {"LANG": "C", "PYTHONIOENCODING": "ascii"})
    assert "\x1b[32mok  \x1b[0m application " in said


def test_foreign_text_cannot_control_the_terminal(pod: Pod, commands: Commands) -> None:
    """Control characters and line breaks of a token or a variable are blanks."""
    write(pod, iss="https://issuer.example/\x1b[2J\nFAIL x", sub="system:serviceaccount:shop:\x07")
    commands.environ["AZURE_FEDERATED_TOKEN_FILE"] += "\x1b[0m\n"
    for said in (commands.run("doctor").out, commands.run("doctor", "--token-file", str(pod.token_file)).out):
        assert not re.search(r"[\x00-\x09\x0b-\x1f]", said)
        assert "\nFAIL x" not in said


def test_without_settings_the_other_links_are_still_checked(pod: Pod) -> None:
    """Without injection: what is missing is reported with its fix, and both servers are tried."""
    keep = ("AZURE_AUTHORITY_HOST", "M365_GRAPH_HOST", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    report = doctor({name: pod.environ[name] for name in keep})
    assert report.code == 1
    assert report.document["first"] == "application"
    assert [result["detail"].partition(":")[0] for result in report.all("application")] == [
        "no tenant id",
        "no client id",
        "no token file",
    ]
    assert 'azure.workload.identity/use: "true"' in report.fix("application")
    assert {report.status(check) for check in ("login-tls", "graph-tls", "authorities")} == {"ok"}
    for check in ("file", "renewal", "subject", "discovery", "exchange", "roles", "graph"):
        assert report.status(check) == "skip", check


def test_a_fix_for_several_is_shown_once(commands: Commands) -> None:
    """Below the last of them the next one follows, and at the end it is reported again."""
    for name in [*commands.environ]:
        if name.endswith(("_TENANT_ID", "_CLIENT_ID", "_TOKEN_FILE")):
            del commands.environ[name]
    lines = commands.run("doctor").out.splitlines()
    assert [line[:16] for line in lines[:4]] == [
        "FAIL application",
        "      fix: label",
        "FAIL application",
        "FAIL application",
    ]
    assert sum(line.startswith("      fix: label") for line in lines) == 2


def test_a_file_that_nothing_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is where the webhook puts it, and the variable was lost, by `env -i` or sudo."""
    path = tmp_path / "azure-identity-token"
    monkeypatch.setattr("m365_identity._checks.settings._USUAL", str(path))
    assert len(list(application(Found(environ={})))) == 3
    path.touch()
    *_, finding = application(Found(environ={}))
    assert finding.status is LinkStatus.WARN
    assert finding.fix == f"export AZURE_FEDERATED_TOKEN_FILE={path}, or --token-file"
    named = application(Found(environ={"AZURE_FEDERATED_TOKEN_FILE": "/other"}))
    assert {finding.status for finding in named} == {LinkStatus.FAIL}


def test_a_client_id_that_is_none_leaves_the_file_to_be_looked_at(pod: Pod) -> None:
    """One variable is wrong: what does not need it is reported."""
    report = doctor(pod.environ | {"M365_CLIENT_ID": "contoso-app"})
    assert report.failed() == {"application"}
    assert 'M365_CLIENT_ID is "contoso-app", expected the application\'s GUID' in report.detail("application")
    assert {report.status(check) for check in ("file", "subject", "login-tls", "graph-tls")} == {"ok"}
    assert report.detail("exchange") == 'needs "application"'


def test_a_cloud_that_is_none_leaves_the_file_to_be_looked_at(pod: Pod) -> None:
    """Without it, the login host is not known."""
    report = doctor(pod.environ | {"M365_CLOUD": "mars"})
    assert report.failed() == {"cloud"}
    assert "one of public, gcc" in report.detail("cloud")
    assert {report.status(check) for check in ("application", "file", "audience")} == {"ok"}
    assert report.detail("login-proxy") == 'needs "cloud"'


def test_with_a_bad_login_host_the_other_links_are_still_checked(pod: Pod) -> None:
    """It is reported once, by its own link."""
    report = doctor(pod.environ | {"AZURE_AUTHORITY_HOST": "https://[login"})
    assert report.failed() == {"cloud"}
    assert 'AZURE_AUTHORITY_HOST is "https://[login", expected the login host' in report.detail("cloud")
    assert {report.status(check) for check in ("application", "contradictions", "file")} == {"ok"}


def test_a_mistake_of_its_own_in_one_link_hides_no_other(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported with its place and without its text, which may hold anything; links that need it are skipped."""
    pod.federate()
    token = pod.token_file.read_text()

    def broken(found: Found) -> Iterator[LinkFinding]:
        yield finding(messages.CLOCK)
        raise KeyError(token)

    checks = tuple(dataclasses.replace(check, run=broken) if check.id == "discovery" else check for check in CHECKS)
    monkeypatch.setattr(import_module("m365_identity._checks.walk"), "CHECKS", checks)
    report = doctor(pod.environ)
    assert report.failed() == {"discovery"}
    assert [result["status"] for result in report.all("discovery")] == ["ok", "fail"]
    assert "ended in KeyError (test_doctor.py, line " in report.detail("discovery")
    assert report.fix("discovery")
    assert {report.status(check) for check in ("exchange", "graph")} == {"ok"}


def test_each_value_has_its_origin(pod: Pod) -> None:
    """A flag, either family of variables, or the cloud."""
    pod.environ.pop("M365_TENANT_ID")
    report = doctor(pod.environ, "--client-id", pod.application.client_id, "--token-file", str(pod.token_file))
    assert report.detail("application") == (
        f"{pod.application.client_id} (--client-id) of tenant {pod.application.tenant_id} (AZURE_TENANT_ID)"
    )
    assert report.detail("file").startswith(f"{pod.token_file} (--token-file), ")
    assert "public (M365_CLOUD), sign-in at" in report.all("cloud")[0]["detail"]
    assert "(AZURE_AUTHORITY_HOST), which is not Microsoft's" in report.detail("cloud")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--client-id", "contoso-app"),
        ("--cloud", "mars"),
        ("--token-file", " "),
        ("-o", "yaml"),
        ("--timeout", "0"),
        ("--timeout", "soon"),
        ("--timeout", "nan"),
        ("--timeout", "601"),
        ("now",),
    ],
)
def test_wrong_usage_is_exit_code_2_and_asks_nothing(commands: Commands, arguments: tuple[str, ...]) -> None:
    """Exit code 2, with the flag named; nothing is asked."""
    done = commands.run("doctor", *arguments)
    assert (done.code, done.out) == (2, "")
    assert arguments[0].removeprefix("-") in done.err
    assert not commands.pod.entra.requests


def test_nothing_secret_is_printed(commands: Commands) -> None:
    """Not the token, nor part of it, nor what other variables hold, nor the proxy's password."""
    commands.environ |= {
        "AZURE_CLIENT_SECRET": "hush-1",
        "AZURE_PASSWORD": "hush-2",
        "IDENTITY_HEADER": "hush-3",
        "IDENTITY_ENDPOINT": "http://10.0.0.1/hush-4",
        "HTTPS_PROXY": "http://somebody:hush-5@127.0.0.1:1",
        "M365_CLIENT_SECRET": "hush-6",
    }
    parts = commands.pod.token_file.read_text().split(".")
    for arguments in ((), ("-o", "json")):
        done = commands.run("doctor", *arguments)
        assert done.code == 1
        for secret in ("hush", "somebody", *(part[:12] for part in parts)):
            assert secret not in done.out + done.err


def test_the_page_has_every_check() -> None:
    """docs/doctor.md: a row for each, in order, with the line that one sees; and the shape of the document."""
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|[^|]*\|[^|]*\|$", page, re.MULTILINE)
    assert rows == [(check.id, check.title) for check in CHECKS]
    example = page.partition("\n```\nok ")[2].partition("```")[0].splitlines()
    example[0] = f"ok {example[0]}"
    assert [match[2].rstrip() for line in example if (match := LINE.fullmatch(line))] == [c.title for c in CHECKS]
    document = json.loads(page.partition("```json\n")[2].partition("```")[0])
    assert set(document["checks"][0]) == {"id", "title", "status", "code", "detail", "causes", "fix"}
