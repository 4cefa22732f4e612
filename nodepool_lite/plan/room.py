"""How much room there is: what the nodes of each pool and provider take of its limits and its quota."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nodepool_lite.clouds.driver import Need, Quota
from nodepool_lite.config.settings import Provider
from nodepool_lite.model.node import PENDING, Node, NodeState
from nodepool_lite.plan.generation import Source
from nodepool_lite.plan.view import CloudView, View

DEFAULT_CORES, DEFAULT_RAM = 1, 1024
"""What a server is taken to need where its label does not say: cores, and MiB of RAM."""
USUAL = Need(cores=DEFAULT_CORES, ram=DEFAULT_RAM)
_NEEDED = Need.__struct_fields__
COUNTED_AFTER = 2.0
"""Seconds that a cloud may take until its figures include a server that was asked for."""


@dataclass
class Room:
    """What is in use of each pool and provider, as placements are added to it."""

    taken: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    """What is taken of the limits of each (provider, pool)."""
    uncounted: dict[str, Counter[str]] = field(default_factory=dict)
    """What is taken of each provider's quota that its figures do not include yet."""
    probing: Counter[str] = field(default_factory=Counter)
    """Nodes on the way per back-off id: while one is in force, one at a time is tried."""

    def add(self, view: View, source: Source) -> None:
        """Count one more node (with its sub-nodes) from this source."""
        for machine in source.machines:
            takes = need(view, machine)
            self.take((source.provider.name, source.pool.name), takes)
            self.expect(source.provider.name, takes)
        self.probing[source.backoff_id] += 1

    def expect(self, provider: str, takes: Need, servers: int = 1) -> None:
        """Count servers that the provider's own figures do not include yet."""
        _count(self.uncounted.setdefault(provider, Counter()), takes, servers)

    def take(self, place: tuple[str, str], takes: Need, servers: int = 1) -> None:
        """Count servers of a pool of a provider."""
        _count(self.taken.setdefault(place, Counter()), takes, servers)

    def of(self, source: Source) -> Counter[str]:
        """Return what is taken of the limits of this source's pool."""
        return self.taken.get((source.provider.name, source.pool.name), Counter())


def need(view: View, source: Source) -> Need:
    """Return what one server of this source (of a node set, its primary) takes.

    In the driver's words, or else as the label says that it is made as.
    """
    cloud = view.clouds.get(source.provider.name)
    found = None if cloud is None else cloud.needs.get((source.pool.name, source.settings.name))
    return found or Need(cores=source.settings.cores or DEFAULT_CORES, ram=source.settings.min_ram or DEFAULT_RAM)


def occupied(view: View, ways: Iterable[Source]) -> Room:
    """Return what the existing nodes occupy."""
    room = Room()
    needs = {way.place: need(view, way) for way in ways}
    for node in view.nodes():
        if not _occupies(node):
            continue
        place = (node.provider, node.pool)
        takes = needs.get((node.made_as, *place), USUAL)
        room.take(place, takes)
        if not _is_counted(view.clouds.get(node.provider), node):
            room.expect(node.provider, takes)
        if node.state in PENDING and node.primary is None:
            room.probing[f"launch/{node.label}@{node.provider}"] += 1
    for provider in view.config.providers:
        for pool in provider.pools if (strangers := view.strangers(provider.name)) else ():
            room.take((provider.name, pool.name), USUAL, strangers)  # of which pool they are nobody knows
    return room


def full(view: View, source: Source, room: Room) -> str:
    """Return which limit leaves no room for one more node of this source, in one sentence; empty when there is room."""
    more = _together(need(view, machine) for machine in source.machines)
    reached = _over_limit(source, room.of(source), more)
    cloud = view.clouds.get(source.provider.name)
    if reached or cloud is None or source.pool.ignore_provider_quota:
        return reached
    wanted = room.uncounted.get(source.provider.name, Counter()) + more
    return _over_quota(cloud.quota, source.provider.name, wanted, more)


