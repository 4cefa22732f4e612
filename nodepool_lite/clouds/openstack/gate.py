"""How many calls are made side by side: as many as the cloud answers without letting them queue.

A small cloud has two API processes; ten requests at once do not come through faster, but whoever asks next (the server
list, other people) waits behind all ten. So the limit grows while calls take no longer than they have to, and shrinks
when they do. Never below a few: on a cloud that is busy with other people's work, calls take long however few they are,
and who makes one at a time gets the smallest share of it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FEWEST, MOST = 4.0, 16.0
"""Calls side by side. Four at a time get from a small cloud what it can do."""
QUEUEING = 2.0
"""A call that takes so many times what the quickest of its kind took has stood in a queue."""
SHRINK = 0.85
FORGET = 1.02
"""How fast the quickest call of a kind is forgotten: clouds become slower in other ways than by queues."""


class Gate:
    """Callers wait in `inside` while as many as allowed are there; who came first goes first. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = monotonic
        self._condition = threading.Condition()
        self._queue: deque[object] = deque()
        self._inside = 0
        self._limit = FEWEST
        self._quickest: dict[str, float] = {}

    @property
    def limit(self) -> int:
        """How many calls may be made side by side at the moment."""
        return int(self._limit)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Hold one of the places during this block; wait for it first."""
        ticket = object()
        with self._condition:
            self._queue.append(ticket)
            try:
                while self._queue[0] is not ticket or self._inside >= self.limit:
                    self._condition.wait()
                self._inside += 1
            finally:
                self._queue.remove(ticket)
                self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                self._inside -= 1
                self._condition.notify_all()

    @contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        """Make a call of a kind in this block; its duration tells how many there may be at once from now on."""
        began = self._now()
        yield
        with self._condition:
            self._learn(kind, self._now() - began)
            self._condition.notify_all()

    def _learn(self, kind: str, took: float) -> None:
        quickest = self._quickest.get(kind, took)
        if took > QUEUEING * quickest:
            self._limit = max(FEWEST, self._limit * SHRINK)
        elif self._inside >= self.limit:  # only a limit that was reached says something about more
            self._limit = min(MOST, self._limit + 1 / self._limit)
        self._quickest[kind] = min(took, quickest * FORGET)
