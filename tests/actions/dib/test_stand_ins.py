"""Tests of the stand-ins for kpartx, dmsetup and sudo, on real loop devices."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodepool_lite.actions.dib import devices
from nodepool_lite.actions.dib.host import HOST_TOOLS
from nodepool_lite.model.clock import SystemClock

SUDO = HOST_TOOLS / "sudo" / "sudo"
PARTITIONS = "label: dos\nstart=2048, size=4096, type=83\nstart=8192, size=2048, type=83\n"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    """Attach a disk image with two partitions and give the loop device."""
    image = tmp_path / "disk.raw"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["sfdisk", "--quiet", image], input=PARTITIONS, text=True, check=True)
    yield subprocess.check_output(["losetup", "--show", "--find", image], text=True).strip()
    devices.release(tmp_path, SystemClock())


def in_namespace(*commands: str) -> list[str]:
    """Run shell commands with the stand-ins and a private /dev/mapper, as a build does; return their output's lines."""
    script = "mkdir -p /dev/mapper && mount -t tmpfs mapper /dev/mapper && " + " && ".join(commands)
    path = os.pathsep.join([str(HOST_TOOLS / "mapper"), str(HOST_TOOLS / "sudo"), os.environ["PATH"], "/usr/sbin"])
    done = subprocess.run(
        ["unshare", "--mount", "--propagation=private", "bash", "-c", script],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.machine
def test_partitions_are_mapped_and_unmapped(disk: str, tmp_path: Path) -> None:
    """`kpartx -uvs` gives each partition a device of its size under the name that DIB looks for; `-d` takes it away."""
    name = Path(disk).name
    sizes = in_namespace(
        f"kpartx -uvs {disk} >&2",
        f"blockdev --getsize64 /dev/mapper/{name}p1 /dev/mapper/{name}p2",
        f"kpartx -d {disk} >&2",
        "ls -A /dev/mapper",
    )

    assert sizes == [str(4096 * 512), str(2048 * 512)]
    assert devices.loops(tmp_path) == (disk,)


@pytest.mark.machine
def test_a_partition_can_be_removed_by_name(disk: str, tmp_path: Path) -> None:
    """`dmsetup remove`, which DIB uses to roll back, takes one partition away."""
    name = Path(disk).name
    left = in_namespace(f"kpartx -asv {disk} >&2", f"dmsetup remove {name}p1", "ls -A /dev/mapper")

    assert left == [f"{name}p2"]
    assert len(devices.loops(tmp_path)) == 2


@pytest.mark.machine
def test_all_loop_devices_of_a_directory_are_released(disk: str, tmp_path: Path) -> None:
    """Release finds the disk and its partitions by their backing file, also after that was deleted."""
    in_namespace(f"kpartx -asv {disk} >&2")
    (tmp_path / "disk.raw").unlink()

    said = devices.release(tmp_path, SystemClock())

    assert f"detached {disk}" in said
    assert len(said) == 3
    assert devices.loops(tmp_path) == ()


def test_the_sudo_stand_in_keeps_the_path() -> None:
    """Commands run with the PATH that has the other stand-ins, and variables given as words are set."""
    env = {"PATH": f"/stand-ins:{os.environ['PATH']}", "TMPDIR": "/private"}

    told = subprocess.check_output([SUDO, "-n", "A=1", "sh", "-c", "echo $PATH:$A:$TMPDIR"], env=env, text=True)

    assert told == f"{env['PATH']}:1:\n"


def test_the_sudo_stand_in_keeps_the_environment_when_told_to() -> None:
    """With -E, TMPDIR is passed on, as by the real one."""
    env = {"PATH": os.environ["PATH"], "TMPDIR": "/private"}

    assert subprocess.check_output([SUDO, "-E", "sh", "-c", "echo $TMPDIR"], env=env, text=True) == "/private\n"


def test_the_sudo_stand_in_cannot_become_somebody_else() -> None:
    """Being asked for another user is an error, not a command run as root."""
    done = subprocess.run([SUDO, "-u", "nobody", "true"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "nobody" in done.stderr
