"""Which unused nodes are to go: too many, to be renewed, left over of a broken set, or held long enough."""

from collections.abc import Iterable, Iterator

from nodepool_lite.model.node import PENDING, Node, NodeState
from nodepool_lite.plan.actions import ForgetNode, Retire
from nodepool_lite.plan.demand import Demand
from nodepool_lite.plan.view import View


def surplus(wanted: Iterable[Demand]) -> Iterator[Retire]:
    """Yield the retirement of nodes beyond what is wanted: those to be renewed first, once others took their place."""
    for demand in wanted:
        for node in demand.spare_ready:
            yield _retire(node, demand.renewals.get(node.id, "surplus"))
        for node in demand.spare_pending:
            yield _retire(node, "surplus: no longer wanted")


def futile(view: View, wanted: Iterable[Demand]) -> Iterator[Retire]:
    """Yield the retirement of nodes on the way that nobody would want by the time they are ready."""
    for demand in wanted:
        for node_id, why in demand.futile.items():
            yield _retire(view.records.nodes[node_id], why)


def broken_sets(view: View) -> Iterator[Retire]:
    """Yield the retirement of what is left of a node set of which one member failed or is being deleted."""
    ended = {NodeState.FAILED, NodeState.DELETING}
    nodes, unreadable = view.records.nodes, view.records.unreadable(Node)
    for node in view.nodes(*PENDING, NodeState.READY):
        others = [other for other in (node.primary, *node.subnodes) if other is not None]
        if not unreadable.isdisjoint(others):
            continue  # nobody knows how they are
        lost = next((each for each in others if each not in nodes or nodes[each].state in ended), None)
        if lost is not None:
            yield _retire(node, f"node {lost} of its set is gone")
        elif (node.asked is None or node.set_size) and not view.set_is_whole(node):
            yield _retire(node, "its node set was never recorded completely")


def releasable_holds(view: View) -> Iterator[Retire]:
    """Yield the end of each hold that has a time."""
    for node in view.nodes(NodeState.HOLD):
        ends = [node.hold_until] if node.hold_until is not None else []
        if view.config.max_hold_age > 0:
            ends.append(node.state_since + view.config.max_hold_age)
        if ends:
            yield _retire(node, "its hold has ended", min(ends))


def ownerless(view: View) -> Iterator[ForgetNode]:
    """Yield the end of records that have no server and whose provider nobody drives any more.

    A record that may still have a server stays: it is all that tells of that server until the provider comes back.
    """
    for node in view.nodes(NodeState.DELETING, NodeState.FAILED):
        driven = view.config.provider(node.provider) is not None or f"provider/{node.provider}" in view.records.leaders
        if not driven and node.asked is None:
            kept = view.config.failed_retention if node.state is NodeState.FAILED else 0.0
            yield ForgetNode(
                at=node.state_since + kept,
                why="its provider is not configured any more",
                node=node.id,
                version=node.version,
            )


def _retire(node: Node, why: str, at: float = 0.0) -> Retire:
    return Retire(at=at, why=why, node=node.id, version=node.version)
