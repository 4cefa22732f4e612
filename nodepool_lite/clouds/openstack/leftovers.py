"""Ports and volumes that Nova should have removed with our servers, and did not. Known by id, never guessed."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nodepool_lite.clouds.openstack.api import Api
from nodepool_lite.clouds.openstack.rows import Row

KEPT = 2000
"""Servers that ended and are remembered, at most."""
LOOKS = 2
"""After so many looks that found nothing left, an ended server is forgotten."""


@dataclass
class _Ended:
    volumes: tuple[str, ...]
    looks: int = 0


class Leftovers:
    """What servers that this process saw ending, or found gone, may leave behind. Any thread may call."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._ended: dict[str, _Ended] = {}

    def remember(self, row: Row) -> None:
        """Note that the end of a server of ours was asked for."""
        with self._lock:
            self._ended[row.id] = _Ended(row.volumes)
            self._forget_the_first()

    def note_gone(self, server_id: str) -> None:
        """Note that a server of ours is gone; of its volumes only what was remembered at its end is known."""
        with self._lock:
            self._ended.setdefault(server_id, _Ended(()))
            self._forget_the_first()

    def _forget_the_first(self) -> None:
        while len(self._ended) > KEPT:
            del self._ended[next(iter(self._ended))]

    def sweep(self, servers: Iterable[str]) -> Iterator[str]:
        """Delete ports and volumes of servers that are gone (none of `servers`); yields a sentence for each.

        Raises:
            CloudError: the cloud does not answer; what is left is looked for again.
        """
        alive = set(servers)
        with self._lock:
            gone = {key: ended for key, ended in self._ended.items() if key not in alive}
        if not gone:
            return
        yield from self._ports(gone)
        for server_id, ended in gone.items():
            yield from self._volumes(server_id, ended.volumes)
            ended.looks += 1
            if ended.looks >= LOOKS:
                with self._lock:
                    self._ended.pop(server_id, None)

    def _ports(self, gone: Mapping[str, _Ended]) -> Iterator[str]:
        query = {"status": "DOWN", "fields": ["id", "device_id", "device_owner"]}
        for port in self._api.all("list ports", "network", "/ports", "ports", query):
            if port["device_id"] in gone and port["device_owner"].startswith("compute:"):
                path = f"/ports/{port['id']}"
                self._api.call("delete a port", "network", "DELETE", path, also=frozenset({404}))
                yield f"port {port['id']} of server {port['device_id']}"

    def _volumes(self, server_id: str, volumes: Iterable[str]) -> Iterator[str]:
        for volume in volumes:
            path, missing = f"/volumes/{volume}", frozenset({404})
            found = self._api.call("look at a volume", "block-storage", "GET", path, also=missing).body
            if found and found["volume"]["status"] in {"available", "error"} and not found["volume"]["attachments"]:
                self._api.call("delete a volume", "block-storage", "DELETE", path, also=missing)
                yield f"volume {volume} of server {server_id}"
