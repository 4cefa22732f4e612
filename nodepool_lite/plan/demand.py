"""How many nodes of each label are missing or too many. Pure arithmetic on buckets."""

from collections.abc import Iterator
from dataclasses import dataclass

from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import PENDING, Node, NodeState
from nodepool_lite.plan.actions import Retire
from nodepool_lite.plan.generation import sources
from nodepool_lite.plan.view import View


@dataclass(frozen=True)
class Demand:
    """The count of one label's nodes (node sets count once), sorted into buckets."""

    label: str
    min_ready: int
    waiting: int
    """Nodes that the waiting leases ask for."""
    ready: tuple[Node, ...]
    """Unused primary nodes, the ones to part with first in front: outdated before current, old before young."""
    outdated: frozenset[str]
    """Ids of ready nodes made from something that has changed since."""
    pending: tuple[Node, ...]

    @property
    def wanted(self) -> int:
        """Unused nodes that there should be."""
        return self.min_ready + self.waiting

    @property
    def surge(self) -> int:
        """One node more than wanted while outdated ones wait to be replaced."""
        return 1 if self.outdated else 0

    @property
    def missing(self) -> int:
        """Nodes to launch now."""
        return max(0, self.wanted + self.surge - len(self.ready) - len(self.pending))


def demands(view: View) -> tuple[Demand, ...]:
    """Return the demand of every label, including labels that have nodes but are not configured any more."""
    generations = {(s.label.name, s.provider.name, s.pool.name): s.generation for s in sources(view)}
    names = dict.fromkeys(label.name for label in view.config.labels)
    names.update(dict.fromkeys(node.label for node in view.nodes()))
    return tuple(_demand(view, name, generations) for name in names)


def surplus(view: View) -> Iterator[Retire]:
    """Yield the retirement of nodes beyond what is wanted, and of outdated ones that have been replaced."""
    for demand in demands(view):
        for node in demand.ready[: max(0, len(demand.ready) - demand.wanted)]:
            why = "outdated: its image, label or ready-script has changed" if node.id in demand.outdated else "surplus"
            yield Retire(at=0, why=why, node=node.id)
        too_many = len(demand.ready) + len(demand.pending) - demand.wanted - demand.surge
        spare = max(0, min(too_many, len(demand.pending)) - max(0, len(demand.ready) - demand.wanted))
        for node in list(reversed(demand.pending))[:spare]:
            yield Retire(at=0, why="surplus: no longer wanted", node=node.id)


def aged(view: View) -> Iterator[Retire]:
    """Yield the retirement of unused nodes older than their label's max-ready-age, when that comes."""
    for node in view.nodes(NodeState.READY):
        label = view.config.label(node.label)
        if label is not None and label.max_ready_age > 0 and node.primary is None:
            why = f"unused for longer than max-ready-age ({label.max_ready_age:.0f} s)"
            yield Retire(at=node.state_since + label.max_ready_age, why=why, node=node.id)


def broken_sets(view: View) -> Iterator[Retire]:
    """Yield the retirement of what is left of a node set of which one member failed or is being deleted."""
    ended = {NodeState.FAILED, NodeState.DELETING}
    nodes = view.records.nodes
    for node in view.nodes(*PENDING, NodeState.READY):
        others = [other for other in (node.primary, *node.subnodes) if other is not None]
        lost = next((each for each in others if each not in nodes or nodes[each].state in ended), None)
        if lost is not None:
            yield Retire(at=0, why=f"node {lost} of its set is gone", node=node.id)
        elif node.state is NodeState.BUILDING and not _complete(view, node):
            yield Retire(at=0, why="its node set was never recorded completely", node=node.id)


def releasable_holds(view: View) -> Iterator[Retire]:
    """Yield the end of each hold that has a time."""
    for node in view.nodes(NodeState.HOLD):
        ends = [node.hold_until] if node.hold_until is not None else []
        if view.config.max_hold_age > 0:
            ends.append(node.state_since + view.config.max_hold_age)
        if ends:
            yield Retire(at=min(ends), why="its hold has ended", node=node.id)


def _demand(view: View, name: str, generations: dict[tuple[str, str, str], str]) -> Demand:
    label = view.config.label(name)
    primaries = [node for node in view.nodes() if node.label == name and node.primary is None]
    ready = [node for node in primaries if node.state is NodeState.READY]
    outdated = frozenset(node.id for node in ready if _is_outdated(node, generations))
    ready.sort(key=lambda node: (node.id not in outdated, node.state_since, node.id))
    waiting = sum(
        lease.count
        for lease in view.records.leases.values()
        if lease.label == name and lease.state is LeaseState.WAITING
    )
    return Demand(
        label=name,
        min_ready=0 if label is None else max(0, label.min_ready),
        waiting=0 if label is None else waiting,
        ready=tuple(ready),
        outdated=outdated,
        pending=tuple(node for node in primaries if node.state in PENDING),
    )


def _complete(view: View, node: Node) -> bool:
    """Tell whether the set's records all came to be: a launcher may have died between two of them."""
    if node.primary is not None:
        return node.id in view.records.nodes[node.primary].subnodes
    label = view.config.label(node.label)
    return label is None or node.asked is not None or len(node.subnodes) == label.subnodes


def _is_outdated(node: Node, generations: dict[tuple[str, str, str], str]) -> bool:
    """A node is outdated when its source serves something else now; while nothing serves, nothing is newer."""
    current = generations.get((node.label, node.provider, node.pool))
    return current not in {"", node.generation}
