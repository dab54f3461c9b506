"""What users may import is this list, as docs/helper.md states. Everything else begins with an underscore."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import m365_identity

PAGE = Path(__file__).parents[2] / "docs" / "helper.md"

PUBLIC = {
    "m365_identity": [
        "CLOUDS",
        "Cloud",
        "EventLoopError",
        "ExchangeError",
        "GraphError",
        "M365IdentityError",
        "NetworkError",
        "NoAnswerError",
        "NotConfiguredError",
        "Retry",
        "Settings",
        "SettingsError",
        "ThrottledError",
        "TokenFileError",
        "UnreachableError",
        "WorkloadIdentityCredential",
        "graph_root",
        "graph_scope",
    ],
    "m365_identity.aio": ["WorkloadIdentityCredential"],
    "m365_identity.clouds": ["CLOUDS", "Cloud", "cloud_of"],
    "m365_identity.credential": ["WorkloadIdentityCredential"],
    "m365_identity.errors": [
        "Advice",
        "EventLoopError",
        "ExchangeError",
        "GraphError",
        "M365IdentityError",
        "NetworkError",
        "NoAnswerError",
        "SettingsError",
        "ThrottledError",
        "TokenFileError",
        "UnreachableError",
    ],
    "m365_identity.metrics": ["SignInMetrics"],
    "m365_identity.retry": ["Clock", "OnRetry", "Retry"],
    "m365_identity.settings": ["ARGUMENT", "DEFAULT", "Settings", "graph_root", "graph_scope", "settings"],
}


def modules() -> Iterator[str]:
    """Every module that can be imported without naming anything that begins with an underscore."""
    yield "m365_identity"
    for found in pkgutil.walk_packages(m365_identity.__path__, "m365_identity."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield found.name


def test_the_public_modules_are_these() -> None:
    """A new module is private until it is added to this list and to the page."""
    assert sorted(modules()) == sorted(PUBLIC)


def test_the_public_names_are_these() -> None:
    """Adding a name is a promise, removing one breaks users: both are done here, on purpose."""
    assert {name: sorted(importlib.import_module(name).__all__) for name in PUBLIC} == PUBLIC


def test_a_public_module_defines_no_other_public_name() -> None:
    """Whatever a module defines itself is in its `__all__` or begins with an underscore."""
    for name, promised in PUBLIC.items():
        module = importlib.import_module(name)
        own = {
            each
            for each, value in vars(module).items()
            if getattr(value, "__module__", None) == name and not each.startswith("_")
        }
        assert own <= set(promised), name


def test_the_page_lists_the_public_modules() -> None:
    """docs/helper.md says which modules are public."""
    (line,) = re.findall(r"^Public are .*?\n\n", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert sorted(re.findall(r"`(m365_identity[a-z.]*)`", line)) == sorted(PUBLIC)
