"""The loop sleeps until there is something to do."""

import select
import time
from types import SimpleNamespace
from typing import Any, cast

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


class Thinker:
    """In place of an engine: decides for so many seconds in its first steps, and then ends the loop."""

    why = notice = ""

    def __init__(self, loop: Loop, thoughts: list[float]) -> None:
        self.thought = 0.0
        self._loop = loop
        self._thoughts = thoughts

    def step(self) -> float | None:
        """Decide."""
        self.thought = self._thoughts.pop(0)
        if not self._thoughts:
            self._loop.stop()
        return None


def test_deciding_takes_half_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a long decision the loop pauses for as long, up to a quarter of a second; after a quick one not at all."""
    clock = FakeClock()
    monkeypatch.setattr(select, "poll", Naps(clock))
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    loop = Loop(clock, Notifier({}), structlog.get_logger())
    engine = Thinker(loop, [0.001, 0.02, 3.0, 0.0])
    member = SimpleNamespace(announce=lambda _notice: None)
    live = SimpleNamespace(file=SimpleNamespace(changed=lambda: False))
    loop.run(cast("Any", engine), cast("Any", live), cast("Any", member), MemoryServer().connect())
    assert pauses == [0.02, 0.25]
