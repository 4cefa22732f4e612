"""Following our servers by lists: which one is asked for when, and what is made of the answers."""

import threading
from collections.abc import Collection, Sequence
from dataclasses import replace

from nodepool_lite.clouds.driver import ServerState
from nodepool_lite.clouds.openstack.api import Api
from nodepool_lite.clouds.openstack.glances import Glances
from nodepool_lite.clouds.openstack.inventory import Inventory, Query
from nodepool_lite.clouds.openstack.rows import BUILT, Row, tag
from nodepool_lite.clouds.openstack.servers import TAGS
from nodepool_lite.model.clock import Clock

FAULT_PATIENCE = 10.0
"""Seconds for which a server in ERROR may have no reason yet (Nova writes it a moment later, and not as a change)."""
VERIFIED_AT_ONCE = 10
"""Servers missing in a list that are asked for one by one after it; the rest waits for the next list."""


class Watch:
    """All that is known of our servers. `list` is for one thread at a time, the rest is thread-safe."""

    def __init__(self, api: Api, pool_id: str, clock: Clock) -> None:
        self._api = api
        self._pool_id = pool_id
        self._clock = clock
        self._lock = threading.Lock()
        """Guards the next two; never held during a call of the cloud."""
        self._inventory = Inventory(pool_id)
        self._glances = Glances()

    @property
    def complete(self) -> bool:
        """Whether all our servers have been listed once."""
        with self._lock:
            return self._inventory.complete

    @property
    def moves(self) -> int:
        """How many servers have come and gone so far."""
        with self._lock:
            return self._inventory.moves

    def list(self, began: float) -> bool:
        """Ask the cloud; return whether the ids of those that are being built were enough. Raises CloudError."""
        self._api.version()
        with self._lock:
            query, starting = self._inventory.query(began), self._inventory.starting(began)
            glance = bool(starting) and query.since is not None and self._glances.suffice(began)
        if glance and self._api.version() >= TAGS:
            self._glance(starting, began)
        else:
            glance = False
            self._look(query)
            with self._lock:
                self._glances.looked(began)
        self._ask_for_reasons()
        return glance

    def all(self) -> Sequence[Row]:
        """Return all servers that are known."""
        with self._lock:
            return self._inventory.all()

    def known(self, server_id: str) -> Row | None:
        """Return a server as it was last seen."""
        with self._lock:
            return self._inventory.get(server_id)

    def found(self, server_id: str) -> Row | None:
        """Ask the cloud for one server, whosever it is; None when there is none. Raises CloudError.

        Nova notes a server as deleted before it hides it: one that is shown so is none any more.
        """
        what, path = "look at a server", f"/servers/{server_id}"
        reply = self._api.call(what, "compute", "GET", path, also=frozenset({404}), first=True)
        row = None if reply.status == 404 else Row.of(reply.body["server"])  # noqa: PLR2004 - RFC 9110
        return None if row is None or row.status == "DELETED" else row

    def created(self, row: Row) -> None:
        """Take in a server whose creation was answered just now."""
        with self._lock:
            self._inventory.created(row, self._clock.now())

    def doubt(self) -> None:
        """Note that nobody knows whether a server that was asked for is being made."""
        with self._lock:
            self._glances.doubt(self._clock.now())

    def ending(self, server_id: str) -> None:
        """Note that the cloud took the request to end a server."""
        with self._lock:
            self._inventory.ending(server_id, self._clock.now())

    def gone(self, server_id: str) -> None:
        """Forget a server that is not there any more."""
        with self._lock:
            self._inventory.gone(server_id)

    def is_explained(self, row: Row) -> bool:
        """Tell whether a server in ERROR says why, or has had its time to."""
        with self._lock:
            return bool(row.fault) or self._inventory.waited(row, self._clock.now()) >= FAULT_PATIENCE

    def _glance(self, starting: Collection[str], began: float) -> None:
        """Ask which servers are still being built, and for the details of those that have been."""
        params = {"tags": tag(self._pool_id), "status": "BUILD"}
        items = self._api.all("list servers", "compute", "/servers", "servers", params, first=True)
        building = [each["id"] for each in items]
        with self._lock:
            self._inventory.builds(building, self._clock.now())
            built = self._glances.news(starting, building, began)
            changes = self._inventory.changes(began)
        if not built:
            return
        self._look(replace(changes, with_deleted=False, built=True))
        with self._lock:
            missed = built & self._inventory.starting(began)
        if missed:
            self._look(changes)

    def _look(self, query: Query) -> None:
        """Ask for a list, and take it in; servers that are missing in it are looked for one by one."""
        if query.since is not None:
            listed = self._list(query)
            with self._lock:
                self._inventory.take_changes(query, listed, self._clock.now())
            return
        with self._lock:
            changes = self._inventory.changes(query.at)
        listed = self._list(query)
        with self._lock:
            missing = self._inventory.take_all(query, listed, self._clock.now())
        if not missing:
            return
        ended = {row.id for row in self._list(changes) if row.status == "DELETED"}
        for server_id in ended:
            self.gone(server_id)
        for server_id in [each for each in missing if each not in ended][:VERIFIED_AT_ONCE]:
            self._verify(server_id)

    def _ask_for_reasons(self) -> None:
        """Ask for servers that failed and do not say why; no list of changes would tell."""
        rows = [row for row in self.all() if row.state is ServerState.ERROR]
        for row in [each for each in rows if not self.is_explained(each)][:VERIFIED_AT_ONCE]:
            self._verify(row.id)

    def _list(self, query: Query) -> Sequence[Row]:
        params: dict[str, object] = {}
        if query.since is not None:
            params["changes-since"] = query.moment
        if not query.with_deleted and self._api.version() >= TAGS:
            params["tags"] = tag(self._pool_id)
        if query.built:
            params["status"] = BUILT
        items = self._api.all("list servers", "compute", "/servers/detail", "servers", params, first=True)
        return [Row.of(each) for each in items]

    def _verify(self, server_id: str) -> None:
        """Look at a server that a list lacks: only a plain "there is none" makes it gone."""
        row = self.found(server_id)
        with self._lock:
            if row is None:
                self._inventory.gone(server_id)
            else:
                self._inventory.saw(row)
