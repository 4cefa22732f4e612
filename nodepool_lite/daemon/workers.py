"""The threads that carry out actions: a bounded pool for short ones, one thread each for long ones."""

import queue
import threading
from collections.abc import Callable

from nodepool_lite.actions.context import Outcome
from nodepool_lite.plan.actions import Action

Job = tuple[Callable[[], Outcome], Callable[[Outcome], None]]


class ThreadWorkers:
    """Started by the loop's thread; `done` callbacks come from the workers, followed by one call of `wake`."""

    def __init__(self, count: int, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._count = count
        self._threads: list[threading.Thread] = []
        self._long: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._idle = 0

    def submit(self, action: Action, work: Callable[[], Outcome], done: Callable[[Outcome], None]) -> None:
        """Queue the work for the pool, or give it a thread of its own if it is long."""
        if action.long:
            thread = threading.Thread(target=self._run, args=((work, done),), name=action.key)
            self._long = [each for each in self._long if each.is_alive()]
            self._long.append(thread)
            thread.start()
            return
        with self._lock:
            if self._idle == 0 and len(self._threads) < self._count:
                worker = threading.Thread(target=self._serve, name=f"worker-{len(self._threads)}", daemon=True)
                self._threads.append(worker)
                worker.start()
            else:
                self._idle = max(0, self._idle - 1)
        self._jobs.put((work, done))

    def close(self, timeout: float) -> None:
        """Take no more work and wait up to `timeout` seconds for what is under way."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in (*self._long, *self._threads):
            thread.join(timeout)

    def _serve(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            self._run(job)
            with self._lock:
                self._idle += 1

    def _run(self, job: Job) -> None:
        work, done = job
        done(work())
        self._wake()
