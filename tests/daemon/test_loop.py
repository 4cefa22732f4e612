"""The loop sleeps until there is something to do."""

import select
from typing import Any

import pytest
import structlog

from nodepool_lite.daemon.loop import FILE_CHECK, Loop
from nodepool_lite.daemon.notify import Notifier
from nodepool_lite.store.memory import MemoryServer
from nodepool_lite.testing import FakeClock


class Naps:
    """In place of `select.poll`: writes down for how many seconds the loop would sleep, and lets that time pass."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.seconds: list[float] = []

    def __call__(self) -> "Naps":
        """Make a poll object."""
        return self

    def register(self, _descriptor: int, _events: int) -> None:
        """Take note of nothing: nobody wakes the loop."""

    def poll(self, milliseconds: float) -> list[Any]:
        """Sleep to the end; a loop that does not sleep at all would go round for ever."""
        assert milliseconds > 0
        self.seconds.append(milliseconds / 1000)
        self.clock.advance(milliseconds / 1000)
        return []


def test_a_long_wait_for_zookeeper_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks every two seconds, after an hour as in the first minute."""
    clock = FakeClock()
    naps = Naps(clock)
    monkeypatch.setattr(select, "poll", naps)
    loop = Loop(clock, Notifier({}), structlog.get_logger())
    end = clock.now() + 3600

    assert loop.wait_for(lambda: clock.now() >= end, MemoryServer().connect())

    assert naps.seconds == [FILE_CHECK] * 1800
