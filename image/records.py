"""dpkg's records and the licences of the Debian packages that files come from, where scanners look for them."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from base import BASE, copy, exists, real, within

DATABASE = Path("/var/lib/dpkg")
INFO = DATABASE / "info"
STATUS = DATABASE / "status.d"
# A file that the package makes when it is installed.
MADE = {"/etc/ssl/certs/ca-certificates.crt": "ca-certificates"}


def write(root: Path, paths: Iterable[Path]) -> None:
    """Writes the record of each package that owns one of `paths`. A file that none owns is left to others."""
    owners = _owners()
    packages = {owners.get(name(path)) or MADE.get(str(path)) for path in paths}
    # A folder of licences may be a link to that of another package, which is in the image then.
    packages |= {owners.get(name(real(licence(package)))) for package in packages if package}
    status = _status()
    for package in sorted(filter(None, packages)):
        (root / STATUS.relative_to("/") / package).write_text(status[package])
        for sums in (f"{package}.md5sums", f"{package}:{_architecture(status[package])}.md5sums"):
            if exists(INFO / sums):
                shutil.copyfile(within(BASE, INFO / sums), root / STATUS.relative_to("/") / f"{package}.md5sums")
        if exists(licence(package)):
            copy(licence(package), root)


def licence(package: str) -> Path:
    """Where a package has its licences."""
    return Path("/usr/share/doc") / package / "copyright"


def name(path: Path) -> str:
    """How a file is compared: the name with and the name without /usr mean the same file."""
    return str(path).removeprefix("/usr")


def _owners() -> dict[str, str]:
    found = {}
    for listed in sorted(within(BASE, INFO).glob("*.list")):
        package = listed.stem.partition(":")[0]
        for line in listed.read_text().splitlines():
            if not within(BASE, Path(line)).is_dir():
                found[name(Path(line))] = package
    return found


def _status() -> dict[str, str]:
    paragraphs = within(BASE, DATABASE / "status").read_text().split("\n\n")
    fields = ((paragraph.partition("\n")[0].partition(": ")[2], paragraph.strip() + "\n") for paragraph in paragraphs)
    return {package: text for package, text in fields if package}


def _architecture(text: str) -> str:
    return re.findall(r"^Architecture: (.*)$", text, re.MULTILINE)[0]
