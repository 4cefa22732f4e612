"""The cached records of a store, and the immutable snapshots cut from them."""

from types import MappingProxyType
from typing import Any, Self, cast

from msgspec.structs import replace

from nodepool_lite.model.record import Record
from nodepool_lite.store.base import PATHS, R, Snapshot


class View:
    """Records by kind and id. Not thread-safe: its owner holds a lock around every call."""

    def __init__(self) -> None:
        self._records: dict[type[Record], dict[str, Record]] = {kind: {} for kind in PATHS}
        self._garbage: dict[str, str] = {}
        self._newer: set[str] = set()
        self._stale: set[type[Record]] = set()
        self._garbage_stale = False
        self._snapshot = Snapshot()

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Return a view that shows what the snapshot shows, and goes on from there."""
        view = cls()
        view._records = {kind: dict(getattr(snapshot, path)) for kind, path in PATHS.items()}
        view._garbage, view._newer = dict(snapshot.garbage), set(snapshot.newer)
        view._snapshot = snapshot
        return view

    def get(self, kind: type[R], record_id: str) -> R | None:
        """Return the record, if it is there."""
        return cast("R | None", self._records[kind].get(record_id))

    def put(self, record: Record) -> None:
        """Add the record, in the place of one with the same id."""
        self._records[type(record)][record.id] = record
        self._stale.add(type(record))

    def drop(self, kind: type[Record], record_id: str) -> bool:
        """Remove the record; returns whether it was there."""
        if self._records[kind].pop(record_id, None) is None:
            return False
        self._stale.add(kind)
        return True

    def put_garbage(self, path: str, why: str, *, newer: bool = False) -> bool:
        """Note a znode that cannot be read as a record, or only by a `newer` version; returns whether that is news."""
        if self._garbage.get(path) == why:
            return False
        self._garbage[path] = why
        (self._newer.add if newer else self._newer.discard)(path)
        self._garbage_stale = True
        return True

    def drop_garbage(self, path: str) -> bool:
        """Forget a znode that could not be read; returns whether it was known."""
        if self._garbage.pop(path, None) is None:
            return False
        self._newer.discard(path)
        self._garbage_stale = True
        return True

    def is_garbage(self, path: str) -> bool:
        """Return whether there is such a znode that cannot be read."""
        return path in self._garbage

    def snapshot(self) -> Snapshot:
        """Return everything at this moment; the same object until something changes."""
        if self._stale or self._garbage_stale:
            fresh: dict[str, Any] = {PATHS[kind]: MappingProxyType(self._records[kind].copy()) for kind in self._stale}
            if self._garbage_stale:
                fresh |= {"garbage": MappingProxyType(self._garbage.copy()), "newer": frozenset(self._newer)}
            self._snapshot = replace(self._snapshot, **fresh)
            self._stale.clear()
            self._garbage_stale = False
        return self._snapshot
