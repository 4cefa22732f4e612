"""What is to be done about leases: grants, endings, signatures, and forgetting the old ones."""

from collections.abc import Iterator

from nodepool_lite.model.lease import Lease, LeaseState, Waiter
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.plan import handout
from nodepool_lite.plan.actions import Action, EndLease, ForgetLease, Grant, Retire, SignLease
from nodepool_lite.plan.view import View


def leases(view: View, now: float) -> Iterator[Action]:
    """Yield all that the global planner does about leases; clients may have done it first."""
    records = view.records
    known = [lease for lease in records.leases.values() if lease.state is not LeaseState.ENDED]
    waiters = records.waiters.keys() | records.unreadable(Waiter)
    waiting = any(lease.state is LeaseState.WAITING for lease in known)
    for chosen in handout.handout(records.nodes, known, waiters, now) if waiting else ():
        yield Grant(
            at=now,
            why="its turn has come",
            lease=chosen.lease_id,
            version=records.leases[chosen.lease_id].version,
            nodes=chosen.node_ids,
        )
    endings = (
        *handout.abandoned(known, waiters, view.attended, now),
        *handout.expired_leases(known),
        *handout.bereft_leases(known, records.nodes, records.unreadable(Node)),
        *_hopeless(view),
    )
    for ending in endings:
        version = records.leases[ending.lease_id].version
        yield EndLease(at=ending.at, why=ending.reason, lease=ending.lease_id, version=version)
    for lease in handout.unsigned_leases(known):
        yield SignLease(at=now, why="its certificates are missing", lease=lease.id, version=lease.version)
    yield from _left_behind(view)
    for lease in records.leases.values():
        if lease.state is LeaseState.ENDED:
            expires = lease.state_since + view.config.lease_retention
            yield ForgetLease(at=expires, why="it ended long ago", lease=lease.id, version=lease.version)


def _hopeless(view: View) -> Iterator[handout.Ending]:
    """Yield the end of leases that wait for a label that is not configured any more."""
    for lease in view.records.leases.values():
        if lease.state is LeaseState.WAITING and lease.label not in view.labels:
            yield handout.Ending(0.0, lease.id, f"failed: label {lease.label} is not configured any more")


def _left_behind(view: View) -> Iterator[Retire]:
    """Yield the end of taken nodes whose lease is over: whoever ended it had read them before they were taken."""
    unreadable = view.records.unreadable(Lease)
    for node in view.nodes(NodeState.IN_USE):
        lease = view.records.leases.get(node.lease or "")
        if node.lease not in unreadable and (lease is None or lease.state is LeaseState.ENDED):
            yield Retire(at=0, why=f"its lease {node.lease} is over", node=node.id, version=node.version)
