"""What the pool promises, as seen from outside: pure checks of what was ever recorded and what the cloud lists."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from nodepool_lite.config.settings import Config
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.store.base import Snapshot

SERVING = frozenset({NodeState.READY, NodeState.IN_USE, NodeState.HOLD})


@dataclass(frozen=True)
class Server:
    """A server of the pool, in the cloud's words."""

    id: str
    node: str
    attempt: str
    deleting: bool = False

    def is_of(self, node: Node | None) -> bool:
        """Whether it is the one that a record speaks of."""
        if node is None:
            return False
        return self.attempt == node.attempt if node.server_id is None else self.id == node.server_id


@dataclass(frozen=True)
class Look:
    """A list of the cloud, with the nodes as recorded just before it was asked for and just after it came."""

    before: Mapping[str, Node]
    servers: tuple[Server, ...]
    after: Mapping[str, Node]

    @property
    def strays(self) -> list[Server]:
        """Servers whose end nobody has asked for and that no record speaks of."""
        return [each for each in self.servers if not each.deleting and not self._is_recorded(each)]

    @property
    def missing(self) -> list[Node]:
        """Nodes that serve all the time, and whose server is not there."""
        present = {each.id for each in self.servers if not each.deleting}
        served = (each for each in self.after.values() if each.state in SERVING and each.server_id not in present)
        return [each for each in served if each.id in self.before and self.before[each.id].state in SERVING]

    def broken(self, most: int) -> Iterator[str]:
        """Yield what must not be at any moment; `most` is max-servers. Strays are for the sweep."""
        recorded = [each for each in self.servers if self._is_recorded(each)]
        if len(recorded) > most:
            yield f"{len(recorded)} servers, max-servers is {most}: {', '.join(sorted(each.id for each in recorded))}"
        for (node, attempt), count in Counter((each.node, each.attempt) for each in self.servers).items():
            if count > 1:
                yield f"node {node}: {count} servers of attempt {attempt}"

    def _is_recorded(self, server: Server) -> bool:
        return server.is_of(self.before.get(server.node)) or server.is_of(self.after.get(server.node))


@dataclass
class Ledger:
    """All that was ever recorded of nodes and leases, as far as it was seen."""

    nodes: dict[str, Node] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    holders: dict[str, set[str]] = field(default_factory=dict)
    """Node id -> all leases that ever had it."""

    def add(self, records: Snapshot) -> None:
        """Take in what is recorded now."""
        self.nodes.update(records.nodes)
        self.leases.update(records.leases)
        for lease in records.leases.values():
            for node in lease.nodes:
                self.holders.setdefault(node, set()).add(lease.id)

    def lost(self, records: Snapshot) -> Iterator[str]:
        """Yield what ZooKeeper had confirmed and now has not: nobody removes a lease within a day."""
        for lease in self.leases.values():
            now = records.leases.get(lease.id)
            if now is None or now.version < lease.version:
                yield f"ZooKeeper itself lost what it had confirmed: lease {lease.id}, version {lease.version}"

    def broken(self) -> Iterator[str]:
        """Yield what must never have been. In this world nothing fails but processes, networks and clocks."""
        for node_id, leases in self.holders.items():
            if len(leases) > 1:
                yield f"node {node_id} was handed to leases {', '.join(sorted(leases))}"
        for node in self.nodes.values():
            if Counter(event.state for event in node.history)[NodeState.IN_USE] > 1:
                yield f"node {node.id} was handed out twice"
            if NodeState.FAILED in {event.state for event in node.history}:
                yield f"node {node.id} failed: {node.error}"
        for lease in self.leases.values():
            if lease.end_reason.startswith("failed"):
                yield f"lease {lease.id} of {lease.owner} ended: {lease.end_reason}"


def unsettled(records: Snapshot, servers: Iterable[Server], config: Config) -> Iterator[str]:
    """Yield what is not yet as it must be in the end, when the pool has been left alone."""
    present = {each.id for each in servers}
    known = {each.server_id for each in records.nodes.values()}
    yield from (f"server {each} belongs to no node" for each in present - known)
    for node in records.nodes.values():
        if node.state is not NodeState.READY:
            yield f"node {node.id} is {node.state}"
        elif node.server_id not in present:
            yield f"node {node.id} is {node.state} and has no server"
    for lease in records.leases.values():
        if lease.state is not LeaseState.ENDED:
            yield f"lease {lease.id} of {lease.owner} is {lease.state}"
    for label in config.labels:
        ready = [each for each in records.nodes.values() if each.label == label.name and each.primary is None]
        if len(ready) != label.min_ready:
            yield f"{len(ready)} ready nodes of {label.name}, {label.min_ready} are wanted"
        whole = (1 + len(set(each.subnodes) & records.nodes.keys()) == label.size for each in ready)
        if not all(whole):
            yield f"a set of {label.name} is not whole"
