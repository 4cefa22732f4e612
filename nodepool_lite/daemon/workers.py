"""The threads that carry out actions: a bounded pool for each lane of short ones, one thread each for long ones."""

import threading
import time
from collections import deque
from collections.abc import Callable

from nodepool_lite.actions.context import Outcome
from nodepool_lite.plan.actions import Action

Job = tuple[Action, Callable[[], Outcome], Callable[[Outcome], None]]


class ThreadWorkers:
    """Started by the loop's thread; `done` callbacks come from the workers, followed by one call of `wake`.

    What goes into nodes has threads of its own: however many nodes do not answer, the clouds are still worked on. So
    has each provider, and its lists have one more: however long creations wait for their turn, lists do not.

    What waits for a thread can be recalled: the loop does that before it decides anew, so that the most urgent comes
    first, and what nobody wants any more is never begun.
    """

    def __init__(self, count: int, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._count = count
        self._pools: dict[str, _Pool] = {}
        self._long: list[threading.Thread] = []

    def submit(self, action: Action, work: Callable[[], Outcome], done: Callable[[Outcome], None]) -> None:
        """Queue the work for its pool, or give it a thread of its own if it is long."""
        if action.long:
            # As a daemon: what it has begun is ended by its own supervisor, or taken up by the next process.
            job = (action, work, done)
            thread = threading.Thread(target=self._run, args=(job,), name=action.key, daemon=True)
            self._long = [each for each in self._long if each.is_alive()]
            self._long.append(thread)
            thread.start()
        else:
            if action.lane not in self._pools:
                self._pools[action.lane] = _Pool(action.lane, self._count, self._run, awaited=not action.looks)
            self._pools[action.lane].put((action, work, done))

    def recall(self) -> list[Action]:
        """Take back all that was not begun, and return it."""
        return [action for pool in self._pools.values() for action in pool.recall()]

    def close(self, timeout: float) -> None:
        """Begin nothing more, and wait up to `timeout` seconds in all for what is under way and does not only look."""
        deadline = time.monotonic() + timeout
        closed = [(pool, pool.close()) for pool in self._pools.values()]
        pools = [thread for pool, threads in closed if pool.awaited for thread in threads]
        for thread in (*self._long, *pools):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, job: Job) -> None:
        _, work, done = job
        done(work())
        self._wake()


class _Pool:
    """Up to `count` threads, started as they are needed. All but the work itself is for one thread."""

    def __init__(self, name: str, count: int, run: Callable[[Job], None], *, awaited: bool) -> None:
        self.awaited = awaited
        self._name = name
        self._count = count
        self._run = run
        self._threads: list[threading.Thread] = []
        self._news = threading.Condition()
        """Guards the next three."""
        self._jobs: deque[Job] = deque()
        self._idle = 0
        """Threads that wait for a job."""
        self._closed = False

    def put(self, job: Job) -> None:
        """Have the job done by the next free thread."""
        with self._news:
            self._jobs.append(job)
            self._news.notify()
            crowded = len(self._jobs) > self._idle
        if crowded and len(self._threads) < self._count:
            name = f"{self._name}-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
            self._threads[-1].start()

    def recall(self) -> list[Action]:
        """Take back the jobs that no thread has begun."""
        with self._news:
            waiting = [action for action, _, _ in self._jobs]
            self._jobs.clear()
        return waiting

    def close(self) -> list[threading.Thread]:
        """Let every thread end after its job; return them."""
        with self._news:
            self._closed = True
            self._jobs.clear()
            self._news.notify_all()
        return self._threads

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            self._run(job)

    def _next(self) -> Job | None:
        """Return the next job, or None when there will be none."""
        with self._news:
            self._idle += 1
            while not self._jobs and not self._closed:
                self._news.wait()
            self._idle -= 1
            return self._jobs.popleft() if self._jobs else None
