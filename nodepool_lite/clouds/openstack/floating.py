"""Floating IPs of our servers: each says whose it is before it leads anywhere, and goes with its server."""

import re
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from nodepool_lite.clouds.openstack.addresses import Address
from nodepool_lite.clouds.openstack.api import Api
from nodepool_lite.clouds.openstack.rows import NODE, Row
from nodepool_lite.model.errors import TryAgainLaterError

_FIELDS = ("id", "floating_ip_address", "port_id", "description")
_DESCRIPTION = re.compile(r"nodepool-lite pool=(\S+) node=(\S*) server=(\S+)")


@dataclass(frozen=True)
class FloatingIp:
    """A floating IP that carries our pool's mark."""

    id: str
    address: str
    server_id: str
    port_id: str | None


class FloatingIps:
    """The floating IPs of one pool. Thread-safe."""

    def __init__(self, api: Api, pool_id: str) -> None:
        self._api = api
        self._pool_id = pool_id
        self._lock = threading.Lock()
        self._known: dict[str, FloatingIp] = {}
        """By the id of the server that each was made for."""

    def of(self, server_id: str) -> str | None:
        """Return the address that was given to a server, as far as is known."""
        with self._lock:
            found = self._known.get(server_id)
        return None if found is None else found.address

    def learn(self) -> Sequence[FloatingIp]:
        """Ask for all that are ours, and remember them; raises CloudError."""
        items = self._api.all("list floating IPs", "network", "/floatingips", "floatingips", {"fields": list(_FIELDS)})
        ours = [
            FloatingIp(each["id"], each["floating_ip_address"], match[3], each["port_id"])
            for each in items
            if (match := _DESCRIPTION.fullmatch(each.get("description") or "")) and match[1] == self._pool_id
        ]
        with self._lock:
            self._known = {each.server_id: each for each in ours}
        return ours

    def give(self, row: Row, inside: Address, network_id: str) -> None:
        """Make a floating IP that leads to a server's fixed address, in two calls: find its port, and make it.

        It is marked and led to the port by one and the same request, so none is ever without its mark.

        Raises:
            CloudError: it could not be made; CapacityError when there are none left.
        """
        query = {"device_id": row.id, "fields": ["id", "fixed_ips"]}
        ports = self._api.all("find the port of a server", "network", "/ports", "ports", query)
        port = next((each["id"] for each in ports if _has(each["fixed_ips"], inside.text)), None)
        if port is None:
            raise TryAgainLaterError(f"server {row.id} has no port with the address {inside.text} yet")
        wanted = {
            "floating_network_id": network_id,
            "port_id": port,
            "fixed_ip_address": inside.text,
            "description": f"nodepool-lite pool={self._pool_id} node={row.marks.get(NODE, '')} server={row.id}",
        }
        what, body = f"give server {row.id} a floating IP", {"floatingip": wanted}
        try:
            reply = self._api.call(what, "network", "POST", "/floatingips", json=body, makes=True)
        except TryAgainLaterError:
            self.learn()
            if self.of(row.id) is None:
                raise
            return  # an earlier answer was lost: the port has it already
        made = reply.body["floatingip"]
        with self._lock:
            self._known[row.id] = FloatingIp(made["id"], made["floating_ip_address"], row.id, port)

    def release(self, server_id: str) -> None:
        """Delete the floating IP of a server, if it has one of ours; raises CloudError."""
        with self._lock:
            found = self._known.get(server_id)
        if found is not None:
            self._delete(found)

    def sweep(self, servers: Collection[str]) -> Iterable[FloatingIp]:
        """Delete those that were made for servers that are gone; return them. Raises CloudError."""
        gone = [each for each in self.learn() if each.server_id not in servers and each.port_id is None]
        for each in gone:
            self._delete(each)
        return gone

    def _delete(self, floating_ip: FloatingIp) -> None:
        path = f"/floatingips/{floating_ip.id}"
        self._api.call("delete a floating IP", "network", "DELETE", path, also=frozenset({404}))
        with self._lock:
            self._known.pop(floating_ip.server_id, None)


def _has(fixed_ips: Iterable[dict[str, str]], address: str) -> bool:
    return any(each.get("ip_address") == address for each in fixed_ips)
