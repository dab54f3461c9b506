"""`doctor` and the token file: every kind of bad file, who may read it, and whether the kubelet renews it."""

import os
import shutil
from pathlib import Path, PurePosixPath

import pytest

from m365_identity._checks import Found, LinkStatus
from m365_identity._checks.file import renewable
from m365_identity._checks.mounts import MountPoint, mount_of, mounts, renewal
from tests.helper_commands.doctor_support import doctor, kubelet, one, write
from tests.helper_commands.processes import Commands, Pod

pytestmark = pytest.mark.slow

TOKENS = "/var/run/secrets/azure/tokens"
FILE = f"{TOKENS}/azure-identity-token"
DATA = "..2026_01_31_12_00_00.123456789"
LINE = "{number} 800 0:{number} {root} {point} ro,relatime - tmpfs tmpfs rw,size=524288k,inode64"


def mountinfo(*entries: tuple[str, str]) -> str:
    """The table of a container, with these roots and mount points."""
    usual = [
        "800 700 0:500 / / rw,relatime master:300 - overlay overlay rw,lowerdir=/a,upperdir=/b,workdir=/c",
        "801 800 0:501 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw",
        "802 800 0:502 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755,inode64",
        "803 800 259:1 /var/lib/kubelet/pods/u/etc-hosts /etc/hosts rw,relatime - ext4 /dev/nvme0n1p1 rw",
    ]
    lines = [LINE.format(number=900 + n, root=root, point=point) for n, (root, point) in enumerate(entries)]
    return "\n".join([*usual, *lines, ""])


WHOLE = mountinfo(("/", TOKENS))
OF_THE_FILE = mountinfo((f"/{DATA}/azure-identity-token", FILE))
OF_A_FOLDER = mountinfo((f"/{DATA}/sub", TOKENS))


def tree(links: dict[str, str]) -> "dict[PurePosixPath, PurePosixPath]":
    """Symlinks by path."""
    return {PurePosixPath(path): PurePosixPath(target) for path, target in links.items()}


LAYOUT = {FILE: "..data/azure-identity-token", f"{TOKENS}/..data": DATA}
RUN = {"/var/run": "/run"}


@pytest.mark.parametrize(
    ("path", "table", "links", "sub_path", "by_kubelet"),
    [
        (FILE, WHOLE, LAYOUT, None, True),
        (FILE, OF_THE_FILE, {}, FILE, False),
        (FILE, OF_A_FOLDER, {}, TOKENS, False),
        (FILE, mountinfo(("/token", FILE)), {}, FILE, False),
        (FILE, mountinfo(), {}, None, False),
        # /var/run is a symlink in many images, and then the table has /run.
        (
            FILE,
            mountinfo(("/", "/run/secrets/azure/tokens")),
            RUN | {path.replace("/var/run", "/run"): target for path, target in LAYOUT.items()},
            None,
            True,
        ),
        (
            FILE,
            mountinfo((f"/{DATA}/x", FILE.replace("/var/run", "/run"))),
            RUN,
            FILE.replace("/var/run", "/run"),
            False,
        ),
        (FILE, mountinfo(("/", "/run/secrets/azure/tokens")), {"/var/run": "../run"}, None, False),
        # A symlink of the user's own leads to it.
        ("/app/token", WHOLE, LAYOUT | {"/app/token": FILE}, None, True),
        ("/app/token", WHOLE, LAYOUT | {"/app/token": f"..{FILE}"}, None, True),
        ("/app/token", OF_THE_FILE, {"/app/token": FILE}, FILE, False),
        ("/app/token", WHOLE, {"/app/token": "token"}, None, False),
        ("/app/token", WHOLE, {"/app": "/app"}, None, False),
        # The whole volume is mounted over the old mount of the file.
        (FILE, OF_THE_FILE + WHOLE, LAYOUT, FILE, False),
        # A space in a mount point.
        ("/a b/token", mountinfo((f"/{DATA}/t", "/a\\040b/token")), {}, "/a b/token", False),
    ],
)
def test_mounts_and_symlinks_say_whether_a_file_is_renewed(
    path: str, table: str, links: dict[str, str], sub_path: str | None, by_kubelet: bool
) -> None:
    """From the kernel's table and the symlinks alone."""
    how = renewal(PurePosixPath(path), mounts(table), tree(links).get)
    assert (str(how.sub_path.point) if how.sub_path else None, how.by_kubelet) == (sub_path, by_kubelet)


def test_the_deepest_and_latest_mount_has_a_path() -> None:
    """The deepest; of two in the same place, the later; lines that make no sense count for nothing."""
    table = mountinfo(("/a", "/x"), ("/b", "/x/y"), ("/c", "/x/y")) + "nonsense\n1 2 3\n"
    assert mount_of(PurePosixPath("/x/y/z"), mounts(table)) == MountPoint(PurePosixPath("/x/y"), PurePosixPath("/c"))
    assert mount_of(PurePosixPath("/x/yy"), mounts(table)) == MountPoint(PurePosixPath("/x"), PurePosixPath("/a"))
    assert mount_of(PurePosixPath("/x"), []) is None


def test_a_projected_volume_is_renewed(pod: Pod, tmp_path: Path) -> None:
    """With this container's own table of mounts."""
    path = kubelet(tmp_path / "volume", pod.token_file.read_text())
    report = doctor(pod.environ, "--token-file", str(path))
    assert (report.status("renewal"), report.detail("renewal")) == ("ok", "the kubelet renews it")
    assert report.status("file") == "ok"


def test_a_copy_is_not_renewed(pod: Pod) -> None:
    """It may be meant, outside of a cluster."""
    report = doctor(pod.environ)
    assert report.status("renewal") == "warn"
    assert "was not written by the kubelet" in report.detail("renewal")


