"""A head start for the first server of many: who waits for one of them does not wait for all.

Servers that are made side by side take from each other. So when many are asked for at once and none was being made
before, one goes ahead; the others follow when it runs, or after a moment in any case. Where that moment was too short
for one to run, servers take so long that it matters no more, and nobody goes ahead again.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEAD_START = 6.0
"""Seconds."""


class Burst:
    """Whoever asks for a server does so within `turn`. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, head_start: float = HEAD_START) -> None:
        self._now = monotonic
        self._head_start = head_start
        self._in_vain = False
        self._condition = threading.Condition()
        self._asking = 0
        """Callers that wait or ask."""
        self._starting: frozenset[str] = frozenset()
        """Servers that the last list had as starting."""
        self._turns = 0
        self._began = 0.0
        self._over = True
        """Whether the head start is."""

    @property
    def begins(self) -> bool:
        """Whether one server is ahead of others, and all wait for it."""
        with self._condition:
            return self._left() > 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until the next server may be asked for, and ask in this block."""
        with self._condition:
            idle = self._left() == 0 and not self._asking and not self._starting
            if idle and not self._in_vain:
                self._over, self._turns, self._began = False, 0, self._now()
            self._asking += 1
            self._turns += 1
            if self._turns > 1:
                self._wait()
        try:
            yield
        finally:
            with self._condition:
                self._asking -= 1

    def saw(self, starting: frozenset[str]) -> None:
        """Hear from a list which servers are starting: one that was and is not any more ends the head start."""
        with self._condition:
            started, self._starting = self._starting - starting, starting
            if started:
                self._over = True
                self._condition.notify_all()

    def _left(self) -> float:
        """Return how many seconds of the head start are left."""
        return 0.0 if self._over else max(0.0, self._began + self._head_start - self._now())

    def _wait(self) -> None:
        while left := self._left():
            self._condition.wait(left)
        self._in_vain = self._in_vain or not self._over
        self._over = True
