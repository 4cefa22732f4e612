"""Where missing nodes are to be made, in the order in which their labels have their turn."""

from collections.abc import Iterable, Iterator, Sequence

from nodepool_lite.config.settings import Provider
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.pool import Backoff
from nodepool_lite.plan.actions import Launch, Machine, Placement, Retire
from nodepool_lite.plan.demand import Demand, ages, turns
from nodepool_lite.plan.generation import Source
from nodepool_lite.plan.room import Room, full, occupied
from nodepool_lite.plan.view import View

UNRECORDED = 60.0
"""Seconds after a failure until the next attempt where the record of its back-off cannot be read."""
FIRST_ANSWER = 10.0
"""Seconds after a launcher took a provider over for which its first answer is awaited by what prefers it."""
BATCH, GROWTH, LARGEST_BATCH = 50, 10, 250
"""Nodes recorded by one plan: 50, or a tenth of what there is, up to 250.

The next plan follows at once, and what is on record can be worked on meanwhile; a plan that looks at more nodes records
more of them, so that the work of planning grows no faster than the pool.
"""


def launches(view: View, ways: Sequence[Source], wanted: Sequence[Demand], now: float) -> Iterator[Launch]:
    """Yield one Launch with the placements that can be made now, and the moments at which there may be more."""
    missing = {demand.label for demand in wanted if demand.missing}
    served = any(way.generation for way in ways if way.label.name in missing)
    placements = _placements(view, ways, wanted, now) if served else ()
    if placements:
        yield Launch(at=now, why="wanted", placements=placements)
    moments = (*_backoff_ends(view, ways), *_birthdays(view), *_first_answers(view, ways))
    later = [moment for moment in moments if moment > now]
    if later:
        yield Launch(at=min(later), why="a wait ends, or a node becomes too old", placements=())


