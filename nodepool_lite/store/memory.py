"""The in-memory twin of the ZooKeeper store, for simulation and tests: same contract, no server."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar, cast

from nodepool_lite.model.errors import StoreConflictError, StoreUnavailableError
from nodepool_lite.model.record import Record
from nodepool_lite.store._codec import checked_folder, path_of, stored
from nodepool_lite.store._subscribers import Subscribers
from nodepool_lite.store._tree import Znode, absorb, kind_and_id
from nodepool_lite.store._view import View
from nodepool_lite.store.base import EPHEMERAL, PATHS, Snapshot, Write

R = TypeVar("R", bound=Record)
Key = tuple[type[Record], str]


class MemoryServer:
    """What several `MemoryStore` clients share: the records, the transaction counter, the sessions.

    Thread-safe; a client's subscribers are called in the thread that made the change, with no lock held.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._view = View()
        self._transaction = 0
        self._created_below: Counter[str] = Counter()
        self._owners: dict[Key, str] = {}
        self._session_numbers = itertools.count(1)
        self._clients: list[MemoryStore] = []

    def connect(self) -> "MemoryStore":
        """Return a client with a session of its own."""
        client = MemoryStore(self)
        self._clients.append(client)
        return client

    def new_session(self) -> str:
        """Return the id of a session that never was before."""
        return f"memory-{next(self._session_numbers)}"

    def snapshot(self) -> Snapshot:
        """Return everything at this moment."""
        with self._lock:
            return self._view.snapshot()

    def commit(self, session: str, writes: Sequence[Write]) -> tuple[Record, ...]:
        """Do all writes or none, as one transaction of `session`."""
        with self._lock:
            results = self._commit(session, writes)
        self.tell()
        return results

    def commit_numbered(self, session: str, record: Record, under: str) -> Record:
        """Create the record under the next number: like ZooKeeper's, it counts all that was ever created there."""
        with self._lock:
            counted = self._created_below
            folder = _join(PATHS[type(record)], under)
            while self._is_taken(type(record), _join(under, f"{counted[folder]:010d}")):
                counted[folder] += 1
            number = f"{counted[folder]:010d}"
            (result,) = self._commit(session, [Write("create", record.but(id=_join(under, number)))])
        self.tell()
        return result

    def end_session(self, session: str) -> None:
        """Remove the ephemeral records of the session."""
        with self._lock:
            gone = [key for key, owner in self._owners.items() if owner == session]
            for kind, record_id in gone:
                self._put(session, kind, record_id, None)
        self.tell()

    def spoil(self, path: str, data: bytes | None) -> None:
        """Put anything into a znode (`nodes/0000000042`), or remove it with None, as somebody with another tool may."""
        with self._lock:
            kind, record_id = kind_and_id(path)
            present = None if kind is None else self._view.get(kind, record_id)
            version, order = (present.version + 1, present.order) if present else (0, self._transaction + 1)
            self._transaction += 1
            if not present and not self._view.is_garbage(path):
                self._created_below[path.rpartition("/")[0]] += 1
            absorb(self._view, path, None if data is None else Znode(data, version, order, 0))
        self.tell()

    def forget(self, client: "MemoryStore") -> None:
        """Send the client no more news."""
        self._clients.remove(client)

    def tell(self) -> None:
        """Have every connected client call its subscribers."""
        for client in tuple(self._clients):
            client.changed()

    def _commit(self, session: str, writes: Sequence[Write]) -> tuple[Record, ...]:
        staged: dict[Key, Record | None] = {}
        results = tuple(self._stage(write, staged) for write in writes)
        self._transaction += 1
        for (kind, record_id), record in staged.items():
            self._put(session, kind, record_id, record)
        return results

    def _stage(self, write: Write, staged: dict[Key, Record | None]) -> Record:
        record = write.record
        path = path_of(record)
        key = (type(record), record.id)
        present = staged[key] if key in staged else self._view.get(*key)
        if write.action == "create":
            if present is not None or self._view.is_garbage(path):
                raise StoreConflictError(f"{path} exists already; read it and decide anew")
            staged[key] = result = stored(record, record.id, 0, self._transaction + 1)
            return result
        if present is None:
            raise StoreConflictError(f"{path} does not exist any more")
        if present.version != record.version:
            raise StoreConflictError(f"{path} changed: version {record.version} was read, now it is {present.version}")
        if write.action == "delete":
            staged[key] = None
            return record
        staged[key] = result = stored(record, record.id, present.version + 1, present.order)
        return result

    def _is_taken(self, kind: type[Record], record_id: str) -> bool:
        there = self._view.get(kind, record_id) is not None
        return there or self._view.is_garbage(f"{PATHS[kind]}/{record_id}")

    def _put(self, session: str, kind: type[Record], record_id: str, record: Record | None) -> None:
        if record is None:
            self._view.drop(kind, record_id)
            self._owners.pop((kind, record_id), None)
            return
        if self._view.get(kind, record_id) is None:
            self._created_below[_join(PATHS[kind], record_id.rpartition("/")[0])] += 1
            if kind in EPHEMERAL:
                self._owners[kind, record_id] = session
        self._view.put(record)


