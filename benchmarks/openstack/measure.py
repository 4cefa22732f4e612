"""One story for all contenders: nodes are wanted and become ready, one is replaced, all are deleted and gone."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from benchmarks.common import cpu, resident
from benchmarks.openstack.contender import Contender, Running
from tests.cloud.many import Mark, Stage

SECONDS_A_NODE = 6.0
"""Patience: far more than this kind of cloud needs."""


@dataclass(frozen=True)
class Figures:
    """What one story took. Seconds, or calls a node; None where the contender has no such thing."""

    ready: float
    first: float
    launch: float
    delete: float
    """Calls a node of the cloud that are no lists of servers, while nodes are made and while they are deleted."""
    polls: float
    """Lists of servers, in all."""
    gone: float
    operations: float | None = None
    """Of ZooKeeper, a node's share from wanted to gone."""
    replaced: float | None = None
    memory: float | None = None
    """MiB, at most."""
    cpu: float | None = None

    @property
    def life(self) -> float:
        """Calls in a node's whole life."""
        return self.launch + self.delete


def measure(contender: Contender, stage: Stage, count: int) -> Figures:
    """Run the story once; raises TimeoutError when it does not come to its end."""
    with contender.run(stage) as running:
        patience, used = 60 + SECONDS_A_NODE * count, _cpu(running)
        wanted = running.want(count)
        first = _wait(running, lambda: len(running.ready()) > 0, patience, "the first node was not ready")
        ready = _wait(running, lambda: len(running.ready()) >= count, patience, "not all nodes were ready")
        made, making = stage.tally(wanted), ready.operations - wanted.operations
        replaced = _replaced(running, count)
        ended = running.end()
        gone = _wait(running, lambda: running.left() == 0, patience, "not all nodes were gone")
        deleted, deleting = stage.tally(ended), gone.operations - ended.operations
        counts = running.pid is not None
        return Figures(
            ready=ready.at - wanted.at,
            first=first.at - wanted.at,
            launch=made.calls / count,
            delete=deleted.calls / count,
            polls=made.polls + deleted.polls,
            gone=gone.at - ended.at,
            operations=(making + deleting) / count if counts else None,
            replaced=replaced,
            memory=resident(running.pid, peak=True) if running.pid else None,
            cpu=_cpu(running) - used if counts else None,
        )


def middle(runs: Sequence[Figures]) -> Figures:
    """Return the median of each figure of several stories."""

    def median(name: str) -> float | None:
        values = [getattr(run, name) for run in runs]
        return None if None in values else statistics.median(values)

    return Figures(**{field.name: median(field.name) for field in fields(Figures)})


def _replaced(running: Running, count: int) -> float | None:
    """Return the seconds from a ready node's end until another one is ready in its place."""
    before = set(running.ready())
    lost = running.lose()
    if lost is None:
        return None

    def is_whole() -> bool:
        now = set(running.ready())
        return len(now) >= count and bool(now - before)

    found = _wait(running, is_whole, 60 + SECONDS_A_NODE, "a node that was deleted was not replaced")
    return found.at - lost.at


def _wait(running: Running, condition: Callable[[], bool], seconds: float, otherwise: str) -> Mark:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{otherwise} within {seconds:g} s")
        time.sleep(running.pause)
    return running.mark()


def _cpu(running: Running) -> float:
    return cpu(running.pid) if running.pid else 0.0
