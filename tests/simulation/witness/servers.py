"""The servers: one for each request on record, no more than are wanted and allowed, and only ended ones deleted."""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from nodepool_lite.clouds.simulated import SimulatedCloud
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import PENDING, NodeState
from nodepool_lite.store.base import Snapshot
from tests.simulation.premises import POOL_ID
from tests.simulation.weather import CALL_TIMEOUT, LATEST
from tests.simulation.witness.changes import NEWS, Watcher, changes

if TYPE_CHECKING:
    from tests.simulation.universe import Universe

ENDED = frozenset({NodeState.FAILED, NodeState.DELETING})
CHURN = 5
"""How often each node that is wanted may be made anew before news of why it fails is heard."""
UNDER_WAY = CALL_TIMEOUT + LATEST
"""Seconds from a request until its server is made, at most."""
UNUSED = frozenset({*PENDING, NodeState.READY})


class Servers(Watcher):
    """Looks at what the clouds are asked for."""

    def __init__(self, universe: "Universe", complain: Callable[[str], None]) -> None:
        super().__init__(universe, complain)
        self._attempts: set[tuple[str, str]] = set()
        """(node, attempt) of every request that ever was on record."""
        self._made: Counter[tuple[str, str]] = Counter()
        self._recorded: dict[str, deque[float]] = defaultdict(deque)
        """Label -> when nodes of it were recorded, lately."""
        self._wanted: dict[str, list[tuple[float, int]]] = defaultdict(list)
        """Label -> how many unused nodes were wanted, and since when: lately, or since somebody led the planner."""
        self._planned_since: float | None = None
        """Since when somebody leads the planner."""

    def look(self, before: Snapshot, after: Snapshot) -> None:
        """Note which requests are on record, and how many nodes are wanted."""
        for node, was in changes(after.nodes, before.nodes):
            self._attempts.add((node.id, node.attempt))
            if was is None and node.primary is None:
                self._is_no_churn(node.label)
        if "planner" not in after.leaders:
            self._planned_since = None
        elif self._planned_since is None:
            self._planned_since = self.now
        if after.leases is not before.leases or after.nodes is not before.nodes:
            self._note_what_is_wanted(after)

    def _note_what_is_wanted(self, after: Snapshot) -> None:
        waiting: Counter[str] = Counter()
        for lease in after.leases.values():
            if lease.state is LeaseState.WAITING:
                waiting[lease.label] += lease.count
        for label, least in self.universe.most_wanted().items():
            history = self._wanted[label]
            if not history or history[-1][1] != least + waiting[label]:
                history.append((self.now, least + waiting[label]))
            while self._planned and len(history) > 1 and history[1][0] < self.now - NEWS - UNDER_WAY:
                history.pop(0)

    def made(self, cloud: SimulatedCloud, server_id: str) -> None:
        """A server was made."""
        spec = cloud.servers()[server_id].spec
        mark = (spec.node_id, spec.attempt)
        self._made[mark] += 1
        if self._made[mark] > 1:
            self.complain(f"node {spec.node_id}: {self._made[mark]} servers were made for attempt {spec.attempt}")
        self.universe.witness.look()
        if mark not in self._attempts:
            self.complain(f"server {server_id} was made for an attempt that never was on record")
        node = self.universe.server.snapshot().nodes.get(spec.node_id)
        asked = self.now if node is None or node.asked is None else node.asked
        self._are_wanted(spec.label if node is None else node.label, asked)
        self._are_allowed()

    def deleted(self, cloud: SimulatedCloud, server_id: str) -> None:
        """A server's end was asked for."""
        server = cloud.servers()[server_id]
        node = self.universe.server.snapshot().nodes.get(server.spec.node_id)
        if server.spec.pool_id != POOL_ID:
            self.complain(f"server {server_id} of {server.spec.pool_id} was deleted, which is not ours")
        elif node is not None and node.attempt == server.spec.attempt and node.state not in ENDED:
            self.complain(f"server {server_id} was deleted, and node {node.id} is {node.state}")

    def image_deleted(self, cloud: SimulatedCloud, image_id: str) -> None:
        """An image was deleted."""
        image = cloud.images()[image_id]
        if image.spec.pool_id != POOL_ID:
            self.complain(f"image {image_id} of {image.spec.pool_id} was deleted, which is not ours")

    def _is_no_churn(self, label: str) -> None:
        """Nodes are recorded because they are wanted, and not to be retired at once, over and over."""
        recent = self._recorded[label]
        recent.append(self.now)
        while recent[0] < self.now - NEWS:
            recent.popleft()
        most = CHURN * (2 + self._most_wanted(label, self.now))
        if len(recent) > most:
            self.complain(f"{len(recent)} nodes of label {label} were recorded within {NEWS:.0f} s")

    def _most_wanted(self, label: str, when: float) -> int:
        """Return how many unused nodes of a label may have been wanted by what was known at that moment, at most."""
        history = self._wanted[label]
        oldest = when - NEWS if self._planned else -math.inf
        ends = [*(since for since, _ in history[1:]), math.inf]
        return max((count for (_, count), end in zip(history, ends, strict=True) if end >= oldest), default=0)

    @property
    def _planned(self) -> bool:
        """Whether somebody has led the planner for long enough to call off what is not wanted any more."""
        return self._planned_since is not None and self._planned_since < self.now - NEWS

    def _are_wanted(self, label: str, asked: float) -> None:
        """A new server is for a node that is missing, or for the one more that replaces an outdated one.

        A node of a provider that is left out now is no longer of use, even before whoever works on it has let go.
        """
        nodes = self.universe.server.snapshot().nodes.values()
        own = [node for node in nodes if node.label == label and node.primary is None and node.asked is not None]
        left_out = self.universe.left_out()
        own = [node for node in own if node.provider not in left_out]
        unused = sum(node.state in UNUSED for node in own)
        most = self._most_wanted(label, asked)
        if unused > most + 1:
            self.complain(f"label {label} has {unused} unused nodes, and {most} were wanted at most")

    def _are_allowed(self) -> None:
        """What came of an attempt that was given up is on top until it is swept; nothing else is."""
        nodes = self.universe.server.snapshot().nodes
        used: Counter[str] = Counter()
        for cloud in self.universe.all_clouds:
            for server in cloud.servers().values():
                node = nodes.get(server.spec.node_id)
                if node is not None and node.attempt == server.spec.attempt:
                    used[node.provider] += 1
        for provider, servers in used.items():
            limit = self.universe.most_servers(provider)
            if servers > limit:
                self.complain(f"{servers} servers at {provider}, max-servers is {limit}")
