"""How long a warm grab takes while many clients want nodes.

    python -m benchmarks.grabs [--clients 50] [--ready 100] [--grabs 500]

A daemon on simulated servers keeps nodes ready; each client is a process with a connection of its own, and takes nodes
through the same service as `nodepool-lite grab` does. Every node is released again, and the
daemon makes another one. Times are from asking until the lease is active, without the start of a process or of a
connection. The table has a row for one client alone, for all of them at an easy and at a brisk pace, and for all at the
same instant; and one for as many processes that do some arithmetic in place of each grab, at the easy pace: what the
machine itself makes of a few milliseconds of work. A figure below that says nothing about grabs.
"""

import argparse
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import BrokenBarrierError
from typing import TypeAlias

from benchmarks.common import table, wait
from benchmarks.scale.lite import lite
from nodepool_lite.config.load import load_or_raise
from nodepool_lite.config.settings import Config
from nodepool_lite.model.clock import SystemClock
from nodepool_lite.model.errors import NodepoolError
from nodepool_lite.model.lease import Lease
from nodepool_lite.service.grab import Wish, grab_now
from nodepool_lite.service.leases import release
from nodepool_lite.store.zookeeper import ZooKeeperStore
from tests.zookeeper import open_zookeeper

PATIENCE = 60.0
FRESH = multiprocessing.get_context("spawn")
"""Clients begin as processes of their own do, with nothing of this one's threads and connections."""
LABEL = "fake"
PLAIN = 0.0025
"""Seconds of arithmetic: what a grab takes of a processor in its own process."""
Answers: TypeAlias = "multiprocessing.SimpleQueue[list[float] | str]"
"""What each process has to say: how many seconds each grab took, or what went wrong."""
Work: TypeAlias = Callable[[], AbstractContextManager[Callable[[], float]]]
"""What is measured again and again: made ready, done, and cleared away."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grabs", description=str(__doc__).splitlines()[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--ready", type=int, default=100, help="nodes that are kept ready (100)")
    parser.add_argument("--grabs", type=int, default=500, help="how many grabs each row is made of (500)")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="nodepool-lite-") as name,
        open_zookeeper(Path(name) / "server") as zookeeper,
        lite(zookeeper, Path(name), metered=False) as running,
    ):
        running.want(options.ready)
        wait(lambda: len(running.ready()) >= options.ready, PATIENCE, "not all nodes were ready")
        place = (running.config, running.hosts)
        running.look_away()
        table([("what", "median", "p99", "worst", "goal"), *_rows(place, options)])


def _rows(place: tuple[Path, str], options: argparse.Namespace) -> Iterator[Sequence[str]]:
    many = f"{options.clients} clients"
    yield _row("one client", _measure(place, 1, options.grabs // 5, every=0.05), "")
    yield _row(f"{many}, each every 5 s", _measure(place, options.clients, options.grabs, every=5.0), "10 ms")
    yield _row(
        f"{options.clients} processes, {PLAIN * 1000:g} ms of arithmetic instead",
        _measure(place, options.clients, options.grabs, every=5.0, rounds=_rounds()),
        "",
    )
    yield _row(f"{many}, each every second", _measure(place, options.clients, options.grabs, every=1.0), "")
    yield _row(f"{many}, all at the same instant", _measure(place, options.clients, options.clients, every=0.0), "")


def _row(what: str, seconds: Sequence[float], goal: str) -> Sequence[str]:
    ordered = sorted(seconds)
    figures = (statistics.median(ordered), ordered[int(len(ordered) * 0.99)], ordered[-1])
    return (f"{what} ({len(ordered)} times)", *(f"{1000 * each:.1f} ms" for each in figures), goal)


def _measure(place: tuple[Path, str], clients: int, grabs: int, every: float, rounds: int = 0) -> list[float]:
    """Return what `grabs` grabs by so many clients took, each after a random pause of `every` seconds on average.

    With `rounds`, what so many rounds of arithmetic took in place of each.
    """
    start = FRESH.Barrier(clients)
    answers: Answers = FRESH.SimpleQueue()
    work = partial(_calculating, rounds) if rounds else partial(_grabbing, place)
    crowd = [FRESH.Process(target=_time, args=(work, grabs // clients, every, start, answers)) for _ in range(clients)]
    for process in crowd:
        process.start()
    found = [answers.get() for _ in crowd]
    for process in crowd:
        process.join()
    failures = [each for each in found if isinstance(each, str)]
    if failures:
        raise RuntimeError(failures[0])
    return [seconds for each in found for seconds in each if isinstance(seconds, float)]


def _time(work: Work, times: int, every: float, start: Barrier, answers: Answers) -> None:
    """Do it so often with such a pause; answer with what each time took, or why there was none."""
    took = []
    try:
        with work() as once:
            start.wait(PATIENCE)
            for _ in range(times):
                time.sleep(random.uniform(0, 2 * every))
                took.append(once())
    except (NodepoolError, BrokenBarrierError) as error:
        answers.put(f"a process failed: {error!r}")
    else:
        answers.put(took)


@contextmanager
def _grabbing(place: tuple[Path, str]) -> Iterator[Callable[[], float]]:
    """Yield what takes a node, tells how long that took, and gives it back."""
    path, hosts = place
    config = load_or_raise(path, {})
    with closing(ZooKeeperStore.connect(hosts, watch=False)) as store:

        def once() -> float:
            seconds, lease = _warm(store, config)
            release(store, lease.id, "benchmark", time.time())
            return seconds

        yield once


@contextmanager
def _calculating(rounds: int) -> Iterator[Callable[[], float]]:
    """Yield what does so many rounds of arithmetic and tells how long that took."""
    yield lambda: _arithmetic(rounds)


def _rounds() -> int:
    """Return how many rounds of arithmetic take PLAIN seconds here at best."""
    best = min(_arithmetic(10_000) for _ in range(20))
    return int(10_000 * PLAIN / best)


def _arithmetic(rounds: int) -> float:
    """Return how many seconds so many rounds took."""
    began, total = time.perf_counter(), 0
    for number in range(rounds):
        total += number * number
    return time.perf_counter() - began


def _warm(store: ZooKeeperStore, config: Config) -> tuple[float, Lease]:
    """Take a node that is ready; return how long that took, without waiting until one was."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        began = time.perf_counter()
        lease = grab_now(store, config, SystemClock(), Wish(LABEL, "benchmark", lifetime=3600))
        if lease is not None:
            return time.perf_counter() - began, lease
        time.sleep(0.1)
    raise NodepoolError(f"no node was ready within {PATIENCE:g} s: keep more of them with --ready")


if __name__ == "__main__":
    main()
