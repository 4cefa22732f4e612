"""nodepool-lite as a contender: its daemon as users run it, watched through its records."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from nodepool_lite.model.node import NodeState
from tests.cloud.many import CountedPool, Mark, Stage, counted_pool


class Lite:
    """A daemon with both roles; it is told by its configuration file and SIGHUP, and by its records."""

    pause = 0.02

    def __init__(self, made: CountedPool) -> None:
        self._made = made

    @property
    def pid(self) -> int:
        """The daemon's process."""
        return self._made.pid

    def mark(self) -> Mark:
        """Note what was asked until now."""
        return self._made.mark()

    def want(self, count: int) -> Mark:
        """Set `min-ready` in its file."""
        return self._made.want(count)

    def ready(self) -> Collection[str]:
        """Return the nodes that are on record as ready."""
        return [node.id for node in self._made.pool.store.snapshot().nodes.values() if node.state is NodeState.READY]

    def lose(self) -> Mark:
        """Mark a node as to be deleted, as `nodepool-lite delete` does."""
        store = self._made.pool.store
        node = next(each for each in store.snapshot().nodes.values() if each.state is NodeState.READY)
        store.update(node.to(NodeState.DELETING, time.time(), "benchmark"))
        return self.mark()

    def end(self) -> Mark:
        """Set `min-ready` to nothing: it deletes what is too much."""
        return self._made.want(0)

    def left(self) -> int:
        """Return how many nodes are on record."""
        return len(self._made.pool.store.snapshot().nodes)


@contextmanager
def lite(stage: Stage) -> Iterator[Lite]:
    """Run a daemon during this block."""
    with counted_pool(stage) as made:
        yield Lite(made)
