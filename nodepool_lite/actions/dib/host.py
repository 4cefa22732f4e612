"""What this host can do for a build: which of its tools work, what is missing, and whether the disk has room."""

import importlib.util
import os
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nodepool_lite.actions.dib import devices
from nodepool_lite.actions.dib.environment import search_path
from nodepool_lite.model.clock import SystemClock

HOST_TOOLS = Path(__file__).parent / "hosttools"

_NEEDED = (
    # program, what it is for, package on Debian, package on CentOS and Fedora
    (("disk-image-create",), "builds images", "pip: diskimage-builder", "pip: diskimage-builder"),
    (("debootstrap", "mmdebstrap"), "bootstraps Debian images", "debootstrap", "debootstrap (EPEL)"),
    (("qemu-img",), "converts images", "qemu-utils", "qemu-img"),
    (("sfdisk",), "reads partition tables", "fdisk", "util-linux"),
    (("sgdisk",), "writes GPT partition tables", "gdisk", "gdisk"),
    (("kpartx",), "maps partitions", "kpartx", "kpartx"),
    (("losetup",), "attaches image files", "mount", "util-linux"),
    (("mkfs.ext4",), "makes file systems", "e2fsprogs", "e2fsprogs"),
    (("unshare",), "keeps a build apart from the host", "util-linux", "util-linux"),
    (("lsattr",), "is used by diskimage-builder", "e2fsprogs", "e2fsprogs"),
)
_REPLACEABLE = {"kpartx"}


@dataclass(frozen=True)
class HostTools:
    """Directories of stand-ins to put first on a build's PATH, and why each is there."""

    directories: tuple[Path, ...] = ()
    private_mapper: bool = False
    """Whether the build needs a /dev/mapper of its own."""
    reasons: tuple[str, ...] = ()


def host_tools(work_dir: Path) -> HostTools:
    """Try the host's own kpartx and sudo, and return stand-ins for what does not work (needs root; below a second)."""
    mapper = _mapper_problem(work_dir)
    if mapper:
        return HostTools(
            directories=(HOST_TOOLS / "mapper", HOST_TOOLS / "sudo"),
            private_mapper=True,
            reasons=(f"partitions get loop devices, because kpartx does not work here: {mapper}",),
        )
    sudo = _failure("sudo", "-n", "true")
    if sudo:
        return HostTools(directories=(HOST_TOOLS / "sudo",), reasons=(f"root runs without sudo: {sudo}",))
    return HostTools()


def missing_tools() -> tuple[str, ...]:
    """Return a sentence for each thing that building images on this host lacks, with the package that has it."""
    path = os.pathsep.join(search_path())
    said = [] if os.geteuid() == 0 else ["not root: building images needs loop devices and mounts; run as root"]
    for programs, purpose, debian, redhat in _NEEDED:
        if not any(shutil.which(each, path=path) for each in programs) and not _REPLACEABLE & set(programs):
            name = " or ".join(programs)
            said.append(f"{name} is missing ({purpose}): install {debian} (Debian) or {redhat} (CentOS, Fedora)")
    if importlib.util.find_spec("diskimage_builder") is None:
        said.append("diskimage-builder is not in this Python environment: pip install diskimage-builder")
    if not Path("/dev/loop-control").exists():
        said.append("/dev/loop-control is missing: load the kernel module loop, or give the container its devices")
    return tuple(said)


def disk_problem(images_dir: Path, min_free_gib: float) -> str | None:
    """Return why no build may start for want of disk space, None when there is at least `min_free_gib` GiB."""
    place = images_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    if free >= min_free_gib:
        return None
    return (
        f"{images_dir} has {free:.1f} GiB free and a build wants {min_free_gib:g} GiB: "
        "make room, or lower build-min-free"
    )


def _mapper_problem(work_dir: Path) -> str:
    """Map a partition with the real kpartx, as DIB will; return why that failed, or nothing."""
    if shutil.which("kpartx") is None:
        return "it is not installed"
    image = work_dir / "trial.raw"
    with image.open("wb") as file:
        file.truncate(4 << 20)
        file.write(_one_partition())
    try:
        attached = subprocess.run(
            ["losetup", "--show", "--find", str(image)], capture_output=True, text=True, check=False
        )
        device = attached.stdout.strip()
        if attached.returncode != 0:
            return f"losetup: {_last_line(attached.stderr)}"
        problem = _failure("kpartx", "-asv", device)
        if not problem and not Path(f"/dev/mapper/{Path(device).name}p1").exists():
            problem = "it made no device node"
        _failure("kpartx", "-d", device)
        return problem
    finally:
        devices.release(work_dir, SystemClock())
        image.unlink()


def _one_partition() -> bytes:
    """Return a master boot record with one Linux partition of 2 MiB at 1 MiB."""
    entry = struct.pack("<B3sB3sII", 0, b"\0\0\0", 0x83, b"\0\0\0", 2048, 4096)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def _failure(*command: str) -> str:
    """Return why the command failed, in its own last line; nothing when it did not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return _last_line(done.stderr or done.stdout) or f"exit status {done.returncode}"


def _last_line(text: str) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
