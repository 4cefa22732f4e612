"""Python imports this at its start when the directory is on its path: a wall clock that is wrong as a file says.

Only `time.time` and `time.time_ns`, from which the pool has all its times, go wrong; the monotonic clock does not, as
on a real host whose clock is set. Libraries in C would not notice. (libfaketime 0.9.10 cannot do this: if it leaves the
monotonic clock alone it makes CPython's `time.sleep` fail, and if it fakes that too, waits never end.)
"""

import os
import time

EVERY = 0.2
"""Seconds after which the file is read again."""
NANO = 1_000_000_000


class WrongClock:
    """The wall clock, plus what the file holds (seconds)."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._true = time.time_ns
        self._read_at = -EVERY
        self._ahead = 0

    def time_ns(self) -> int:
        """Return nanoseconds since the epoch, wrong."""
        now = time.monotonic()
        if now - self._read_at >= EVERY:
            self._read_at = now
            with open(self._file) as file:  # noqa: PTH123 - at Python's start, where pathlib is not needed yet
                self._ahead = round(float(file.read()) * NANO)
        return self._true() + self._ahead

    def time(self) -> float:
        """Return seconds since the epoch, wrong."""
        return self.time_ns() / NANO


if "NODEPOOL_TEST_CLOCK" in os.environ:
    _clock = WrongClock(os.environ["NODEPOOL_TEST_CLOCK"])
    time.time, time.time_ns = _clock.time, _clock.time_ns