class Budget:
    """What the known quota of one provider can still hold, as its servers are asked for one after the other.

    What was recorded while there was room may have none by the time its turn comes.
    """

    def __init__(self, provider: Provider, cloud: CloudView, nodes: Iterable[Node]) -> None:
        self._provider = provider
        self._cloud = cloud
        self._pools = {pool.name: pool for pool in provider.pools}
        self._taken: Counter[str] = Counter()
        """What was asked for since the figures were taken; what is in doubt counts as included."""
        at = cloud.quota.at or cloud.listed_at or 0.0
        for node in nodes:
            if node.asked is not None and node.asked > at + COUNTED_AFTER:
                _count(self._taken, self._need(node), 1)

    def take(self, node: Node) -> str:
        """Count a node's server; return why there is no room for it, and nothing is counted, or else an empty text."""
        pool = self._pools.get(node.pool)
        if pool is None or pool.ignore_provider_quota:
            return ""
        more = _together((self._need(node),))
        why = _over_quota(self._cloud.quota, self._provider.name, self._taken + more, more)
        if not why:
            _count(self._taken, self._need(node), 1)
        return why

    def _need(self, node: Node) -> Need:
        return self._cloud.needs.get((node.pool, node.made_as), USUAL)


def _count(taken: Counter[str], takes: Need, servers: int) -> None:
    """Add what servers take of each limit of a quota; by hand, which takes a third of the time of an update."""
    taken["servers"] += servers
    for name in _NEEDED:
        if value := getattr(takes, name):
            taken[name] += value * servers


def _together(machines: Iterable[Need]) -> Counter[str]:
    """Return what machines take of each limit of a quota, all of them."""
    found: Counter[str] = Counter()
    for machine in machines:
        _count(found, machine, 1)
    return found


def _over_limit(source: Source, taken: Mapping[str, int], more: Mapping[str, int]) -> str:
    pool = source.pool
    limits = (
        ("max-servers", pool.max_servers, "servers"),
        ("max-cores", pool.max_cores, "cores"),
        ("max-ram", pool.max_ram, "ram"),
        ("max-volumes", pool.max_volumes, "volumes"),
        ("max-volume-gb", pool.max_volume_gb, "gigabytes"),
    )
    for name, limit, key in limits:
        if limit is not None and more[key] > limit:
            return f"it needs {more[key]} {key}, and {name} of {source.provider.name} is {limit}: raise it"
        if limit is not None and more[key] and taken[key] + more[key] > limit:
            return f"{name} of {source.provider.name} is reached ({taken[key]} of {limit} in use)"
    return ""


def never_fits(quota: Quota, provider: str, machines: Iterable[Need]) -> str:
    """Return which limit of a quota is too small for these machines together; empty when all can be there at once."""
    needed = _together(machines)
    for key, name, limit, _used in _limits(quota):
        if limit is not None and needed[key] > limit:
            return f"it needs {needed[key]} {name}, and the quota of {provider} is {limit}"
    return ""


def _limits(quota: Quota) -> tuple[tuple[str, str, int | None, int], ...]:
    """Return each limit: what counts towards it, its name for people, how much it is, and how much is in use."""
    return (
        ("servers", "servers", quota.servers, quota.servers_used),
        ("cores", "cores", quota.cores, quota.cores_used),
        ("ram", "RAM (MiB)", quota.ram, quota.ram_used),
        ("ports", "ports", quota.ports, quota.ports_used),
        ("addresses", "floating IPs", quota.addresses, quota.addresses_used),
        ("volumes", "volumes", quota.volumes, quota.volumes_used),
        ("gigabytes", "volumes (GiB)", quota.gigabytes, quota.gigabytes_used),
    )


def _over_quota(quota: Quota, provider: str, wanted: Mapping[str, int], more: Mapping[str, int]) -> str:
    for key, name, limit, used in _limits(quota):
        if limit is not None and more[key] and used + wanted[key] > limit:
            return f"the quota of {provider} for {name} is used up ({used} of {limit}, {wanted[key]} more wanted)"
    return ""


def _is_counted(cloud: CloudView | None, node: Node) -> bool:
    """Tell whether a provider's figures include what a node takes."""
    if cloud is None or cloud.server_of(node) is None:
        return False
    at = cloud.quota.at
    return at is None or (node.asked is not None and node.asked + COUNTED_AFTER < at)


def _occupies(node: Node) -> bool:
    """A failed node whose server is gone takes no room; every other record does."""
    return node.state is not NodeState.FAILED or node.asked is not None
