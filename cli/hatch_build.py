"""Puts the packages of the program into what is built: from the folder above, or from where an sdist has them."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGES = ("certs", "m365_identity", "webhook")
INSIDE = "m365wi/_packages"


class Hook(BuildHookInterface[Any]):
    """Called by hatchling for each wheel and sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Names the folders. In an sdist they are in their place already."""
        if (Path(self.root) / INSIDE).exists():
            return
        for package in PACKAGES:
            build_data["force_include"][str(Path(self.root).parent / package)] = f"{INSIDE}/{package}"
