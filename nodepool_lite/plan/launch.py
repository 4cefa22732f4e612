"""Where missing nodes are to be made: one node per label in turn, so that no label starves another."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from nodepool_lite.clouds.driver import Quota
from nodepool_lite.model.node import PENDING, Node, NodeState
from nodepool_lite.plan.actions import Launch, Placement
from nodepool_lite.plan.demand import Demand, demands
from nodepool_lite.plan.generation import Source, sources
from nodepool_lite.plan.view import View

DEFAULT_CORES, DEFAULT_RAM = 1, 1024
"""What a server is taken to need where its label does not say: cores, and MiB of RAM."""


@dataclass
class Room:
    """What is in use of each pool and provider, as placements are added to it."""

    servers: Counter[tuple[str, str]] = field(default_factory=Counter)
    cores: Counter[tuple[str, str]] = field(default_factory=Counter)
    ram: Counter[tuple[str, str]] = field(default_factory=Counter)
    unlisted: Counter[str] = field(default_factory=Counter)
    """Servers per provider that its quota figures do not include yet."""
    probing: Counter[str] = field(default_factory=Counter)
    """Nodes on the way per back-off id: while one is in force, one at a time is tried."""

    def add(self, source: Source, servers: int) -> None:
        """Count `servers` more from this source."""
        place = (source.provider.name, source.pool.name)
        cores, ram = need(source)
        self.servers[place] += servers
        self.cores[place] += cores * servers
        self.ram[place] += ram * servers
        self.unlisted[source.provider.name] += servers
        self.probing[source.backoff_id] += 1


def launches(view: View, now: float) -> Iterator[Launch]:
    """Yield one Launch with all placements that can be made now, or the moment at which a back-off ends."""
    ways = list(sources(view))
    room = occupied(view, ways)
    missing = {demand.label: demand.missing for demand in demands(view) if demand.missing}
    placements: list[Placement] = []
    while missing:
        for label in list(missing):
            choice = _choose(view, [way for way in ways if way.label.name == label], room, now)
            if choice is None:
                del missing[label]
                continue
            placements.append(_placement(choice))
            room.add(choice, 1 + choice.label.subnodes)
            missing[label] -= 1
            if not missing[label]:
                del missing[label]
    if placements:
        yield Launch(at=now, why="wanted", placements=tuple(placements))
    for deadline in _deadlines(view, ways, now):
        yield Launch(at=deadline, why="a back-off ends", placements=())


def need(source: Source) -> tuple[int, int]:
    """Return (cores, MiB of RAM) that one server of this source takes."""
    return source.settings.cores or DEFAULT_CORES, source.settings.min_ram or DEFAULT_RAM


def occupied(view: View, ways: list[Source]) -> Room:
    """Return what the existing nodes occupy."""
    room = Room()
    needs = {(way.label.name, way.provider.name, way.pool.name): need(way) for way in ways}
    for node in view.records.nodes.values():
        if not _occupies(node):
            continue
        place = (node.provider, node.pool)
        cores, ram = needs.get((node.label, *place), (DEFAULT_CORES, DEFAULT_RAM))
        room.servers[place] += 1
        room.cores[place] += cores
        room.ram[place] += ram
        cloud = view.clouds.get(node.provider)
        if cloud is None or cloud.server_of(node) is None:
            room.unlisted[node.provider] += 1
        if node.state in PENDING and node.primary is None:
            room.probing[f"launch/{node.label}@{node.provider}"] += 1
    return room


def obstacle(view: View, source: Source, room: Room, now: float) -> str:
    """Return why a node cannot be made from this source now, in one sentence; empty when it can."""
    if not source.generation:
        return f"no image of {source.diskimage} is ready at {source.provider.name}"
    if f"provider/{source.provider.name}" not in view.records.leaders:
        return f"no launcher drives provider {source.provider.name}"
    backoff = view.backoff(source.backoff_id, source.fingerprint)
    if backoff is not None:
        if backoff.next_try > now:
            return f"backing off after {backoff.failures} failures: {backoff.error}"
        if backoff.failures > source.provider.launch_retries and room.probing[source.backoff_id]:
            return f"one attempt at a time after {backoff.failures} failures: {backoff.error}"
    return _full(view, source, room)


def _choose(view: View, ways: list[Source], room: Room, now: float) -> Source | None:
    """Return the source with the best priority, and then the fewest servers, that has room."""
    able = [way for way in ways if not obstacle(view, way, room, now)]
    return min(able, key=lambda way: _rank(way, room), default=None)


def _rank(way: Source, room: Room) -> tuple[int, int]:
    priority = way.provider.priority if way.pool.priority is None else way.pool.priority
    return priority, room.servers[way.provider.name, way.pool.name]


def _full(view: View, source: Source, room: Room) -> str:
    place = (source.provider.name, source.pool.name)
    servers = 1 + source.label.subnodes
    cores, ram = need(source)
    limits = (
        ("max-servers", source.pool.max_servers, room.servers[place], servers),
        ("max-cores", source.pool.max_cores, room.cores[place], cores * servers),
        ("max-ram", source.pool.max_ram, room.ram[place], ram * servers),
    )
    for name, limit, used, more in limits:
        if limit is not None and used + more > limit:
            return f"{name} of {source.provider.name} is reached ({used} of {limit} in use)"
    cloud = view.clouds.get(source.provider.name)
    if cloud is None or source.pool.ignore_provider_quota:
        return ""
    return _over_quota(cloud.quota, source.provider.name, room.unlisted[source.provider.name] + servers, cores, ram)


def _over_quota(quota: Quota, provider: str, more: int, cores: int, ram: int) -> str:
    limits = (
        ("servers", quota.servers, quota.servers_used, more),
        ("cores", quota.cores, quota.cores_used, more * cores),
        ("RAM (MiB)", quota.ram, quota.ram_used, more * ram),
    )
    for name, limit, used, wanted in limits:
        if limit is not None and used + wanted > limit:
            return f"the quota of {provider} for {name} is used up ({used} of {limit}, {wanted} more wanted)"
    return ""


def _occupies(node: Node) -> bool:
    """A failed node whose server is gone takes no room; every other record does."""
    return node.state is not NodeState.FAILED or node.asked is not None


def _placement(source: Source) -> Placement:
    return Placement(
        label=source.label.name,
        provider=source.provider.name,
        pool=source.pool.name,
        diskimage=source.diskimage,
        build=source.build,
        image_id=source.image_id,
        username=source.username,
        generation=source.generation,
        subnodes=source.label.subnodes,
    )


def _deadlines(view: View, ways: list[Source], now: float) -> Iterator[float]:
    for way in ways:
        backoff = view.backoff(way.backoff_id, way.fingerprint)
        if backoff is not None and backoff.next_try > now:
            yield backoff.next_try


def shortfall(view: View, demand: Demand, now: float) -> str:
    """Return why missing nodes of a label are not being made, for `status`; empty when nothing is missing."""
    if not demand.missing:
        return ""
    ways = [way for way in sources(view) if way.label.name == demand.label]
    if not ways:
        return "no provider pool makes this label"
    room = occupied(view, ways)
    reasons = [obstacle(view, way, room, now) for way in ways]
    return "" if "" in reasons else "; ".join(dict.fromkeys(reasons))