def _join(parent: str, child: str) -> str:
    return f"{parent}/{child}" if parent and child else parent or child


class MemoryStore:
    """One client of a `MemoryServer`; keeps the `Store` contract. Made by `MemoryServer.connect`."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self._subscribers = Subscribers()
        self._session = server.new_session()
        self._connected = True
        self._expired = False
        self._closed = False
        self._reply_lost = False

    @property
    def session(self) -> str:
        """An id of the present session."""
        return self._session

    @property
    def connected(self) -> bool:
        """Whether calls can succeed at the moment."""
        return self._connected

    def snapshot(self) -> Snapshot:
        """Return everything that is recorded."""
        self._check()
        return self._server.snapshot()

    def read(self, *kinds: type[Record]) -> Snapshot:
        """Return only `kinds` (all, if none is named)."""
        full = self.snapshot()
        if not kinds:
            return full
        folders = {PATHS[kind] for kind in kinds}
        garbage = {path: why for path, why in full.garbage.items() if path.partition("/")[0] in folders}
        return Snapshot(
            **{folder: getattr(full, folder) for folder in folders}, garbage=garbage, newer=full.newer & garbage.keys()
        )

    def subscribe(self, callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `callback` after each change of the view or connection."""
        return self._subscribers.added(callback)

    def create(self, record: R) -> R:
        """Store a new record and return it with its version."""
        (result,) = self.transact([Write("create", record)])
        return cast("R", result)

    def create_numbered(self, record: R, under: str = "") -> R:
        """Store a new record under the next free ten-digit number and return it."""
        self._check()
        result = self._server.commit_numbered(self._session, record, checked_folder(type(record), under))
        self._deliver()
        return cast("R", result)

    def update(self, record: R) -> R:
        """Replace the stored record and return the new one."""
        (result,) = self.transact([Write("update", record)])
        return cast("R", result)

    def delete(self, record: Record) -> None:
        """Remove the record."""
        self.transact([Write("delete", record)])

    def transact(self, writes: Sequence[Write]) -> tuple[Record, ...]:
        """Do all `writes` or none; return the new records in order (deleted ones as given)."""
        self._check()
        if not writes:
            return ()
        results = self._server.commit(self._session, writes)
        self._deliver()
        return results

    def close(self) -> None:
        """End the session: its ephemeral records vanish at once."""
        if not self._closed:
            self._closed = True
            self._connected = False
            self._server.forget(self)
            self._server.end_session(self._session)

    def disconnect(self) -> None:
        """Break the connection: calls fail until `reconnect`; the session and its records stay."""
        self._connected = False
        self._subscribers.tell()

    def reconnect(self) -> None:
        """Mend the connection; a session that expired meanwhile is replaced by a new one."""
        self._connected = not self._closed
        if self._expired:
            self._expired = False
            self._session = self._server.new_session()
        self._subscribers.tell()

    def expire(self) -> None:
        """Let the session expire: its records vanish, and a connected client gets a new session at once."""
        self._expired = True
        self._server.end_session(self._session)
        if self._connected:
            self.reconnect()

    def lose_reply(self) -> None:
        """Let the next write reach the server but its caller learn only StoreUnavailableError."""
        self._reply_lost = True

    def changed(self) -> None:
        """Call the subscribers, unless the connection is broken. For the server's use."""
        if self._connected:
            self._subscribers.tell()

    def _deliver(self) -> None:
        if self._reply_lost:
            self._reply_lost = False
            raise StoreUnavailableError("the connection to the store broke; it is unknown whether the write was done")

    def _check(self) -> None:
        if self._closed:
            raise StoreUnavailableError("the store was closed")
        if not self._connected:
            raise StoreUnavailableError("the store cannot be reached at the moment")
