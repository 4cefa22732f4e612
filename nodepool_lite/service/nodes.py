"""What a person does to nodes: delete them, hold them, let go of them. Sub-nodes go with their primary."""

import threading
from collections.abc import Iterable

from nodepool_lite.config.duration import spoken
from nodepool_lite.config.settings import Config
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import NodepoolError, WaitTimeoutError
from nodepool_lite.model.lease import Lease
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.service.attempts import settled
from nodepool_lite.service.leases import departure, set_of
from nodepool_lite.service.names import the_node
from nodepool_lite.store.base import Snapshot, Store, Write

HOLDABLE = frozenset({NodeState.READY, NodeState.IN_USE, NodeState.HOLD})


def delete(store: Store, name: str, *, who: str, now: float) -> tuple[str, ...]:
    """Have a node and its set deleted, and take them off their lease; return the ids.

    A node that is being deleted already stays as it is.

    Raises:
        NoSuchThingError: there is no such node.
    """

    def attempt(records: Snapshot) -> tuple[str, ...]:
        gone = set_of(records.nodes, the_node(records, name))
        store.transact(departure(records, gone, now, f"deleted: by {who}"))
        return tuple(node.id for node in gone)

    return settled(lambda: store.read(Lease, Node), attempt)


def await_gone(store: Store, clock: Clock, ids: Iterable[str], patience: float) -> None:
    """Return when none of these nodes is known any more. `store` must watch; `patience` is in seconds.

    Raises:
        WaitTimeoutError: some are still there.
    """
    changed = threading.Event()
    deadline = clock.now() + patience
    wanted = tuple(ids)
    with store.subscribe(changed.set):
        while True:
            changed.clear()
            known = store.snapshot().nodes
            left = [each for each in wanted if each in known]
            if not left:
                return
            if clock.now() >= deadline:
                raise WaitTimeoutError(
                    f"{', '.join(left)}: still being deleted after {spoken(patience)}; is a launcher running? "
                    "See `nodepool-lite status`"
                )
            changed.wait(deadline - clock.now())


def hold(
    store: Store, config: Config, name: str, *, reason: str, who: str, now: float, seconds: float | None = None
) -> tuple[Node, ...]:
    """Keep a node and its set from deletion, for `seconds` (None: until it is deleted) but within max-hold-age.

    Raises:
        NoSuchThingError: there is no such node.
        NodepoolError: it is not ready, in use or on hold.
    """
    limits = [limit for limit in (seconds, config.max_hold_age or None) if limit is not None]
    until = now + min(limits) if limits else None

    def attempt(records: Snapshot) -> tuple[Node, ...]:
        node = the_node(records, name)
        if node.state not in HOLDABLE:
            raise NodepoolError(f"node {node.id} is {node.state}; only a ready, in-use or held node can be held")
        members = [each for each in set_of(records.nodes, node) if each.state in HOLDABLE]
        held = tuple(_held(each, reason, who, now, until) for each in members)
        store.transact([Write("update", each) for each in held])
        return held

    return settled(lambda: store.read(Node), attempt)


def unhold(store: Store, name: str, *, who: str, now: float) -> tuple[str, ...]:
    """End a hold: the node and its set are deleted, because somebody worked on them. Returns their ids.

    Raises:
        NoSuchThingError: there is no such node.
        NodepoolError: it is not on hold.
    """

    def attempt(records: Snapshot) -> tuple[str, ...]:
        node = the_node(records, name)
        if node.state is not NodeState.HOLD:
            raise NodepoolError(f"node {node.id} is {node.state}, not on hold")
        held = [each for each in set_of(records.nodes, node) if each.state is NodeState.HOLD]
        store.transact(departure(records, held, now, f"hold ended: by {who}"))
        return tuple(each.id for each in held)

    return settled(lambda: store.read(Lease, Node), attempt)


def _held(node: Node, reason: str, who: str, now: float, until: float | None) -> Node:
    limit = "" if until is None else f" for {spoken(round(until - now))}"
    sentence = f"held by {who}{limit}: {reason}"
    changes = {"hold_reason": f"{reason} ({who})", "hold_until": until}
    if node.state is NodeState.HOLD:
        return node.noted(now, sentence, **changes)
    return node.to(NodeState.HOLD, now, sentence, **changes)
