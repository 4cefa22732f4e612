"""What an in-memory server holds: the records, who owns the ephemeral ones, and the counters of a ZooKeeper."""

import threading
from collections import Counter
from collections.abc import Sequence

from nodepool_lite.model.errors import StoreConflictError
from nodepool_lite.model.record import Record
from nodepool_lite.store._codec import path_of, stored
from nodepool_lite.store._tree import Znode, absorb, kind_and_id
from nodepool_lite.store._view import View
from nodepool_lite.store.base import EPHEMERAL, PATHS, R, Snapshot, Write

Key = tuple[type[Record], str]


class MemoryTree:
    """Records, changed by transactions alone. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._view = View()
        self._transaction = 0
        self._created_below: Counter[str] = Counter()
        self._owners: dict[Key, str] = {}

    def snapshot(self) -> Snapshot:
        """Return everything at this moment."""
        with self._lock:
            return self._view.snapshot()

    def find(self, kind: type[R], record_id: str) -> R | None:
        """Return one record, if it is there."""
        with self._lock:
            return self._view.get(kind, record_id)

    def commit(self, session: str, writes: Sequence[Write]) -> tuple[Record, ...]:
        """Do all writes or none, as one transaction of `session`; raises StoreConflictError."""
        with self._lock:
            return self._commit(session, writes)

    def commit_numbered(self, session: str, record: Record, under: str) -> Record:
        """Create the record under the next free number: like ZooKeeper's, it counts all that was ever created there."""
        with self._lock:
            counted, folder = self._created_below, _join(PATHS[type(record)], under)
            while self._is_taken(type(record), _join(under, f"{counted[folder]:010d}")):
                counted[folder] += 1
            number = f"{counted[folder]:010d}"
            (result,) = self._commit(session, [Write("create", record.but(id=_join(under, number)))])
            return result

    def end_session(self, session: str) -> None:
        """Remove the ephemeral records of the session."""
        with self._lock:
            gone = [key for key, owner in self._owners.items() if owner == session]
            for kind, record_id in gone:
                self._put(session, kind, record_id, None)

    def spoil(self, path: str, data: bytes | None) -> None:
        """Put anything into a znode, or remove it with None."""
        with self._lock:
            kind, record_id = kind_and_id(path)
            present = None if kind is None else self._view.get(kind, record_id)
            version, order = (present.version + 1, present.order) if present else (0, self._transaction + 1)
            self._transaction += 1
            if not present and not self._view.is_garbage(path):
                self._created_below[path.rpartition("/")[0]] += 1
            absorb(self._view, path, None if data is None else Znode(data, version, order, 0))

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
