"""The way to the store: slow, cut at times, with the outcome of a write in doubt."""

from collections.abc import Callable
from typing import Any, TypeVar

from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.store.memory import MemoryStore
from tests.simulation.weather import STORE_TIMEOUT
from tests.simulation.wires.caller import Caller

T = TypeVar("T")
BREAK = 3.0
"""Seconds for which a connection to the store may be away, at most, when it breaks."""


class StoreWire:
    """The way to the store. Its name for each call, its errors and its contract are the store's."""

    def __init__(self, caller: Caller, store: MemoryStore) -> None:
        self._caller = caller
        self._store = store
        self.subscribe = store.subscribe
        self.close = store.close

    @property
    def session(self) -> str:
        """The session as the client knows it."""
        return self._store.session

    @property
    def connected(self) -> bool:
        """Whether the client takes itself for connected."""
        return self._store.connected

    def snapshot(self) -> Any:
        """Return the client's view; another thread may have its turn before that."""
        if self._caller.weather.strikes(self._caller.weather.preemption):
            self._caller.point(0.0)
        return self._store.snapshot()

    def find(self, kind: Any, record_id: str) -> Any:
        """Return the client's view of one record; another thread may have its turn before that."""
        if self._caller.weather.strikes(self._caller.weather.preemption):
            self._caller.point(0.0)
        return self._store.find(kind, record_id)

    def read(self, *kinds: Any, **options: Any) -> Any:
        """Read from the server."""
        return self._ask(lambda: self._store.read(*kinds, **options))

    def look_up(self, kind: Any, ids: Any) -> Any:
        """Read from the server."""
        return self._ask(lambda: self._store.look_up(kind, ids))

    def create(self, record: Any) -> Any:
        """Write."""
        return self._ask(lambda: self._store.create(record), writes=True)

    def create_numbered(self, record: Any, under: str = "") -> Any:
        """Write."""
        return self._ask(lambda: self._store.create_numbered(record, under), writes=True)

    def update(self, record: Any) -> Any:
        """Write."""
        return self._ask(lambda: self._store.update(record), writes=True)

    def delete(self, record: Any) -> Any:
        """Write."""
        return self._ask(lambda: self._store.delete(record), writes=True)

    def transact(self, writes: Any) -> Any:
        """Write."""
        return self._ask(lambda: self._store.transact(writes), writes=True)

    def _ask(self, call: Callable[[], T], *, writes: bool = False) -> T:
        caller, weather = self._caller, self._caller.weather
        caller.point(weather.store_delay())
        trouble = writes and self._store.connected and weather.strikes(weather.store_trouble)
        if trouble and caller.draw() < 1 / 2:
            self._cut("before the write")
        try:
            result = call()
        except StoreUnavailableError:
            if self._store.connected:  # as far as it knows
                caller.point(STORE_TIMEOUT)
            raise
        if trouble:
            self._cut("after the write")
        caller.point(weather.store_delay())
        return result

    def _cut(self, when: str) -> None:
        """Break the connection in the middle of a write."""
        self._caller.tell("* the connection to the store breaks", when=when)
        self._caller.hurt_for(BREAK)
        self._store.disconnect()
        self._caller.later(self._caller.draw() * BREAK, self._store.reconnect)
        self._caller.point(0.0)
        raise StoreUnavailableError("the connection to the store broke; it is unknown whether the write was done")
