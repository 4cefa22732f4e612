"""How much room there is: what the nodes of each pool and provider take of its limits and its quota."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from nodepool_lite.clouds.driver import Quota
from nodepool_lite.model.node import PENDING, Node, NodeState
from nodepool_lite.plan.generation import Source
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

    def add(self, source: Source) -> None:
        """Count one more node (with its sub-nodes) from this source."""
        servers = 1 + source.label.subnodes
        place = (source.provider.name, source.pool.name)
        cores, ram = need(source)
        self.servers[place] += servers
        self.cores[place] += cores * servers
        self.ram[place] += ram * servers
        self.unlisted[source.provider.name] += servers
        self.probing[source.backoff_id] += 1


def need(source: Source) -> tuple[int, int]:
    """Return (cores, MiB of RAM) that one server of this source takes."""
    return source.settings.cores or DEFAULT_CORES, source.settings.min_ram or DEFAULT_RAM


def occupied(view: View, ways: Iterable[Source]) -> Room:
    """Return what the existing nodes occupy."""
    room = Room()
    needs = {(way.label.name, way.provider.name, way.pool.name): need(way) for way in ways}
    for node in view.nodes():
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


def full(view: View, source: Source, room: Room) -> str:
    """Return which limit leaves no room for one more node of this source, in one sentence; empty when there is room."""
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
