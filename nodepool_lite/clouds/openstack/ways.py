"""How the servers of each pool are reached: which networks are public from here, and where floating IPs come from."""

import socket
from collections.abc import Mapping, Sequence

from nodepool_lite.clouds.openstack.addresses import Rules
from nodepool_lite.clouds.openstack.api import Api
from nodepool_lite.clouds.openstack.catalogue import Catalogue, Listing, Network
from nodepool_lite.config.settings import PoolLabel, ProviderPool
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import BadRequestError

_INTERFACES = (
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
)


class Ways:
    """What is known of the ways into one region of one cloud. Thread-safe."""

    def __init__(self, api: Api, catalogue: Catalogue, clock: Clock) -> None:
        self._api = api
        self._catalogue = catalogue
        self._routed = Listing(self._fetch_routed, clock)

    def rules(self, pool: ProviderPool) -> Rules:
        """Return how the pool's servers are reached; asks the cloud once an hour. Raises CloudError."""
        region, networks = self._api.region(), self._catalogue.known_networks()
        public = {*pool.public_networks, *region.get_external_ipv4_networks()}
        reachable = frozenset(each.name for each in networks if each.external or public & {each.name, each.id})
        sources = self._sources(pool, [each for each in networks if each.name not in reachable])
        ipv6 = not region.force_ipv4 and _has_ipv6()
        return Rules(reachable=reachable, sources=sources, prefer_ipv6=pool.prefer_ipv6 and ipv6, ipv6=ipv6)

    def gives_addresses(self, pool: ProviderPool, label: PoolLabel) -> bool:
        """Tell whether servers of the label get a floating IP; raises CloudError."""
        if not pool.auto_floating_ip:
            return False
        rules = self.rules(pool)
        inside = [each.name for each in self._catalogue.networks(label.networks or pool.networks)]
        return any(name in rules.sources for name in inside) and not any(name in rules.reachable for name in inside)

    def _sources(self, pool: ProviderPool, inside: Sequence[Network]) -> Mapping[str, str]:
        """Return the external network that each network's servers can get a floating IP from."""
        region = self._api.region()
        if not pool.auto_floating_ip or str(region.config.get("floating_ip_source", "neutron")).lower() == "none":
            return {}
        destination = region.get_nat_destination()
        inside = [each for each in inside if destination in {None, each.name, each.id}]
        wanted = pool.floating_network or region.get_nat_source()
        if wanted:
            (source,) = self._catalogue.networks([wanted])
            if not source.external:
                raise BadRequestError(f"floating IPs cannot come from the network `{wanted}`: it is not external")
            return {each.name: source.id for each in inside}
        routed = dict(self._routed.all())
        return {each.name: routed[each.id] for each in inside if each.id in routed}

    def _fetch_routed(self) -> Sequence[tuple[str, str]]:
        """Return (network, external network) for each network that a router of this project leads out of."""
        routers = self._api.all("list routers", "network", "/routers", "routers", {"fields": ["id", _GATEWAY]})
        outside = {each["id"]: (each.get(_GATEWAY) or {}).get("network_id") for each in routers}
        query = {"device_owner": list(_INTERFACES), "fields": ["device_id", "network_id"]}
        ports = self._api.all("list routers' ports", "network", "/ports", "ports", query)
        return [(each["network_id"], found) for each in ports if (found := outside.get(each["device_id"]))]


_GATEWAY = "external_gateway_info"


def _has_ipv6() -> bool:
    """Tell whether this host has a way to IPv6 addresses at all; nothing is sent."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("2001:db8::1", 9))
        except OSError:
            return False
    return True
