"""Lock files that say who is alive: a lock belongs to an open file, so it ends with its processes, however they end.

These are Linux's "open file description" locks (fcntl(2)): unlike flock(2), they can be looked at without taking them.
"""

import fcntl
import os
import struct
from contextlib import suppress
from pathlib import Path

_FLOCK = struct.Struct("@hhqqi4x")
"""`struct flock` of 64-bit Linux: type, whence, start, length, process id."""
_WHOLE_FILE = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


class LockFile:
    """An exclusive lock. A child that inherits `fd` holds it too, and keeps it after `release` here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fd: int | None = None

    def acquire(self) -> bool:
        """Return whether the lock is held by us now; never blocks."""
        if self.fd is not None:
            return True
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _WHOLE_FILE)
        except BlockingIOError:
            os.close(fd)
            return False
        self.fd = fd
        return True

    def release(self) -> None:
        """Close our hold on the lock."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


def is_held(path: Path) -> bool:
    """Return whether some process holds the lock; raises OSError when the file cannot be opened."""
    with path.open("rb") as file:
        present = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _WHOLE_FILE)
    return bool(_FLOCK.unpack(present)[0] != fcntl.F_UNLCK)


def holders(path: Path, argument: str) -> list[int]:
    """Return the processes that have the file open and were started with `argument`, as far as we may look."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):  # it has ended, or is somebody else's
                arguments = (process / "cmdline").read_bytes().split(b"\0")
                if argument.encode() in arguments and any(path.samefile(each) for each in _opened(process)):
                    found.append(int(process.name))
    return found


def _opened(process: Path) -> list[Path]:
    return [each for each in (process / "fd").iterdir() if each.exists()]
