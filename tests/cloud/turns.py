"""Several test processes may use the cloud at the same time, but not while one of them stops its services."""

import fcntl
import os

import pytest

from tests.cloud.stack.place import Place

LOCK = "tests.lock"
"""A file in the cloud's own directory: the cloud is the host's, whichever checkout uses it."""


class Turns:
    """The turns of this process: one for each module that uses the cloud, and one for each test that disturbs it."""

    def __init__(self) -> None:
        self._file: int | None = None

    def begin(self, item: pytest.Item) -> None:
        """Wait until the test may run; a module that has its turn keeps it."""
        if item.get_closest_marker("cloud") is None or self._file is not None:
            return
        place = Place.find()
        place.make()
        self._file = os.open(place.home / LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX if disturbs(item) else fcntl.LOCK_SH)

    def end(self, item: pytest.Item, following: pytest.Item | None) -> None:
        """Let others have their turn, unless the next test belongs to the same."""
        same = following is not None and following.path == item.path and disturbs(following) == disturbs(item)
        if self._file is not None and not (same and not disturbs(item)):
            os.close(self._file)
            self._file = None


def disturbs(item: pytest.Item) -> bool:
    """Return whether a test stops services of the cloud."""
    return item.get_closest_marker("disruptive") is not None
