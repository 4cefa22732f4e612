"""One story for all contenders: nodes are wanted and become ready, one is replaced, all are deleted and gone."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.common import cpu, resident, wait
from benchmarks.contender import Contender, Running
from tests.meter import Mark


@dataclass(frozen=True)
class Story:
    """The moments of one story, and what the contender's process used; None where it has no process of its own."""

    count: int
    wanted: Mark
    first: Mark
    """The first node is ready."""
    ready: Mark
    """All nodes are."""
    ended: Mark
    """All nodes are to go."""
    gone: Mark
    replaced: float | None
    """Seconds from a ready node's end until another is ready in its place; None from who replaces nothing."""
    memory: float | None
    """MiB, at most."""
    cpu_ready: float | None
    """Seconds of CPU from wanted to ready."""
    cpu: float | None
    """Seconds of CPU from wanted to gone."""

    @property
    def until_first(self) -> float:
        """Seconds until the first node was ready."""
        return self.first.at - self.wanted.at

    @property
    def until_ready(self) -> float:
        """Seconds until all nodes were ready."""
        return self.ready.at - self.wanted.at

    @property
    def until_gone(self) -> float:
        """Seconds from the moment from which all were to go until the last one was gone."""
        return self.gone.at - self.ended.at

    @property
    def operations(self) -> float | None:
        """Operations of ZooKeeper a node, while nodes are made and while they go."""
        if self.cpu is None:
            return None
        making = self.ready.operations - self.wanted.operations
        return (making + self.gone.operations - self.ended.operations) / self.count


def tell(contender: Contender, count: int, patience: float) -> Story:
    """Run the story once; raises TimeoutError when a part of it takes longer than `patience` seconds."""
    with contender.run() as running:
        used = _cpu(running)
        wanted = running.want(count)
        first = _wait(running, lambda: len(running.ready()) > 0, patience, "the first node was not ready")
        ready = _wait(running, lambda: len(running.ready()) >= count, patience, "not all nodes were ready")
        used_until_ready = _cpu(running)
        replaced = _replaced(running, count, patience)
        ended = running.end()
        gone = _wait(running, lambda: running.left() == 0, patience, "not all nodes were gone")
        alone = running.pid is not None
        return Story(
            count=count,
            wanted=wanted,
            first=first,
            ready=ready,
            ended=ended,
            gone=gone,
            replaced=replaced,
            memory=resident(running.pid, peak=True) if running.pid else None,
            cpu_ready=used_until_ready - used if alone else None,
            cpu=_cpu(running) - used if alone else None,
        )


def _replaced(running: Running, count: int, patience: float) -> float | None:
    """Return the seconds from a ready node's end until another one is ready in its place."""
    before = set(running.ready())
    lost = running.lose()
    if lost is None:
        return None

    def is_whole() -> bool:
        now = set(running.ready())
        return len(now) >= count and bool(now - before)

    return _wait(running, is_whole, patience, "a node that was deleted was not replaced").at - lost.at


def _wait(running: Running, condition: Callable[[], bool], seconds: float, otherwise: str) -> Mark:
    wait(condition, seconds, otherwise, running.pause)
    return running.mark()


def _cpu(running: Running) -> float:
    return cpu(running.pid) if running.pid else 0.0
