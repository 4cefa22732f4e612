"""Leases from the hand-out to the end: give, sign, extend, release. Each is one transaction, or changes nothing."""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from msgspec import Struct

from nodepool_lite.config.duration import spoken
from nodepool_lite.config.settings import Config
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import KeyFileError, NodepoolError, StoreConflictError, WaitTimeoutError
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.record import Event
from nodepool_lite.plan.handout import ATTACHED
from nodepool_lite.service.attempts import settled
from nodepool_lite.service.names import node_named, the_lease
from nodepool_lite.store.base import Snapshot, Store, Write, id_problem


class Released(Struct, frozen=True):
    """What giving back came to."""

    lease: str
    nodes: tuple[str, ...]
    """Nodes that are being deleted; one on hold is not."""
    ended: bool
    """Whether the lease has ended; it goes on while it has other nodes."""


def give(store: Store, config: Config, lease: Lease, nodes: Sequence[Node], now: float) -> Lease:
    """Make `lease` active on `nodes` (sub-nodes included) and return it, signed if this process may sign.

    `lease` waits in the store, or is not stored yet; `nodes` are as `handout` chose them.

    Raises:
        StoreConflictError: somebody else was quicker, with the lease or with one of the nodes; nothing was changed.
    """
    names = ", ".join(node.id for node in nodes)
    active = lease.to(
        LeaseState.ACTIVE, now, f"given {names}", nodes=tuple(node.id for node in nodes), expires=now + lease.lifetime
    )
    if _may_sign(config, active):
        active = _signed(config, active)
    purpose = f": {lease.reason}" if lease.reason else ""
    taken = f"taken by {lease.owner} with lease {lease.id}{purpose}"
    given = [Write("update", node.to(NodeState.IN_USE, now, taken, lease=lease.id)) for node in nodes]
    stored, *_ = store.transact([Write("create" if lease.version < 0 else "update", active), *given])
    return cast("Lease", stored)


def end(store: Store, lease: Lease, reason: str, now: float, nodes: Mapping[str, Node] | None = None) -> Lease:
    """End `lease` (`reason`: `released: ...` and the like) and have its nodes deleted, except those on hold.

    `nodes` are all nodes as the store has them; without, its cached view is taken.

    Raises:
        StoreConflictError: the lease or a node has changed since it was read; nothing was changed.
    """
    known = store.snapshot().nodes if nodes is None else nodes
    stored, *_ = store.transact(_ending(lease, known, now, reason))
    return cast("Lease", stored)


def release(store: Store, name: str, who: str, now: float) -> Released:
    """Give back a lease, or one node (set) of it; the lease ends with its last node.

    Raises:
        NoSuchThingError: no lease and no node has that name.
        NodepoolError: it has ended already, or nobody has taken that node.
    """

    def attempt(records: Snapshot) -> Released:
        node = None if name in records.leases else node_named(records.nodes, name)
        if node is None:
            return _release_all(store, the_lease(records, name), records, who, now)
        if node.lease is None or node.state not in ATTACHED:
            raise NodepoolError(f"node {node.id} is {node.state}, nobody has taken it; use `delete` to remove it")
        gone = set_of(records.nodes, node)
        writes = departure(records, gone, now, f"released: by {who}", keep_held=True)
        store.transact(writes)
        return Released(node.lease, *_outcome(writes))

    return settled(lambda: _about(store, name), attempt)


def extend(store: Store, config: Config, name: str, seconds: float, *, who: str, now: float) -> Lease:
    """Move the end of an active lease by `seconds` and return it, with new certificates if this process may sign.

    Raises:
        NoSuchThingError: there is no such lease.
        NodepoolError: it is not active.
    """

    def attempt(records: Snapshot) -> Lease:
        lease = the_lease(records, name)
        if lease.state is not LeaseState.ACTIVE:
            why = f" ({lease.end_reason})" if lease.end_reason else ""
            raise NodepoolError(f"lease {lease.id} is {lease.state}{why}; only an active lease can be extended")
        expires = max(lease.expires or now, now) + seconds
        event = Event(time=now, state=lease.state, reason=f"extended by {spoken(seconds)} by {who}")
        longer = lease.but(expires=expires, lifetime=expires - lease.state_since, history=(*lease.history, event))
        return store.update(_signed(config, longer) if _may_sign(config, longer) else longer)

    return settled(lambda: _about(store, name), attempt)


def sign(store: Store, config: Config, lease: Lease) -> Lease:
    """Sign the certificates of an active lease with the pool's CA, store and return it.

    Raises:
        KeyFileError: this process may not read the CA's key.
        PublicKeyError: the lease's public key cannot be certified.
        StoreConflictError: the lease has changed since it was read.
    """
    return store.update(_signed(config, lease))


def await_signature(store: Store, clock: Clock, lease_id: str, patience: float) -> Lease:
    """Return the lease once a launcher has signed its certificates. `store` must watch; `patience` is in seconds.

    Raises:
        WaitTimeoutError: none did.
        NoSuchThingError: the lease is gone.
    """
    changed = threading.Event()
    deadline = clock.now() + patience
    with store.subscribe(changed.set):
        while True:
            changed.clear()
            lease = the_lease(store.snapshot(), lease_id)
            if lease.certificates:
                return lease
            left = deadline - clock.now()
            if left <= 0:
                raise WaitTimeoutError(f"lease {lease.id}: its certificates were not signed; is a launcher running?")
            changed.wait(left)


