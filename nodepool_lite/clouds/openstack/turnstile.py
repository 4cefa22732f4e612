"""How often a cloud is called: once in `rate` seconds, lists first, more seldom while it says that this is too much."""

import heapq
import threading
import time
from collections.abc import Callable

from nodepool_lite.model.errors import TryAgainLaterError

SLOWEST = 60.0
"""Seconds between two calls, however often the cloud refuses."""
FIRST_SLOWDOWN = 0.25
"""Seconds between two calls after the first refusal, if none were kept before."""
RECOVERY = 0.9
"""What is left of a slow-down after each call that was answered."""


class Turnstile:
    """Callers wait in `enter` for their turn. Thread-safe; any thread may call anything.

    A turn is a moment, not a slot: calls may overlap, only their beginnings are apart.
    """

    def __init__(self, rate: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._now = monotonic
        self._condition = threading.Condition()
        self._queue: list[tuple[int, int]] = []
        self._tickets = 0
        self._free_at = 0.0
        self._interval = rate
        self._closed = False

    @property
    def interval(self) -> float:
        """Seconds between two calls at the moment."""
        return self._interval

    def enter(self, *, first: bool = False) -> None:
        """Return when it is the caller's turn; `first` goes before all who do not say so.

        Raises:
            TryAgainLaterError: the driver was closed meanwhile.
        """
        with self._condition:
            self._tickets += 1
            ticket = (0 if first else 1, self._tickets)
            heapq.heappush(self._queue, ticket)
            try:
                while self._queue[0] != ticket or self._now() < self._free_at or self._closed:
                    if self._closed:
                        raise TryAgainLaterError("the connection to this cloud was closed: its settings have changed")
                    ahead = self._queue[0] != ticket
                    self._condition.wait(None if ahead else self._free_at - self._now())
                self._free_at = self._now() + self._interval
            finally:
                self._queue.remove(ticket)
                heapq.heapify(self._queue)
                self._condition.notify_all()

    def answered(self) -> None:
        """Say that the cloud took a call: a slow-down fades."""
        with self._condition:
            faster = self._interval * RECOVERY
            self._interval = faster if faster > max(self._rate, FIRST_SLOWDOWN / 2) else self._rate

    def refused(self, retry_after: float) -> None:
        """Say that the cloud wants fewer calls, and none for `retry_after` seconds."""
        with self._condition:
            self._interval = min(SLOWEST, max(self._interval * 2, FIRST_SLOWDOWN))
            self._free_at = max(self._free_at, self._now() + retry_after)
            self._condition.notify_all()

    def close(self) -> None:
        """Send everybody away who waits."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
