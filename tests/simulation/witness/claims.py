"""The leases: first come first served, all or nothing, and no node to two of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nodepool_lite.model.lease import LEASE_TRANSITIONS, Lease, LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.store.base import Snapshot
from tests.simulation.witness.changes import NEWS, Watcher, changes, entered

if TYPE_CHECKING:
    from tests.simulation.universe import Universe


class Claims(Watcher):
    """Looks at leases, and at the nodes that they are given."""

    def __init__(self, universe: "Universe", complain: Callable[[str], None]) -> None:
        super().__init__(universe, complain)
        self._given: dict[str, str] = {}
        """Node id -> the lease that it was given to."""
        self._in_line: dict[str, float] = {}
        """Lease id -> since when it waits in earnest without a break: its client is there."""

    def look(self, before: Snapshot, after: Snapshot) -> None:
        """Look at what has changed."""
        if after.leases is before.leases and after.nodes is before.nodes and after.waiters is before.waiters:
            return
        for node, was in changes(after.nodes, before.nodes):
            if was is not None and was.lease is not None and node.lease != was.lease:
                self.complain(f"node {node.id} went from lease {was.lease} to {node.lease}")
            if node.state is NodeState.IN_USE and (was is None or was.state is not node.state):
                self._is_given(node, after)
            if node.state is NodeState.DELETING and was is not None and was.state is NodeState.IN_USE:
                self._is_over(node)
        for lease, was in entered(after.leases, before.leases):
            self.tell("lease", was, lease)
            self._entered(lease, was, after)
        self._line_up(after)

    def _is_given(self, node: Node, records: Snapshot) -> None:
        lease = records.leases.get(node.lease or "")
        first = self._given.setdefault(node.id, node.lease or "")
        if lease is None or lease.state is not LeaseState.ACTIVE or node.id not in lease.nodes:
            self.complain(f"node {node.id} was taken, and lease {node.lease} does not say so")
        elif first != lease.id:
            self.complain(f"node {node.id} was given to lease {first}, and to {lease.id}")

    def _is_over(self, node: Node) -> None:
        """Nobody loses a node that she has because the pool has too many, or newer ones."""
        reason = node.history[-1].reason
        if reason.startswith(("surplus", "outdated", "unused", "too old")):
            self.complain(f"node {node.id} was in use, and was deleted: {reason}")

    def _entered(self, lease: Lease, was: Lease | None, records: Snapshot) -> None:
        if was is not None and lease.state not in LEASE_TRANSITIONS[was.state]:
            self.complain(f"lease {lease.id} went from {was.state} to {lease.state}")
        if lease.state is LeaseState.ACTIVE:
            self._is_whole(lease, records)
            self._is_next(lease, records)
        if lease.state is LeaseState.ENDED and not lease.end_reason:
            self.complain(f"lease {lease.id} ended, and nobody knows why")

    def _is_whole(self, lease: Lease, records: Snapshot) -> None:
        given = [records.nodes[each] for each in lease.nodes if each in records.nodes]
        primaries = [each for each in given if each.primary is None]
        members = {each.id for each in primaries} | {sub for each in primaries for sub in each.subnodes}
        if len(primaries) != lease.count or members != set(lease.nodes):
            self.complain(f"lease {lease.id} asked for {lease.count} and was given {', '.join(lease.nodes)}")
        wrong = [each.id for each in given if each.state is not NodeState.IN_USE or each.lease != lease.id]
        if wrong:
            self.complain(f"lease {lease.id} was given {', '.join(wrong)}, which does not know of it")

    def _is_next(self, lease: Lease, records: Snapshot) -> None:
        """Nobody is passed over who has been in line for longer than news may take, unless there is enough for all."""
        known = [records.leases[each] for each in self._in_line if each in records.leases]
        own = [each for each in known if each.label == lease.label and self._is_in_line(each, records)]
        ahead = [each for each in own if each.order < lease.order and self._in_line[each.id] < self.now - NEWS]
        if sum(each.count for each in ahead) > _free(records, lease.label):
            names = ", ".join(each.id for each in ahead)
            self.complain(f"lease {lease.id} was served, and {names} waited before it")

    def _line_up(self, records: Snapshot) -> None:
        in_line: dict[str, float] = {}
        for lease in records.leases.values():
            if self._is_in_line(lease, records):
                in_line[lease.id] = self._in_line.get(lease.id, self.now)
        self._in_line = in_line

    def _is_in_line(self, lease: Lease, records: Snapshot) -> bool:
        overdue = lease.wait_until is not None and lease.wait_until <= self.now
        return lease.state is LeaseState.WAITING and not overdue and lease.id in records.waiters


def _free(records: Snapshot, label: str) -> int:
    """Return how many node sets of a label are ready."""
    own = [node for node in records.nodes.values() if node.label == label and node.state is NodeState.READY]
    ready = {node.id for node in own}
    return sum(node.primary is None and ready.issuperset(node.subnodes) for node in own)
