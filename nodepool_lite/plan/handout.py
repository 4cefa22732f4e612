"""Who gets which ready node: first come first served per label, all or nothing, and which claims are over.

A waiting lease whose client is gone, or whose wait is over, neither gets nodes nor holds anybody up.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby

from msgspec import Struct

from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import Node, NodeState

UNATTENDED = 15.0
"""Seconds without a sign of its client after which a waiting lease is cancelled."""
ATTACHED = frozenset({NodeState.IN_USE, NodeState.HOLD})
"""States in which a lease still has something of its node."""
_LOST = frozenset({NodeState.FAILED, NodeState.DELETING})

NodeSet = tuple[Node, ...]
"""A primary node followed by its sub-nodes."""


class Grant(Struct, frozen=True):
    """These nodes (sub-nodes included, each primary before its own) go to this lease."""

    lease_id: str
    node_ids: tuple[str, ...]


class Ending(Struct, frozen=True):
    """This lease is over at that time, for this reason (`expired: ...`, `cancelled: ...`, `failed: ...`)."""

    at: float
    """Epoch seconds; may lie ahead."""
    lease_id: str
    reason: str


def handout(nodes: Mapping[str, Node], leases: Iterable[Lease], waiters: Collection[str], now: float) -> list[Grant]:
    """Return who gets what at this moment; the first lease that must wait makes all behind it wait.

    `waiters` are the ids of the leases whose client is there.
    """
    sets = free_sets(nodes)
    grants = []
    for label, waiting in groupby(queue(leases, waiters, now), key=lambda lease: lease.label):
        free = iter(sets.get(label, ()))
        left = len(sets.get(label, ()))
        for lease in waiting:
            if lease.count > left:
                break
            left -= lease.count
            chosen = [next(free) for _ in range(lease.count)]
            grants.append(Grant(lease.id, tuple(node.id for each in chosen for node in each)))
    return grants


def spare(
    nodes: Mapping[str, Node], leases: Iterable[Lease], waiters: Collection[str], label: str, now: float
) -> tuple[NodeSet, ...]:
    """Return the free node sets of a label that nobody who waits has a claim to; none if anybody waits in vain."""
    waiting = sum(lease.count for lease in queue(leases, waiters, now) if lease.label == label)
    return free_sets(nodes).get(label, ())[waiting:]


def free_sets(nodes: Mapping[str, Node]) -> dict[str, tuple[NodeSet, ...]]:
    """Return for each label the node sets that can be handed out, the one that is ready longest first."""
    found: dict[str, list[NodeSet]] = {}
    unused = (node for node in nodes.values() if node.state is NodeState.READY and node.primary is None)
    for primary in sorted(unused, key=lambda node: (node.state_since, node.id)):
        whole = (primary, *(nodes[sub] for sub in primary.subnodes if sub in nodes))
        complete = len(whole) == 1 + len(primary.subnodes)
        if complete and all(node.state is NodeState.READY and node.lease is None for node in whole):
            found.setdefault(primary.label, []).append(whole)
    return {label: tuple(sets) for label, sets in found.items()}


def queue(leases: Iterable[Lease], waiters: Collection[str], now: float) -> list[Lease]:
    """Return the leases that wait in earnest, label by label, in the order in which they are served."""
    waiting = (lease for lease in leases if lease.state is LeaseState.WAITING and lease.id in waiters)
    earnest = (lease for lease in waiting if not _overdue(lease, now))
    return sorted(earnest, key=lambda lease: (lease.label, lease.order, lease.id))


def position(lease: Lease, leases: Iterable[Lease], waiters: Collection[str], now: float) -> int:
    """Return the lease's place in its label's queue: 1 is next, 0 is not in it."""
    own = [each.id for each in queue(leases, waiters, now) if each.label == lease.label]
    return own.index(lease.id) + 1 if lease.id in own else 0


def attendance(
    leases: Iterable[Lease], waiters: Collection[str], seen: Mapping[str, float], now: float
) -> dict[str, float]:
    """Return when the client of each waiting lease was last seen, given what was known before.

    A lease that was not known before counts as seen now: whoever starts to look gives everybody the full grace.
    """
    return {
        lease.id: now if lease.id in waiters else seen.get(lease.id, now)
        for lease in leases
        if lease.state is LeaseState.WAITING
    }


def abandoned(
    leases: Iterable[Lease], waiters: Collection[str], seen: Mapping[str, float], now: float
) -> Iterator[Ending]:
    """Yield when each waiting lease gives up: its wait is over, or its client was not `seen` for too long."""
    for lease in leases:
        if lease.state is not LeaseState.WAITING:
            continue
        if lease.wait_until is not None:
            reason = "expired: no node became free in the time it wanted to wait"
            yield Ending(lease.wait_until, lease.id, reason)
        if lease.id not in waiters:
            reason = "cancelled: the client that waited for it is gone"
            yield Ending(seen.get(lease.id, now) + UNATTENDED, lease.id, reason)


def expired_leases(leases: Iterable[Lease]) -> Iterator[Ending]:
    """Yield when the lifetime of each active lease is over."""
    for lease in leases:
        if lease.state is LeaseState.ACTIVE and lease.expires is not None:
            yield Ending(lease.expires, lease.id, "expired: its lifetime is over")


def bereft_leases(
    leases: Iterable[Lease], nodes: Mapping[str, Node], unreadable: Collection[str] = ()
) -> Iterator[Ending]:
    """Yield the end, now, of active leases that have no node left: all failed, were deleted or are gone.

    A node whose record is `unreadable` is none of these.
    """
    for lease in leases:
        left = (each in unreadable or _attached(nodes.get(each), lease) for each in lease.nodes)
        if lease.state is LeaseState.ACTIVE and not any(left):
            yield Ending(0.0, lease.id, "failed: none of its nodes is left")


def unsigned_leases(leases: Iterable[Lease]) -> Iterator[Lease]:
    """Yield the active leases with a public key whose certificates are missing or end before the lease does."""
    for lease in leases:
        if lease.state is LeaseState.ACTIVE and lease.public_key and lease.certified_until != lease.expires:
            yield lease


def _overdue(lease: Lease, now: float) -> bool:
    return lease.wait_until is not None and lease.wait_until <= now


def _attached(node: Node | None, lease: Lease) -> bool:
    """Tell whether the lease has the node; one that nobody has taken yet is how it was before the lease got it."""
    if node is None or node.state in _LOST:
        return False
    return node.state not in ATTACHED or node.lease == lease.id
