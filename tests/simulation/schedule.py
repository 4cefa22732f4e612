"""Many things at once in one thread: tasks that wait, in an order that the seed draws, and the time that passes."""

import heapq
import itertools
from collections.abc import Callable
from random import Random

from greenlet import greenlet

from nodepool_lite.testing import NOW
from tests.simulation.tripwire import Killed

SPIN = 3000
"""Passes of tasks within one second, above which something goes round in circles."""


class Life:
    """What tasks belong to: a process, or a client. When it ends its tasks end where they are; it may stand still."""

    def __init__(self) -> None:
        self.alive = True
        self.frozen_until = 0.0


class Task:
    """One thread of a life, in the simulation's sense: it runs until it waits."""

    __slots__ = ("body", "life", "ticket", "waits_for_wake")

    def __init__(self, life: Life, body: greenlet) -> None:
        self.life = life
        self.body = body
        self.ticket = 0
        """Number of its latest entry in the queue: older ones are void."""
        self.waits_for_wake = False


class Schedule:
    """The clock, and who goes on next. Also the `Clock` that the product's parts are given."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now = NOW
        self._queue: list[tuple[float, float, int, Task]] = []
        self._tickets = itertools.count(1)
        self._hub: greenlet | None = None
        self._current: Task | None = None
        self._tasks: set[Task] = set()
        self._second, self._passes = 0, 0

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let the task that calls wait."""
        self.pause(seconds)

    @property
    def current(self) -> Task:
        """The task that calls."""
        return self._running()

    def start(self, life: Life, work: Callable[[], object], *, after: float = 0.0) -> Task:
        """Have `work` done as a task of `life`, from `after` seconds on."""
        task = Task(life, greenlet(lambda: self._run(task, work), self._hub))
        self._tasks.add(task)
        self._put(task, self._now + after)
        return task

    def pause(self, seconds: float = 0.0) -> None:
        """Let the task that calls wait, and others go on."""
        self._put(self._running(), self._now + seconds)
        self._switch()

    def idle(self, until: float | None) -> None:
        """Let the task that calls wait until it is woken, or until that moment."""
        task = self._running()
        task.waits_for_wake = True
        if until is None:
            task.ticket = 0
        else:
            self._put(task, max(until, self._now + 0.001))
        self._switch()
        task.waits_for_wake = False

    def wake(self, task: Task, *, after: float = 0.0) -> None:
        """End a task's idling."""
        if task.waits_for_wake:
            task.waits_for_wake = False
            self._put(task, self._now + after)

    def run(self, until: float, each: Callable[[], object]) -> None:
        """Let everything happen up to that moment, and call `each` after each pass of a task."""
        self._hub = greenlet.getcurrent()
        while self._queue and self._queue[0][0] <= until:
            due, _, ticket, task = heapq.heappop(self._queue)
            if ticket != task.ticket:
                continue
            if task.life.frozen_until > due and task.life.alive:
                self._put(task, task.life.frozen_until)
                continue
            self._now = max(self._now, due)
            self._watch_for_circles()
            self._current = task
            if task.life.alive:
                task.body.switch()
            else:
                self._end(task)
            self._current = None
            each()
        self._now = max(self._now, until)

    def end(self) -> None:
        """End every task where it is."""
        self._hub = greenlet.getcurrent()
        for task in sorted(self._tasks, key=lambda each: each.ticket):
            task.life.alive = False
            self._end(task)
        self._tasks.clear()
        self._queue.clear()

    def _run(self, task: Task, work: Callable[[], object]) -> None:
        try:
            work()
        except Killed:
            pass
        finally:
            self._tasks.discard(task)
            task.ticket = -1

    def _end(self, task: Task) -> None:
        if task.body:  # it has begun
            task.body.throw(Killed)
        self._tasks.discard(task)

    def _put(self, task: Task, due: float) -> None:
        task.ticket = next(self._tickets)
        heapq.heappush(self._queue, (due, self._random.random(), task.ticket, task))

    def _switch(self) -> None:
        assert self._hub is not None
        self._hub.switch()

    def _running(self) -> Task:
        if self._current is None:
            raise RuntimeError("only a task can wait")
        return self._current

    def _watch_for_circles(self) -> None:
        if int(self._now) != self._second:
            self._second, self._passes = int(self._now), 0
        self._passes += 1
        if self._passes > SPIN:
            raise AssertionError(f"{SPIN} passes within one second: something goes round in circles")
