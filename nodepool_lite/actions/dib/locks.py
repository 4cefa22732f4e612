"""Which builds live: each holds a lock on its directories for as long as any process of it runs."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nodepool_lite.actions.dib import devices
from nodepool_lite.model.clock import SystemClock

MARK = ".nodepool-build"
"""A file in every directory that a build made; without it a directory is not ours to remove."""

FIRST_DESCRIPTOR = 200
"""Inherited descriptors are kept out of the way of the build's programs: mmdebstrap hands its next free one to dash,
which knows no redirection to a number of two digits."""


@contextmanager
def claimed(directory: Path) -> Iterator[int]:
    """Make `directory` anew and hold its lock; yields the descriptor, to be inherited by all that works in it.

    At the end the directory is removed, with what the kernel holds for it.

    Raises:
        BlockingIOError: a living build holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    low = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    descriptor = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR)
    os.close(low)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for entry in directory.iterdir():
            devices.remove(entry)
        (directory / MARK).touch()
        try:
            yield descriptor
        finally:
            devices.release(directory, SystemClock())
            devices.remove(directory)
    finally:
        os.close(descriptor)


def is_dead(directory: Path) -> bool:
    """Return whether a build made `directory` and no process of that build is left."""
    if not (directory / MARK).is_file():
        return False
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def waited_for(file: Path) -> Iterator[None]:
    """Hold the lock of `file`, for something short that builds must not do at the same time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
