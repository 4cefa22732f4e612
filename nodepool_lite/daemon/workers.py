"""The threads that carry out actions: a bounded pool for each lane of short ones, one thread each for long ones."""

import queue
import threading
import time
from collections.abc import Callable

from nodepool_lite.actions.context import Outcome
from nodepool_lite.plan.actions import Action

Job = tuple[Callable[[], Outcome], Callable[[Outcome], None]]


class ThreadWorkers:
    """Started by the loop's thread; `done` callbacks come from the workers, followed by one call of `wake`.

    What goes into nodes has threads of its own: however many nodes do not answer, the clouds are still worked on. So
    has each provider, and its lists have one more: however long creations wait for their turn, lists do not.

    Nothing is queued. What finds no free thread is refused, and stays a plan: the loop, woken by the next end, decides
    anew what is most urgent, and what nobody wants any more is never begun.
    """

    def __init__(self, count: int, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._count = count
        self._pools: dict[str, _Pool] = {}
        self._long: list[threading.Thread] = []

    def submit(self, action: Action, work: Callable[[], Outcome], done: Callable[[Outcome], None]) -> bool:
        """Start the work on a free thread of its lane, or on one of its own if it is long; return whether there was."""
        if action.long:
            # As a daemon: what it has begun is ended by its own supervisor, or taken up by the next process.
            thread = threading.Thread(target=self._do, args=(work, done), name=action.key, daemon=True)
            self._long = [each for each in self._long if each.is_alive()]
            self._long.append(thread)
            thread.start()
            return True
        if action.lane not in self._pools:
            self._pools[action.lane] = _Pool(action.lane, self._count, self._wake, awaited=not action.looks)
        return self._pools[action.lane].put((work, done))

    def close(self, timeout: float) -> None:
        """Take no more work, and wait up to `timeout` seconds in all for what is under way and does not only look."""
        deadline = time.monotonic() + timeout
        closed = [(pool, pool.close()) for pool in self._pools.values()]
        pools = [thread for pool, threads in closed if pool.awaited for thread in threads]
        for thread in (*self._long, *pools):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _do(self, work: Callable[[], Outcome], done: Callable[[Outcome], None]) -> None:
        done(work())
        self._wake()


class _Pool:
    """Up to `count` threads, started as they are needed. `put` and `close` are for one thread."""

    def __init__(self, name: str, count: int, wake: Callable[[], None], *, awaited: bool) -> None:
        self.awaited = awaited
        self._name = name
        self._count = count
        self._wake = wake
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._idle = 0
        """Threads that wait for a job which nobody has put yet."""

    def put(self, job: Job) -> bool:
        """Have a free thread do the job; return False when none is free."""
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif len(self._threads) < self._count:
                name = f"{self._name}-{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
                self._threads[-1].start()
            else:
                return False
        self._jobs.put(job)
        return True

    def close(self) -> list[threading.Thread]:
        """Let every thread end after its job; return them."""
        for _ in self._threads:
            self._jobs.put(None)
        return self._threads

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, done = job
            done(work())
            with self._lock:
                self._idle += 1  # before the loop hears of it and has more to do
            self._wake()
