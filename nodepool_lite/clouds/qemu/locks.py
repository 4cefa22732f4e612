"""Locks on files, which the kernel gives back when their holder is gone, whatever ended it (flock(2))."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nodepool_lite.config.ownership import handed_over
from nodepool_lite.model.errors import TryAgainLaterError

_RETRY = 0.01


def take(path: Path, timeout: float) -> int:
    """Lock the file (made if needed) and return its descriptor; closing the last copy of that unlocks it.

    Raises:
        TryAgainLaterError: another holder kept it for `timeout` seconds.
    """
    descriptor = _opened(path)
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise TryAgainLaterError(f"{path} is still locked by another process after {timeout:g} s") from error
            pause.wait(_RETRY)
        except BaseException:
            os.close(descriptor)
            raise
        else:
            return descriptor


def _opened(path: Path) -> int:
    """Open the file, which is nobody's link; one that was not there is made, and belongs to its directory's owner."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o600)
        handed_over(path)
        return descriptor


@contextmanager
def holding(path: Path, timeout: float = 30) -> Iterator[int]:
    """Hold the lock on `path` during a block; raises TryAgainLaterError like `take`."""
    descriptor = take(path, timeout)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether some process holds the lock on `path`; a file that is not there is not locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
