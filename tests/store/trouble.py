"""What can happen to a client's connection, in memory and before a real ZooKeeper, in the same words."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, cast

from kazoo.client import KazooClient

from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.store.base import Store
from nodepool_lite.store.memory import MemoryServer, MemoryStore
from nodepool_lite.store.zookeeper import ZooKeeperStore
from tests.store.wire import Wire


class Trouble(Protocol):
    """Clients of one pool, and what may be done to them; `connect` makes one more."""

    def connect(self) -> Store:
        """Return a client to which nothing happens but what the test does."""

    def cut(self, store: Store) -> None:
        """Break the connection until `mend`."""

    def mend(self, store: Store) -> None:
        """Let the client reach the server again, and be answered."""

    def expire(self, store: Store) -> None:
        """Let the server end the client's session."""

    def silence(self, store: Store) -> None:
        """Let nothing reach the server, and nothing come from it, until `mend`."""

    def lose_answer(self, store: Store, call: Callable[[], object], done: Callable[[], bool]) -> None:
        """Make the call; its request gets through, which `done` tells, and its answer does not."""


@dataclass
class InMemory:
    """Trouble with the in-memory twin, by its own handles."""

    server: MemoryServer = field(default_factory=MemoryServer)

    def connect(self) -> Store:
        """Return one more client."""
        return self.server.connect()

    def cut(self, store: Store) -> None:
        """Break the connection."""
        cast("MemoryStore", store).disconnect()

    def mend(self, store: Store) -> None:
        """Mend it."""
        cast("MemoryStore", store).reconnect()

    def expire(self, store: Store) -> None:
        """End the session."""
        cast("MemoryStore", store).expire()

    def silence(self, store: Store) -> None:
        """Let the server say nothing."""
        cast("MemoryStore", store).fall_silent()

    def lose_answer(self, store: Store, call: Callable[[], object], done: Callable[[], bool]) -> None:
        """Make the call in vain."""
        cast("MemoryStore", store).lose_reply()
        with suppress(StoreUnavailableError):
            call()
        assert done()


@dataclass
class BeforeZooKeeper:
    """Trouble with a real server, on a wire of each client's own."""

    hosts: str
    root: str
    wires: dict[int, Wire] = field(default_factory=dict)
    stores: list[ZooKeeperStore] = field(default_factory=list)

    def connect(self) -> Store:
        """Return one more client."""
        wire = Wire(self.hosts)
        store = ZooKeeperStore.connect(wire.address, root=self.root, watch=True)
        self.wires[id(store)] = wire
        self.stores.append(store)
        return store

    def cut(self, store: Store) -> None:
        """Break the connection."""
        self.wires[id(store)].cut()

    def mend(self, store: Store) -> None:
        """Mend it."""
        self.wires[id(store)].mend()

    def expire(self, store: Store) -> None:
        """End the session as its owner could, from another place."""
        owner = cast("ZooKeeperStore", store)._feed.link._client
        thief = KazooClient(self.hosts, client_id=owner.client_id)
        thief.start()
        thief.stop()
        thief.close()

    def silence(self, store: Store) -> None:
        """Let nothing move on its wire."""
        wire = self.wires[id(store)]
        wire.requests.clear()
        wire.answers.clear()

    def lose_answer(self, store: Store, call: Callable[[], object], done: Callable[[], bool]) -> None:
        """Cut the wire when the request is through."""
        wire = self.wires[id(store)]
        wire.answers.clear()

        def in_vain() -> None:
            with suppress(StoreUnavailableError):
                call()

        caller = threading.Thread(target=in_vain)
        caller.start()
        while not done():
            pass
        wire.cut()
        caller.join()
        wire.mend()

    def close(self) -> None:
        """End all clients, and then their wires."""
        for wire in self.wires.values():
            wire.mend()
        for store in self.stores:
            store.close()
        for wire in self.wires.values():
            wire.close()
