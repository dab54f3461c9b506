"""Terraform's providers, as a mirror in a folder, which OpenTofu reads instead of a registry.

The folder is $M365WI_TERRAFORM_PROVIDERS, else one in the cache. `python -m testbed.third_party.providers` fills the
latter with the versions of terraform/*/main.tf, from OpenTofu's registry, if there is a way to it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from testbed.cluster.build import cache_root, to_stderr
from testbed.third_party.build import HERE, place
from testbed.third_party.versions import version

__all__ = ["PROVIDERS", "configuration", "has", "main"]

PROVIDERS = ("azuread", "power-platform")


def mirror() -> Path:
    """The folder."""
    named = os.environ.get("M365WI_TERRAFORM_PROVIDERS")
    return Path(named) if named else cache_root() / "third-party-providers"


def has(provider: str) -> bool:
    """Whether the mirror has the version of a provider that we want, packed or not."""
    number = version(f"provider:{provider}")
    return any([*mirror().glob(f"*/*/{provider}/{number}/*"), *mirror().glob(f"*/*/{provider}/*_{number}_*.zip")])


def configuration(folder: Path) -> Path:
    """A file for TF_CLI_CONFIG_FILE, by which the mirror is all that OpenTofu knows. It is made in `folder`."""
    file = folder / "tofu.tfrc"
    file.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror()}"\n  }}\n}}\n')
    return file


def main() -> int:
    """Fills the mirror. Exit status 0 even if the registry is out of reach: a run then leaves out those rows."""
    tofu = place("opentofu") / "opentofu"
    for provider in PROVIDERS:
        if not has(provider):
            command: list[str | Path] = [
                tofu,
                f"-chdir={HERE / 'terraform' / provider}",
                "providers",
                "mirror",
                mirror(),
            ]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode:
                said = re.findall("Error: .*", done.stderr)
                to_stderr(f"provider {provider}: its rows keep what an earlier run saw. {' '.join(said)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
