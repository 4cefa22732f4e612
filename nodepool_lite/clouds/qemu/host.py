"""What this host has to give: memory, cores, disk space; and which boot of it this is. Linux only."""

import os
import shutil
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def boot_id() -> str:
    """Return the kernel's id of the present boot (random(4)): processes of another boot cannot be alive."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def memory() -> tuple[int, int]:
    """Return (total, available) memory in MiB, as /proc/meminfo has them (proc(5))."""
    fields = {}
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        fields[name] = int(rest.split()[0]) >> 10
    return fields["MemTotal"], fields["MemAvailable"]


def resident(pid: int) -> int:
    """Return the MiB that a process has in memory now; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE >> 20
    except (OSError, IndexError):
        return 0


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def free_space(path: Path) -> int:
    """Return the free MiB of the file system that holds `path`."""
    return shutil.disk_usage(path).free >> 20
