"""The in-memory twin of the ZooKeeper store, for simulation and tests: same contract, no server.

A client has handles with which a test does to its connection what a network, a slow server or a long pause does.
"""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import TypeVar, cast

from nodepool_lite.model.errors import StoreConflictError, StoreUnavailableError
from nodepool_lite.model.record import Record
from nodepool_lite.store._codec import checked_folder
from nodepool_lite.store._memory_tree import MemoryTree
from nodepool_lite.store._subscribers import Subscribers
from nodepool_lite.store._tree import chosen
from nodepool_lite.store._view import View
from nodepool_lite.store.base import NO_SAMPLE, PATHS, Snapshot, Write

R = TypeVar("R", bound=Record)


class MemoryServer:
    """What several `MemoryStore` clients share: the records and the sessions.

    Thread-safe; a client's subscribers are called in the thread that made the change, with no lock held.
    """

    def __init__(self) -> None:
        self._tree = MemoryTree()
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
        return self._tree.snapshot()

    def find(self, kind: type[R], record_id: str) -> R | None:
        """Return one record, if it is there."""
        return self._tree.find(kind, record_id)

    def commit(self, session: str, writes: Sequence[Write]) -> tuple[Record, ...]:
        """Do all writes or none, as one transaction of `session`."""
        results = self._tree.commit(session, writes)
        self._tell()
        return results

    def commit_numbered(self, session: str, record: Record, under: str) -> tuple[Record, ...]:
        """Create the record under the next number."""
        result = self._tree.commit_numbered(session, record, under)
        self._tell()
        return (result,)

    def end_session(self, session: str) -> None:
        """Remove the ephemeral records of the session."""
        self._tree.end_session(session)
        self._tell()

    def spoil(self, path: str, data: bytes | None) -> None:
        """Put anything into a znode (`nodes/0000000042`), or remove it with None, as somebody with another tool may."""
        self._tree.spoil(path, data)
        self._tell()

    def forget(self, client: "MemoryStore") -> None:
        """Send the client no more news."""
        self._clients.remove(client)

    def _tell(self) -> None:
        for client in tuple(self._clients):
            client.changed()


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
        self._held: View | None = None
        """The view while no news reaches it."""
        self._silent = False
        self._unanswered: list[Callable[[], tuple[Record, ...]]] = []
        """Writes of a silent connection that the server will do when it goes on."""

    @property
    def session(self) -> str:
        """An id of the present session."""
        return self._session

    @property
    def connected(self) -> bool:
        """Whether calls can succeed at the moment, as far as this client knows."""
        return self._connected

    def snapshot(self) -> Snapshot:
        """Return everything that is recorded, as far as this client has heard."""
        self._check()
        return self._server.snapshot() if self._held is None else self._held.snapshot()

    def find(self, kind: type[R], record_id: str) -> R | None:
        """Return what this client has heard of one record."""
        self._check()
        return self._server.find(kind, record_id) if self._held is None else self._held.get(kind, record_id)

    def read(self, *kinds: type[Record], sample: Mapping[type[Record], int] = NO_SAMPLE) -> Snapshot:
        """Return only `kinds` (all, if none is named), and a random choice of those in `sample`."""
        self._check()
        self._check_answers()
        full = self._server.snapshot()
        folders = {PATHS[kind]: sample.get(kind) for kind in kinds or PATHS}
        garbage = {path: why for path, why in full.garbage.items() if path.partition("/")[0] in folders}
        found = {folder: _some(getattr(full, folder), most) for folder, most in folders.items()}
        return Snapshot(**found, garbage=garbage, newer=full.newer & garbage.keys())

    def look_up(self, kind: type[R], ids: Collection[str]) -> Mapping[str, R]:
        """Return those of the records that are there and readable."""
        records = getattr(self.read(kind), PATHS[kind])
        return {each: records[each] for each in ids if each in records}

    def subscribe(self, callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `callback` after each change of the view or connection."""
        return self._subscribers.added(callback)

    def create(self, record: R) -> R:
        """Store a new record and return it with its version."""
        (result,) = self.transact([Write("create", record)])
        return cast("R", result)

    def create_numbered(self, record: R, under: str = "") -> R:
        """Store a new record under the next free ten-digit number and return it."""
        parent = checked_folder(type(record), under)
        (result,) = self._write(lambda: self._server.commit_numbered(self._session, record, parent))
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
        return self._write(
            lambda: self._server.commit(self._session, writes),
            tuple(write.record for write in writes if write.action == "delete"),
        )

    def close(self) -> None:
        """End the session: its ephemeral records vanish at once."""
        if not self._closed:
            self._closed = True
            self._connected = False
            self._unanswered.clear()
            self._server.forget(self)
            self._server.end_session(self._session)

    def disconnect(self) -> None:
        """Break the connection: calls fail until `reconnect`; the session and its records stay."""
        self._connected = False
        self._subscribers.tell()

    def reconnect(self) -> None:
        """Mend the connection; a session that expired meanwhile is replaced by a new one."""
        self._connected = not self._closed
        self._silent = False
        self._held = None
        unanswered, self._unanswered = self._unanswered, []
        if self._expired:
            self._expired = False
            self._session = self._server.new_session()
        else:
            for write in unanswered:
                with suppress(StoreConflictError):
                    write()
        self._subscribers.tell()

    def expire(self) -> None:
        """Let the session expire: its records vanish, and a client that hears of it gets a new session at once."""
        self._expired = True
        self._server.end_session(self._session)
        if self._connected and not self._silent:
            self.reconnect()

    def lose_reply(self) -> None:
        """Let the next write reach the server but its caller learn only StoreUnavailableError."""
        self._reply_lost = True

    def hold(self) -> None:
        """Let no news reach this client until `hear`: its view stays as it is, but for what it writes itself."""
        if self._held is None:
            self._held = View.of(self._server.snapshot())

    def hear(self) -> None:
        """Let all news come that was held up."""
        if not self._silent:
            self._held = None
            self.changed()

    def fall_silent(self) -> None:
        """Let the server answer no more until `reconnect`, without the client being told that it is cut off.

        Its view stays as it is, and its writes are done when the server goes on, unless the session has expired by
        then.
        """
        self.hold()
        self._silent = True

    def changed(self) -> None:
        """Call the subscribers, unless news does not reach this client. For the server's use."""
        if self._connected and self._held is None:
            self._subscribers.tell()

    def _write(self, commit: Callable[[], tuple[Record, ...]], removed: Sequence[Record] = ()) -> tuple[Record, ...]:
        self._check()
        if self._silent:
            self._unanswered.append(commit)
        self._check_answers()
        results = commit()
        if self._held is not None:
            self._note(results, removed)
        if self._reply_lost:
            self._reply_lost = False
            raise StoreUnavailableError("the connection to the store broke; it is unknown whether the write was done")
        return results

    def _note(self, results: Sequence[Record], removed: Sequence[Record]) -> None:
        """Bring our own write into the view that gets no news."""
        for record in results:
            if any(record is each for each in removed):
                cast("View", self._held).drop(type(record), record.id)
            else:
                cast("View", self._held).put(record)
        self._subscribers.tell()

    def _check(self) -> None:
        if self._closed:
            raise StoreUnavailableError("the store was closed")
        if not self._connected:
            raise StoreUnavailableError("the store cannot be reached at the moment")

    def _check_answers(self) -> None:
        if self._silent:
            raise StoreUnavailableError("the store did not answer; it is unknown whether the write was done")


def _some(records: Mapping[str, R], most: int | None) -> Mapping[str, R]:
    """Return the records, or so many of them at random."""
    return records if most is None else {each: records[each] for each in chosen(tuple(records), most)}
