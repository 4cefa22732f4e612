"""nodepool-lite as a contender: its daemon as users run it, watched through its records."""

import time
from collections.abc import Callable, Collection
from pathlib import Path

from nodepool_lite.model.node import NodeState
from tests.machine.pool import RealPool
from tests.meter import Mark


class Lite:
    """A daemon with both roles; it is told by its configuration file and SIGHUP, and by its records."""

    pause = 0.02

    def __init__(self, pool: RealPool, mark: Callable[[], Mark], want: Callable[[int], Mark]) -> None:
        self.mark = mark
        self.want = want
        self._pool = pool

    @property
    def pid(self) -> int:
        """The daemon's process."""
        return self._pool.pid

    @property
    def config(self) -> Path:
        """Its configuration file."""
        return self._pool.config_path

    @property
    def hosts(self) -> str:
        """Where ZooKeeper is, past the meter, with the chroot."""
        return self._pool.hosts

    def ready(self) -> Collection[str]:
        """Return the nodes that are on record as ready."""
        return [node.id for node in self._pool.view.nodes.values() if node.state is NodeState.READY]

    def lose(self) -> Mark:
        """Mark a node as to be deleted, as `nodepool-lite delete` does."""
        node = next(each for each in self._pool.view.nodes.values() if each.state is NodeState.READY)
        self._pool.store.update(node.to(NodeState.DELETING, time.time(), "benchmark"))
        return self.mark()

    def end(self) -> Mark:
        """Set `min-ready` to nothing: it deletes what is too much."""
        return self.want(0)

    def look_away(self) -> None:
        """Watch no more: what is recorded costs a watching client, and its host, as much as it costs the daemon."""
        self._pool.look_away()

    def left(self) -> int:
        """Return how many nodes are on record."""
        return len(self._pool.view.nodes)