def test_a_mount_with_sub_path_fails(tmp_path: Path) -> None:
    """It works, and stops when this token expires: the fix is to mount the folder."""
    path, table = tmp_path / "token", tmp_path / "mountinfo"
    path.touch()
    table.write_text(mountinfo((f"/{DATA}/azure-identity-token", str(path))))
    finding = one(renewable, Found(environ={}, token_file=path, mounts=table))
    assert finding.status is LinkStatus.FAIL
    assert f"{path} is mounted with subPath" in finding.detail
    assert "without subPath" in finding.fix
    assert one(renewable, Found(environ={}, token_file=path, mounts=tmp_path / "none")).status is LinkStatus.SKIP


def test_a_real_mount_of_a_single_file_is_found(commands: Commands, tmp_path: Path) -> None:
    """What subPath does, in a mount namespace of the command's own: bind-mounted from the kubelet's folder."""
    own = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--mount", "--map-root-user")
    if not shutil.which("unshare") or commands.spawn(*own, "true").wait().code:
        pytest.skip("needs a mount namespace")
    token = commands.pod.token_file
    source = kubelet(tmp_path / "volume", token.read_text()).resolve()
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    done = commands.start("doctor", before=(*own, "sh", "-c", script, "sh", str(source), str(token))).wait()
    assert f"FAIL renewal of the file  {token} is mounted with subPath" in done.out, done.err
    assert done.code == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\x7fELF\x00\xff", "is binary"),
        (b"x" * 1024 * 1024, "is larger than 64 KiB"),
        (b"not a token", "is not a JWT"),
        (b"a.b.c", "is not a JWT"),
    ],
)
def test_a_file_without_a_token_is_found(pod: Pod, content: bytes, says: str) -> None:
    """Told by the file's own line; what needs the token is skipped, and both servers are tried."""
    pod.token_file.write_bytes(content)
    report = doctor(pod.environ)
    assert report.failed() == {"file"}
    assert says in report.detail("file")
    assert report.fix("file")
    for check in ("renewal", "issuer", "subject", "audience", "lifetime", "exchange"):
        assert report.detail(check) == 'needs "token file"'
    assert {report.status(check) for check in ("login-tls", "discovery", "clock", "graph-tls")} == {"ok"}
    assert not pod.entra.exchanges


def test_a_missing_file_a_folder_and_a_pipe_are_told_apart(pod: Pod, tmp_path: Path) -> None:
    """The guide's "File not found", with its usual causes; and what the variable names by mistake."""
    pod.token_file.unlink()
    report = doctor(pod.environ)
    assert report.document["first"] == "file"
    assert report.detail("file") == f"{pod.token_file} does not exist"
    assert any("skip-containers" in cause for cause in report.worst("file")["causes"])
    assert "is a folder" in doctor(pod.environ, "--token-file", str(tmp_path)).detail("file")
    os.mkfifo(pod.token_file)
    assert "is not a regular file" in doctor(pod.environ).detail("file")


@pytest.mark.parametrize("around", ["{}\n", "\n{}", " {} ", "{}\r\n"])
def test_white_space_around_the_token_is_warned_about(pod: Pod, around: str) -> None:
    """It works here, and not with the SDKs that send the file as it is."""
    pod.federate()
    pod.token_file.write_text(around.format(pod.token_file.read_text()))
    report = doctor(pod.environ)
    assert (report.code, report.status("file"), report.status("exchange")) == (0, "warn", "ok")
    assert "white space around the token" in report.detail("file")


def test_mode_owner_and_size_are_shown(pod: Pod) -> None:
    """As `ls` does, so that one sees who may read."""
    pod.token_file.chmod(0o640)
    size = len(write(pod))
    said = doctor(pod.environ).detail("file")
    owner = f"{os.getuid()}:{pod.token_file.stat().st_gid}"
    assert said == f"{pod.token_file} (AZURE_FEDERATED_TOKEN_FILE), {size} bytes, -rw-r----- {owner}"


@pytest.mark.parametrize("part", ["file", "folder"])
def test_a_file_that_this_user_may_not_read(commands: Commands, tmp_path: Path, part: str) -> None:
    """Who may, who asks, and the fsGroup that lets them; the folder on the way is shown if it is the reason."""
    folder = tmp_path / "volume"
    folder.mkdir()
    path = folder / "token"
    path.write_text(commands.pod.token_file.read_text())
    closed = path if part == "file" else folder
    closed.chmod(0)
    before: tuple[str, ...] = ()
    owner = group = os.getegid()
    if os.geteuid() == 0:  # the kernel lets root read everything, unless these capabilities are taken away
        if not shutil.which("setpriv"):
            pytest.skip("needs setpriv")
        owner, group = 12345, 23456
        os.chown(closed, owner, owner)
        before = (
            "setpriv",
            "--bounding-set",
            "-dac_override,-dac_read_search",
            "--regid",
            str(group),
            "--clear-groups",
        )
    done = commands.start("doctor", "--token-file", str(path), before=before).wait()
    closed.chmod(0o700)
    assert done.code == 1, done.err
    (line,) = (line for line in done.out.splitlines() if line.startswith("FAIL token file"))
    assert f"{path} cannot be read: permission denied: " in line
    assert ("it is ----------" if part == "file" else f"{folder} is d---------") in line
    assert f"this process is user {os.geteuid()}, group" in line
    if before:
        assert f" {owner}:{owner}; " in line
        assert line.endswith(f"group {group} [WIH210]")
        assert f"set spec.securityContext.fsGroup: {group} in the pod" in done.out
