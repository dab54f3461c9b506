"""docs/support.md promises what the code says and the tests do."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from testbed.cluster.build import MINORS
from webhook import __version__
from webhook.core.names import MOUNT_PATH

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/support.md").read_text()


def numbers(version: str) -> tuple[int, ...]:
    """A version, in its order."""
    return tuple(map(int, version.split(".")))


def test_four_minors_of_kubernetes_are_supported_and_the_first_and_the_last_are_tested() -> None:
    """For the release that is developed here; the chart installs on no less."""
    rows = re.findall(r"^\| (\d+\.\d+) \| (\d\.\d+) to (\d\.\d+) \| ([\d., ]+) \|$", PAGE, re.MULTILINE)
    release, first, last, tested = rows[-1]
    assert __version__.startswith(f"{release}.")
    assert numbers(last)[1] - numbers(first)[1] == 3
    assert sorted(tested.split(", "), key=numbers) == [first, last] == sorted(MINORS, key=numbers)
    least = yaml.safe_load((ROOT / "manifests/chart/Chart.yaml").read_text())["kubeVersion"]
    (installed,) = re.findall(r"The chart installs on (\d\.\d+) and newer", PAGE)
    assert least == f">={installed}.0-0"
    assert numbers(installed) <= numbers(first)


def test_each_python_that_is_supported_is_tested() -> None:
    """Each night; the oldest is what both wheels ask for."""
    ((first, last),) = re.findall(r"today (\d\.\d+) to (\d\.\d+)", PAGE)
    supported = [f"3.{minor}" for minor in range(numbers(first)[1], numbers(last)[1] + 1)]
    nightly = yaml.safe_load((ROOT / ".github/workflows/nightly.yml").read_text())
    assert nightly["jobs"]["quick"]["strategy"]["matrix"]["python"] == supported
    for project in ("pyproject.toml", "cli/pyproject.toml"):
        assert tomllib.loads((ROOT / project).read_text())["project"]["requires-python"] == f">={first}"


@pytest.mark.parametrize("name", re.findall(r"`(tests/[\w/]+\.py)`", PAGE))
def test_what_is_said_to_be_tested_is(name: str) -> None:
    """The file exists, and the test that is named."""
    text = (ROOT / name).read_text()
    for test in re.findall(rf"`(test_\w+)` in `{name}`", PAGE):
        assert f"def {test}(" in text


def test_the_path_that_never_changes_is_ours() -> None:
    """The page names the file, the code its folder."""
    assert f"`{MOUNT_PATH}/azure-identity-token`" in PAGE
