"""The README and the docs are true: their commands run, their links lead somewhere, their tables are complete."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from webhook.core import names
from webhook.core.clouds import CLOUDS
from webhook.core.decision import Decision
from webhook.core.policy import SCOPES
from webhook.metrics import OUTCOMES, Metrics
from webhook.settings.options import OPTIONS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "RELEASING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
]
ANNOTATIONS = (ROOT / "docs" / "annotations.md").read_text()
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


def commands(page: Path) -> list[str]:
    """The lines of a page's shell examples, without comments and with continued lines joined."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("   #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    """A command, in the root of the repository."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.parametrize("line", [line for page in PAGES for line in commands(page) if "m365wi mutate" in line])
def test_the_examples_of_mutate_run(line: str) -> None:
    """As they stand, with this Python; stdin is empty and only shown examples of files that exist are run."""
    words = shlex.split(line.split("|")[0].split(">")[0])
    files = [words[index + 1] for index, word in enumerate(words) if word == "-f"]
    if not files or not all((ROOT / file).exists() for file in files):
        assert all(not file.startswith(("manifests/", "examples/")) for file in files), f"{line}: no such example"
        return
    done = run(sys.executable, "-m", "webhook", *words[1:])
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_demo_runs_and_shows_what_the_readme_promises() -> None:
    """`make demo` without a cluster: the pod's variables, and three users who are told what is wrong."""
    done = run("make", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    for text in (
        "+    - name: M365_CLOUD",
        "expected the application's GUID",
        "no client id",
        "token expiration 600 not",
    ):
        assert text in done.stdout


def test_every_module_of_the_webhook_is_on_the_map() -> None:
    """In docs/architecture.md, by its name."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    modules = [path.name + "/" * path.is_dir() for path in sorted((ROOT / "webhook").iterdir()) if path.name[0] != "_"]
    assert [name for name in modules if f"{name}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_to_a_file(page: Path) -> None:
    """Those into the repository; links to other sites are not followed."""
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def anchors(page: Path) -> set[str]:
    """What a link may name after `#`: a page's headings, as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_to_a_heading(page: Path) -> None:
    """Those into the repository with a `#`."""
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", page.read_text()) if "://" not in target]
    links = [target.partition("#") for target in targets if "#" in target]
    assert [name + "#" + to for name, _, to in links if to not in anchors(page.parent / name if name else page)] == []


def test_every_rule_is_where_the_architecture_page_says() -> None:
    """The table "Where is …?": twenty rules, each with a file, and a word to look for in it."""
    text = (ROOT / "docs" / "architecture.md").read_text().partition("## Where is")[2]
    rules = re.findall(r"^\| ([^|]+) \| `([^`|]+)` \| `([^`|]+)` \|$", text, flags=re.MULTILINE)
    assert len(rules) >= 20
    for rule, name, word in rules:
        path = ROOT / name
        texts = [file.read_text() for file in ([path] if path.is_file() else path.glob("*.py"))]
        assert any(re.search(rf"\b{word}\b", each) for each in texts), f"{rule}: {word} is not in {name}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_path_that_is_named_exists(page: Path) -> None:
    """In backticks, and beginning with a folder of the repository; `*` stands for any name."""
    tops = {path.name for path in ROOT.iterdir()} - {"build", "dist"}
    paths = {path for path in re.findall(r"`([\w.*-]+(?:/[\w.*-]*)+)`", page.read_text()) if path.split("/")[0] in tops}
    assert [path for path in sorted(paths) if not [*ROOT.glob(path.rstrip("/"))]] == []


def test_every_page_is_in_the_index() -> None:
    """docs/README.md links to each page, and docs/decisions/README.md to each decision."""
    for folder in (ROOT / "docs", ROOT / "docs" / "decisions"):
        index = (folder / "README.md").read_text()
        pages = {page.name for page in folder.glob("*.md")} - {"README.md"}
        assert {name for name in pages if f"]({name}" not in index} == set()


def test_every_make_target_that_is_named_exists() -> None:
    """In the README and in every page."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)", page.read_text())}
    assert named <= targets


def test_the_table_has_every_annotation() -> None:
    """Each under its short prefix, in docs/annotations.md."""
    available = (names.POD_ANNOTATIONS | names.ACCOUNT_ANNOTATIONS) - {names.PREFLIGHT, names.TOKEN_ENDPOINT}
    for annotation in available:
        prefix = "A" if annotation.startswith(names.AZURE_PREFIX) else "M"
        assert f"| `{prefix} {annotation.partition('/')[2]}` |" in ANNOTATIONS


def test_the_page_of_annotations_has_every_cloud_and_the_promised_path() -> None:
    """Spelled as they are accepted."""
    assert all(f"`{cloud}`" in ANNOTATIONS for cloud in CLOUDS)
    assert f"`{names.MOUNT_PATH}` (this path never changes)" in ANNOTATIONS


def test_every_setting_has_its_line() -> None:
    """In docs/serve.md, with the variable that stands for the flag."""
    text = (ROOT / "docs" / "serve.md").read_text()
    for option in OPTIONS:
        assert f"| `{option.flag}` | `{option.variable}` |" in text


def test_every_reason_and_every_metric_is_documented() -> None:
    """In docs/serve.md."""
    text = (ROOT / "docs" / "serve.md").read_text()
    assert all(f"`{reason}`" in text for reasons in OUTCOMES.values() for reason in reasons)
    metrics = Metrics(version="0")
    metrics.review("injected", "injected", 0.1)
    metrics.serving_not_after(1.0)
    metrics.authority_not_after(1.0)
    metrics.trust_published(published=True)
    exposed = metrics.exposition("")[0].decode()
    for name in re.findall(r"^# TYPE (\S+)", exposed, flags=re.MULTILINE):
        assert f"`{name}" in text, name


def test_every_scope_is_documented() -> None:
    """In docs/scopes.md, one row each."""
    text = (ROOT / "docs" / "scopes.md").read_text()
    assert all(f"| `{scope}`" in text for scope in SCOPES)


def test_every_reason_of_a_decision_is_counted_from_zero() -> None:
    """The table of metrics and the decisions name the same outcomes."""
    assert set(OUTCOMES) == {"injected", "unchanged", "denied", "error"}
    assert Decision("injected", "injected").reason in OUTCOMES["injected"]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_page_calls_the_command_line_by_its_name(page: Path) -> None:
    """`m365wi`; docs/cli.md has its other names."""
    assert "python -m webhook" not in page.read_text() or page.name == "cli.md"
