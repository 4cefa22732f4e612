"""Loop devices and mounts below a directory: what a build that was killed leaves in the kernel."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from nodepool_lite.model.clock import Clock

_BLOCK = Path("/sys/block")
_DELETED = " (deleted)"
_PATIENCE = 5.0


def loops(directory: Path) -> tuple[str, ...]:
    """Return the loop devices (`/dev/loop3`) whose backing file is, or was before it was deleted, in `directory`."""
    return tuple(device for device, file in _all_loops() if file.is_relative_to(directory.resolve()))


def mounts(directory: Path) -> tuple[str, ...]:
    """Return the mount points in `directory` that this process sees, the deepest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(_unescaped(line.split()[4]))
        if point.is_relative_to(directory.resolve()):
            found.append(str(point))
    return tuple(sorted(found, key=len, reverse=True))


def release(directory: Path, clock: Clock) -> tuple[str, ...]:
    """Unmount and detach all that belongs to `directory`; return a sentence for each thing that is gone now.

    Waits for up to five seconds: the kernel unmounts for a dead namespace a little after its last process.
    """
    said = [f"unmounted {point}" for point in mounts(directory) if _ran("umount", "--lazy", point)]
    before = loops(directory)
    for device in before:
        said += [
            f"removed the device-mapper device {name}"
            for name in _mappings(device)
            if _ran("dmsetup", "remove", "--retry", name)
        ]
        _ran("losetup", "--detach", device)
    deadline = clock.now() + _PATIENCE
    while (left := loops(directory)) and clock.now() < deadline:
        clock.sleep(0.05)
    return (*said, *(f"detached {device}" for device in before if device not in left))


def remove(directory: Path) -> None:
    """Remove a directory with all in it, but never what is mounted there, nor anything on another file system."""
    if not mounts(directory):
        _ran("rm", "-rf", "--one-file-system", "--", str(directory))


def _all_loops() -> Iterator[tuple[str, Path]]:
    for entry in _BLOCK.glob("loop*"):
        try:
            file = (entry / "loop" / "backing_file").read_text().rstrip("\n")
        except OSError:
            continue  # not attached, or detached this moment
        yield f"/dev/{entry.name}", Path(file.removesuffix(_DELETED))


def _mappings(device: str) -> Iterator[str]:
    """Yield the device-mapper devices on top of `device`, as kpartx makes them for partitions."""
    for holder in (_BLOCK / Path(device).name / "holders").glob("dm-*"):
        yield (_BLOCK / holder.name / "dm" / "name").read_text().strip()


def _unescaped(field: str) -> str:
    """Return a path of mountinfo with its octal escapes resolved."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def _ran(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
