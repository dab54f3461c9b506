"""Tenants, and what cannot be one: tests/cases/tenants.json, which the webhook and the helper both obey."""

import json
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).parent.parent / "cases" / "tenants.json"
TENANTS: Final[tuple[str, ...]] = tuple(json.loads(_FILE.read_text("utf-8"))["tenants"])
OTHERS: Final[tuple[str, ...]] = tuple(json.loads(_FILE.read_text("utf-8"))["others"])