def set_of(nodes: Mapping[str, Node], node: Node) -> list[Node]:
    """Return the whole set that a node belongs to, primary first."""
    primary = nodes.get(node.set_id)
    if primary is None:
        return [node]
    return [primary, *(nodes[sub] for sub in primary.subnodes if sub in nodes)]


def departure(
    records: Snapshot, gone: Sequence[Node], now: float, reason: str, *, keep_held: bool = False
) -> list[Write]:
    """Return the writes that take `gone` off their leases and delete them for `reason` (not those held, if so asked).

    A lease that has no node left ends for that reason; another just goes on with the rest.
    """
    ids = {node.id for node in gone}
    leases = dict.fromkeys(node.lease for node in gone if node.lease is not None)
    writes = []
    for lease in (records.leases[each] for each in leases if each in records.leases):
        if lease.state is LeaseState.WAITING:
            raise _torn(lease)
        if lease.state is LeaseState.ENDED:
            continue
        left = tuple(each for each in lease.nodes if each not in ids)
        if any(each in records.nodes and records.nodes[each].state in ATTACHED for each in left):
            event = Event(time=now, state=lease.state, reason=f"{', '.join(sorted(ids))}: {reason}")
            writes.append(Write("update", lease.but(nodes=left, history=(*lease.history, event))))
        else:
            writes.append(Write("update", lease.to(LeaseState.ENDED, now, reason, end_reason=reason)))
    spared = {NodeState.DELETING, NodeState.HOLD} if keep_held else {NodeState.DELETING}
    doomed = (node for node in gone if node.state not in spared)
    return [*writes, *(Write("update", node.to(NodeState.DELETING, now, reason)) for node in doomed)]


def _about(store: Store, name: str) -> Snapshot:
    """Return the lease of that name and its nodes, or all leases and nodes when the name may be a node's."""
    leases = {} if id_problem(Lease, name) else store.look_up(Lease, (name,))
    if leases:
        return Snapshot(leases=leases, nodes=store.look_up(Node, leases[name].nodes))
    return store.read(Lease, Node)


def _release_all(store: Store, lease: Lease, records: Snapshot, who: str, now: float) -> Released:
    if lease.state is LeaseState.ENDED:
        raise NodepoolError(f"lease {lease.id} has ended already ({lease.end_reason})")
    verb = "cancelled" if lease.state is LeaseState.WAITING else "released"
    writes = _ending(lease, records.nodes, now, f"{verb}: by {who}")
    store.transact(writes)
    return Released(lease.id, *_outcome(writes))


def _outcome(writes: Iterable[Write]) -> tuple[tuple[str, ...], bool]:
    """Return the ids of the nodes that are being deleted, and whether a lease has ended."""
    records = [write.record for write in writes]
    nodes = tuple(record.id for record in records if isinstance(record, Node))
    return nodes, any(isinstance(record, Lease) and record.state is LeaseState.ENDED for record in records)


def _ending(lease: Lease, nodes: Mapping[str, Node], now: float, reason: str) -> list[Write]:
    own = [nodes[each] for each in lease.nodes if each in nodes]
    if any(node.state is NodeState.READY for node in own):
        raise _torn(lease)
    doomed = (node for node in own if node.lease == lease.id and node.state is NodeState.IN_USE)
    return [
        Write("update", lease.to(LeaseState.ENDED, now, reason, end_reason=reason)),
        *(
            Write("update", node.to(NodeState.DELETING, now, f"its lease {lease.id} ended ({reason})"))
            for node in doomed
        ),
    ]


def _torn(lease: Lease) -> StoreConflictError:
    """A hand-out came between reading the lease and reading its nodes: one is older than the other."""
    return StoreConflictError(f"lease {lease.id} was being handed out while it was read; read it again")


def _may_sign(config: Config, lease: Lease) -> bool:
    """Only where the CA's key already is: a client on another host must not make a CA of its own."""
    return bool(lease.public_key) and os.access(config.state_dir / "ssh" / "user_ca", os.R_OK)


def _signed(config: Config, lease: Lease) -> Lease:
    from nodepool_lite.access.certificates import sign_user_key  # noqa: PLC0415 - slow to import, seldom needed
    from nodepool_lite.access.keys import ca_key  # noqa: PLC0415

    if not lease.public_key or lease.expires is None:
        raise KeyFileError(f"lease {lease.id} has no public key and no end: there is nothing to sign")
    ca = ca_key(config.state_dir)
    certificates = {
        node: sign_user_key(
            ca,
            lease.public_key,
            node_id=node,
            lease_id=lease.id,
            valid_from=lease.state_since,
            valid_until=lease.expires,
        )
        for node in lease.nodes
    }
    return lease.but(certificates=certificates, certified_until=lease.expires)
