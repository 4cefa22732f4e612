"""The contract of a store, as ZooKeeper and the in-memory twin both keep it."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct, field

from nodepool_lite.model.image import Build, Upload
from nodepool_lite.model.lease import Lease, Waiter
from nodepool_lite.model.node import Node
from nodepool_lite.model.pool import Backoff, Leader, Member, Pool, Request
from nodepool_lite.model.record import Record

R = TypeVar("R", bound=Record)

PATHS: Mapping[type[Record], str] = MappingProxyType(
    {
        Pool: "pool",
        Member: "members",
        Leader: "leaders",
        Node: "nodes",
        Lease: "leases",
        Waiter: "waiters",
        Build: "builds",
        Upload: "uploads",
        Backoff: "backoffs",
        Request: "requests",
    }
)
"""Where each kind of record lives below the pool's root. Ids may hold slashes (`builds/<diskimage>/<number>`)."""

DEPTHS: Mapping[type[Record], tuple[int, ...]] = MappingProxyType(
    {
        Pool: (1,),
        Member: (1,),
        Leader: (1, 2),
        Node: (1,),
        Lease: (1,),
        Waiter: (1,),
        Build: (2,),
        Upload: (3,),
        Backoff: (2,),
        Request: (2,),
    }
)
"""How many parts, with slashes between, the id of a record of each kind has."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*")
"""What a part of an id may be: safe as a file name, as a word of a shell, and on a terminal."""

EPHEMERAL: frozenset[type[Record]] = frozenset({Member, Leader, Waiter})
"""Kinds that vanish with the session that made them."""


def id_problem(kind: type[Record], record_id: str) -> str:
    """Return why a record of that kind cannot have that id; empty when it can."""
    parts = record_id.split("/")
    if len(parts) not in DEPTHS[kind]:
        wanted = " or ".join(str(each) for each in DEPTHS[kind])
        return f"{wanted} names between slashes were expected"
    if not all(_NAME.fullmatch(part) for part in parts):
        return "names of letters, digits and `.`, `_`, `@`, `+`, `-` were expected, a letter or digit first"
    return ""


def _empty() -> Mapping[str, Any]:
    return MappingProxyType({})


class Snapshot(Struct, frozen=True):
    """Everything recorded, at one moment; mappings are read-only and keyed by record id."""

    pool: Mapping[str, Pool] = field(default_factory=_empty)
    members: Mapping[str, Member] = field(default_factory=_empty)
    leaders: Mapping[str, Leader] = field(default_factory=_empty)
    nodes: Mapping[str, Node] = field(default_factory=_empty)
    leases: Mapping[str, Lease] = field(default_factory=_empty)
    waiters: Mapping[str, Waiter] = field(default_factory=_empty)
    builds: Mapping[str, Build] = field(default_factory=_empty)
    uploads: Mapping[str, Upload] = field(default_factory=_empty)
    backoffs: Mapping[str, Backoff] = field(default_factory=_empty)
    requests: Mapping[str, Request] = field(default_factory=_empty)
    garbage: Mapping[str, str] = field(default_factory=_empty)
    """Znodes that could not be read as a record: path below the root -> why. Reported and left alone."""
    newer: frozenset[str] = frozenset()
    """Those of them that a newer version of us wrote."""

    def unreadable(self, kind: type[Record]) -> frozenset[str]:
        """Return the ids of records of that kind of which only that is known: they are there."""
        if not self.garbage:
            return frozenset()
        folder = f"{PATHS[kind]}/"
        ids = (path.removeprefix(folder) for path in self.garbage if path.startswith(folder))
        return frozenset(each for each in ids if not id_problem(kind, each))


NO_SAMPLE: Mapping[type[Record], int] = MappingProxyType({})
"""Read all records of every kind."""


class Write(Struct, frozen=True):
    """One part of a transaction: `create` (id given), `update` or `delete`, each against `record.version`."""

    action: Literal["create", "update", "delete"]
    record: Record


class Store(Protocol):
    """Records by id, with compare-and-set writes. Thread-safe; every call returns or raises within its time-out.

    All calls raise StoreUnavailableError while the server cannot be reached: they fail fast and are never queued.
    """

    @property
    def session(self) -> str:
        """An id of the present session; changes after the old one expired. Ephemeral records belong to it."""

    @property
    def connected(self) -> bool:
        """Whether calls can succeed at the moment and the view is being kept fresh."""

    def snapshot(self) -> Snapshot:
        """Return the cached view, kept fresh by one recursive watch. Own writes are in it at once.

        It costs nothing while nothing changes, and a copy of one mapping after a change.
        """

    def find(self, kind: type[R], record_id: str) -> R | None:
        """Return what the cached view says of one record now, at no cost; None if it is not there or not readable."""

    def read(self, *kinds: type[Record], sample: Mapping[type[Record], int] = NO_SAMPLE) -> Snapshot:
        """Return only `kinds` (all, if none is named), read from the server now; for clients without a watch.

        Of a kind in `sample` that has more records than it says, only so many are read: a random choice. Only kinds
        whose ids have one part can be sampled.
        """

    def look_up(self, kind: type[R], ids: Collection[str]) -> Mapping[str, R]:
        """Return those of the records that are there and readable, from the server now; for clients without a watch."""

    def subscribe(self, callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `callback` (from the store's thread; it must not block) after each change of the view or connection."""

    def create(self, record: R) -> R:
        """Store a new record under `record.id` and return it with its version; ephemeral if its kind is.

        Raises:
            StoreConflictError: a record with that id exists.
        """

    def create_numbered(self, record: R, under: str = "") -> R:
        """Store a new record under the next free ten-digit number (below `under/`, if given) and return it."""

    def update(self, record: R) -> R:
        """Replace the stored record and return the new one.

        Raises:
            StoreConflictError: the stored version is not `record.version`, or the record is gone.
        """

    def delete(self, record: Record) -> None:
        """Remove the record.

        Raises:
            StoreConflictError: the stored version is not `record.version`, or the record is gone.
        """

    def transact(self, writes: Sequence[Write]) -> tuple[Record, ...]:
        """Do all `writes` or none; return the new records in order (deleted ones as given).

        Raises:
            StoreConflictError: one of them did not find what it expected; nothing was changed.
        """

    def close(self) -> None:
        """End the session: ephemeral records vanish at once."""