def _placements(view: View, ways: Sequence[Source], wanted: Sequence[Demand], now: float) -> tuple[Placement, ...]:
    room = occupied(view, ways)
    by_label = _grouped(ways)
    stuck: set[str] = set()
    batch = min(max(BATCH, len(view.records.nodes) // GROWTH), LARGEST_BATCH)
    lacking = sum(1 for demand in wanted if demand.missing)
    found: list[Placement] = []
    for label in turns(wanted, view.records.leases.values()):
        if label in stuck:
            continue
        choice = _choose(view, by_label.get(label, ()), room, now)
        if choice is None:
            stuck.add(label)
            if len(stuck) == lacking:
                break  # however many more are wanted
            continue
        found.append(_placement(choice))
        room.add(view, choice)
        if len(found) == batch:
            break
    return tuple(found)


def crowded_out(view: View, ways: Sequence[Source], wanted: Iterable[Demand], now: float) -> Iterator[Retire]:
    """Yield the end of one node per label that is past its max-ready-age, where no room is left to replace it first."""
    aged = {demand.label: node for demand in wanted if (node := _oldest(view, demand, now)) and not demand.pending}
    if not aged:
        return
    room = occupied(view, ways)
    leaving = {node.label for node in view.nodes(NodeState.DELETING)}
    for label, node in aged.items():
        able = [way for way in ways if way.label.name == label and not hindrance(view, way, room, now)]
        if label not in leaving and able and all(full(view, way, room) for way in able):
            why = "too old (max-ready-age), and there is no room to replace it first"
            yield Retire(at=now, why=why, node=node.id, version=node.version)


def _oldest(view: View, demand: Demand, now: float) -> Node | None:
    """Return the label's first ready node that is past its max-ready-age."""
    label = view.labels.get(demand.label)
    if label is None or label.max_ready_age <= 0:
        return None
    return next((node for node in demand.ready if _past(ages(label, node), now)), None)


def obstacle(view: View, source: Source, room: Room, now: float) -> str:
    """Return why a node cannot be made from this source now, in one sentence; empty when it can."""
    return hindrance(view, source, room, now) or full(view, source, room)


def hindrance(view: View, source: Source, room: Room, now: float) -> str:
    """Return what other than its limits keeps a source from making a node now; empty when nothing does."""
    provider = source.provider
    if not source.generation:
        return f"no image of {' and of '.join(source.unserved)} is ready at {provider.name}"
    if f"provider/{provider.name}" not in view.records.leaders:
        return f"no launcher drives provider {provider.name}"
    silent = view.provider_backoff(provider)
    if _is_unasked(view, provider):
        return f"provider {provider.name} has not been asked yet"
    if silent is not None:
        return f"provider {provider.name} cannot be used: {silent.error}"
    return _patience(view, source, room, now)


def _is_unasked(view: View, provider: Provider) -> bool:
    """Tell whether this process, which is to ask the provider, has had no answer of any kind yet."""
    leads = f"provider/{provider.name}" in view.leads
    return leads and provider.name not in view.clouds and view.provider_backoff(provider) is None


def _first_answers(view: View, ways: Iterable[Source]) -> Iterator[float]:
    """Yield until when providers that have not answered yet are waited for."""
    for provider in {way.provider.name: way.provider for way in ways if way.generation}.values():
        if _is_unasked(view, provider):
            yield view.led_since.get(f"provider/{provider.name}", 0.0) + FIRST_ANSWER


def _patience(view: View, source: Source, room: Room, now: float) -> str:
    """Return why to wait after the failures that there were."""
    if source.backoff_id in view.records.unreadable(Backoff):
        return _without_backoff(view, source, now)
    backoff = view.records.backoffs.get(source.backoff_id)
    if backoff is None or backoff.fingerprint != source.fingerprint:
        return ""
    if backoff.next_try > now:
        return f"backing off after {backoff.failures} failures: {backoff.error}"
    if backoff.next_try > backoff.last and room.probing[source.backoff_id]:
        return f"one attempt at a time after {backoff.failures} failures: {backoff.error}"
    return ""


def _without_backoff(view: View, source: Source, now: float) -> str:
    """Return why to wait where the back-off cannot be read, and so not be kept: the latest failure is recent."""
    failed = (node for node in view.nodes(NodeState.FAILED) if node.label == source.label.name)
    at = (node.state_since for node in failed if node.provider == source.provider.name)
    latest = max(at, default=0.0)
    return f"the record backoffs/{source.backoff_id} cannot be read" if latest + UNRECORDED > now else ""


def _choose(view: View, ways: Iterable[Source], room: Room, now: float) -> Source | None:
    """Return the source with the best priority, and then the fewest servers, that has room.

    None as long as a better one is about to answer for the first time.
    """
    able = [way for way in ways if not obstacle(view, way, room, now)]
    best = min(able, key=lambda way: (_priority(way), room.of(way)["servers"]), default=None)
    preferred = [way for way in ways if best is not None and _priority(way) < _priority(best)]
    awaited = any(moment > now for moment in _first_answers(view, preferred))
    return None if awaited else best


def _priority(way: Source) -> int:
    return way.provider.priority if way.pool.priority is None else way.pool.priority


def _grouped(ways: Iterable[Source]) -> dict[str, list[Source]]:
    found: dict[str, list[Source]] = {}
    for way in ways:
        found.setdefault(way.label.name, []).append(way)
    return found


def _placement(source: Source) -> Placement:
    return Placement(
        label=source.label.name,
        provider=source.provider.name,
        pool=source.pool.name,
        generation=source.generation,
        machines=tuple(
            Machine(
                diskimage=each.diskimage,
                build=each.build,
                image_id=each.image_id,
                username=each.username,
                member=each.settings.name if source.label.members else "",
            )
            for each in source.machines
        ),
    )


def _backoff_ends(view: View, ways: Iterable[Source]) -> Iterator[float]:
    for name in dict.fromkeys(way.backoff_id for way in ways):
        if name in view.records.backoffs:
            yield view.records.backoffs[name].next_try


def _birthdays(view: View) -> Iterator[float]:
    """Yield when ready nodes become too old."""
    limited = {label.name: label for label in view.config.labels if label.max_ready_age > 0}
    for node in view.nodes(NodeState.READY) if limited else ():
        limit = ages(limited.get(node.label), node)
        if limit is not None:
            yield limit


def _past(limit: float | None, now: float) -> bool:
    return limit is not None and now >= limit
