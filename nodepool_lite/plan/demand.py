"""How many nodes of each label are missing or too many. Pure arithmetic on buckets."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Struct

from nodepool_lite.config.settings import Label
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import PENDING, Node, NodeState
from nodepool_lite.plan.generation import Source, generations
from nodepool_lite.plan.same import Same
from nodepool_lite.plan.view import View


class Demand(Struct, frozen=True):
    """One label's unused nodes, sorted into buckets; a node set counts once, by its primary."""

    label: str
    min_ready: int = 0
    waiting: int = 0
    """Nodes that the waiting leases ask for."""
    ready: tuple[Node, ...] = ()
    """The ones to part with first in front: those to renew before others, old before young."""
    renewals: Mapping[str, str] = {}
    """Ids of ready nodes that are to be renewed, and why."""
    pending: tuple[Node, ...] = ()
    """On the way to ready; the ones to part with first in front: not asked for before asked for, young before old."""
    futile: Mapping[str, str] = {}
    """Ids of nodes on the way that are not worth going on with, and why; they are not in `pending`."""

    @property
    def wanted(self) -> int:
        """Unused nodes that there should be."""
        return self.min_ready + self.waiting

    @property
    def surge(self) -> int:
        """One node more than wanted while others wait to be renewed."""
        return 1 if self.renewals else 0

    @property
    def missing(self) -> int:
        """Nodes to launch now."""
        return max(0, self.wanted + self.surge - len(self.ready) - len(self.pending))

    @property
    def spare_ready(self) -> tuple[Node, ...]:
        """Ready nodes beyond what is wanted."""
        return self.ready[: max(0, len(self.ready) - self.wanted)]

    @property
    def spare_pending(self) -> tuple[Node, ...]:
        """Nodes on the way beyond what is wanted."""
        kept = len(self.ready) - len(self.spare_ready)
        return self.pending[: max(0, kept + len(self.pending) - self.wanted - self.surge)]


def demands(view: View, ways: tuple[Source, ...], now: float) -> tuple[Demand, ...]:
    """Return the demand of every label, including labels that have nodes but are not configured any more."""
    aside = ((way, _set_aside(view, way, now)) for way in (ways if view.records.backoffs else ()))
    standard = _Standard(generations(Same((ways,))), {way.place: why for way, why in aside if why}, now)
    nodes: dict[str, list[Node]] = {label.name: [] for label in view.config.labels}
    for node in view.nodes(*PENDING, NodeState.READY):
        if node.primary is None:
            nodes.setdefault(node.label, []).append(node)
    waiting: Counter[str] = Counter()
    for lease in queue(view.records.leases.values()):
        waiting[lease.label] += lease.count
    return tuple(_demand(name, view.labels.get(name), waiting[name], own, standard) for name, own in nodes.items())


def turns(wanted: Sequence[Demand], leases: Iterable[Lease]) -> Iterator[str]:
    """Yield the labels of all missing nodes in the order in which they are to be made.

    First what waiting leases lack, first come first served, so that two of them never hold each other's rest; then
    one spare node for each label in turn, so that no label starves another.
    """
    missing = {demand.label: demand.missing for demand in wanted}
    have = {demand.label: len(demand.ready) + len(demand.pending) for demand in wanted}
    for lease in queue(leases):
        lacking = min(max(0, lease.count - have.get(lease.label, 0)), missing.get(lease.label, 0))
        have[lease.label] = max(0, have.get(lease.label, 0) - lease.count)
        missing[lease.label] = missing.get(lease.label, 0) - lacking
        yield from [lease.label] * lacking
    while missing := {label: count for label, count in missing.items() if count}:
        for label in missing:
            yield label
            missing[label] -= 1


def queue(leases: Iterable[Lease]) -> list[Lease]:
    """Return the waiting leases of all labels, first come first."""
    return sorted(
        (lease for lease in leases if lease.state is LeaseState.WAITING), key=lambda lease: (lease.order, lease.id)
    )


def ages(label: Label | None, node: Node) -> float | None:
    """Return when the ready node is too old for its label; None is never."""
    if label is None or label.max_ready_age <= 0:
        return None
    return node.state_since + label.max_ready_age


@dataclass(frozen=True)
class _Standard:
    """What nodes are measured by."""

    generations: Mapping[tuple[str, str, str], str]
    """(label, provider, pool) -> the generation that is made there now; empty while no image serves."""
    set_aside: Mapping[tuple[str, str, str], str]
    """(label, provider, pool) -> why nothing is tried there at the moment."""
    now: float

    def renewal(self, label: Label | None, node: Node) -> str:
        """Return why a ready node is to be replaced; empty when it is not."""
        limit = ages(label, node)
        if label is not None and limit is not None and self.now >= limit:
            return f"unused for longer than max-ready-age ({label.max_ready_age:.0f} s)"
        if self._current(node) not in {"", node.generation}:
            return "outdated: its image, label or ready-script has changed"
        return ""

    def futility(self, node: Node) -> str:
        """Return why a node on the way is not worth going on with; empty when it is."""
        current = self._current(node)
        if current is None:
            return f"provider {node.provider} is no longer configured to make label {node.label}"
        if node.asked is None and current not in {"", node.generation}:
            return "outdated before its server was asked for"
        waits = self.set_aside.get((node.label, node.provider, node.pool), "")
        if waits and node.asked is None and not node.subnodes:
            return f"to be made where it can be: {waits}"
        return ""

    def _current(self, node: Node) -> str | None:
        return self.generations.get((node.label, node.provider, node.pool))


def _set_aside(view: View, way: Source, now: float) -> str:
    """Return why a label is not tried at a provider now; empty when it is."""
    backoff = view.records.backoffs.get(way.backoff_id)
    if backoff is None or backoff.fingerprint != way.fingerprint or backoff.next_try <= now:
        return ""
    return f"{way.provider.name} is set aside for this label ({backoff.error})"


def _demand(name: str, label: Label | None, waiting: int, nodes: Iterable[Node], standard: _Standard) -> Demand:
    ready = [node for node in nodes if node.state is NodeState.READY]
    renewals = {node.id: why for node in ready if (why := standard.renewal(label, node))}
    pending = [node for node in nodes if node.state is not NodeState.READY]
    futile = {node.id: why for node in pending if (why := standard.futility(node))}
    pending = [node for node in pending if node.id not in futile]
    return Demand(
        label=name,
        min_ready=0 if label is None else label.min_ready,
        waiting=0 if label is None else waiting,
        ready=tuple(sorted(ready, key=lambda node: (node.id not in renewals, node.state_since, node.id))),
        renewals=renewals,
        pending=tuple(sorted(pending, key=lambda node: (node.asked is not None, -node.created, node.id))),
        futile=futile,
    )
