"""Writes as ZooKeeper operations, and what the server's answers to them mean."""

from collections.abc import Sequence
from typing import Any, Literal

from kazoo.exceptions import (
    BadVersionError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from msgspec import Struct

from nodepool_lite.model.errors import NodepoolError, StoreConflictError, StoreUnavailableError
from nodepool_lite.model.record import Record
from nodepool_lite.store import _wire as wire
from nodepool_lite.store._codec import checked, checked_folder, encode, stored
from nodepool_lite.store._mirror import Mirror
from nodepool_lite.store.base import EPHEMERAL, PATHS, Write


class Part(Struct, frozen=True):
    """One write of a transaction; `path` is the record's znode, or the folder in which it gets a number."""

    action: Literal["create", "update", "delete"]
    record: Record
    home: str
    """The folder of all records of this kind."""
    path: str
    operation: Any
    numbered: bool = False

    def expected_by(self, mirror: Mirror) -> None:
        """Tell the mirror that this write is being sent."""
        if self.numbered:
            mirror.expect_numbered(self.path)
        else:
            mirror.expect(self.path)

    def answered_to(self, mirror: Mirror, result: object, transaction: int) -> None:
        """Tell the mirror how this write went, and put its outcome into the view."""
        done = isinstance(result, wire.Written)
        if self.numbered:
            mirror.answered_numbered(self.path, result.path if isinstance(result, wire.Written) else None)
        else:
            mirror.answered(self.path, done=done)
        if not isinstance(result, wire.Written):
            return
        if self.action == "delete":
            mirror.removed(self.record)
        else:
            mirror.wrote(self.outcome(result, transaction))

    def outcome(self, result: wire.Written, transaction: int) -> Record:
        """Return the record as it is after `transaction`; a deleted one as it was given."""
        if self.action == "delete":
            return self.record
        record_id = result.path.removeprefix(f"{self.home}/") if self.numbered else self.record.id
        return self.record.but(id=record_id, version=result.version, order=result.created or transaction)


def part_of(write: Write, root: wire.Root) -> Part:
    """Return the operation for one write.

    Raises:
        StoreConflictError: the record to change was never stored.
    """
    record = write.record
    home = f"{root.path}/{PATHS[type(record)]}"
    path = f"{home}/{checked(type(record), record.id)}"
    if write.action == "create":
        operation = wire.create(root, path, encode(record), ephemeral=type(record) in EPHEMERAL)
        return Part("create", stored(record, record.id, -1, 0), home, path, operation)
    if record.version < 0:
        raise StoreConflictError(f"{_short(home, path)} was never stored, so it cannot be changed or removed")
    if write.action == "delete":
        return Part("delete", record, home, path, wire.remove(path, record.version))
    operation = wire.replace(path, encode(record), record.version)
    return Part("update", stored(record, record.id, record.version, record.order), home, path, operation)


def numbered_part_of(record: Record, root: wire.Root, under: str) -> Part:
    """Return the operation that creates the record under the next number, below `under` if that is given."""
    home = f"{root.path}/{PATHS[type(record)]}"
    folder = f"{home}/{under}" if checked_folder(type(record), under) else home
    operation = wire.create(root, f"{folder}/", encode(record), ephemeral=type(record) in EPHEMERAL, numbered=True)
    return Part("create", stored(record, "", -1, 0), home, folder, operation, numbered=True)


def missing_folder(parts: Sequence[Part], results: Sequence[Any]) -> tuple[Part, str] | None:
    """Return the creation that failed because the folder for it is missing, and that folder."""
    for part, result in zip(parts, results, strict=True):
        if isinstance(result, NoNodeError) and part.action == "create":
            return part, part.path if part.numbered else part.path.rpartition("/")[0]
    return None


def failure(parts: Sequence[Part], results: Sequence[Any]) -> NodepoolError:
    """Return what to raise for a transaction that was refused."""
    for part, result in zip(parts, results, strict=True):
        name = _short(part.home, part.path)
        match result:
            case wire.Written() | RolledBackError() | RuntimeInconsistency():
                continue  # what the server says of the operations before and after the one that failed
            case NodeExistsError():
                return StoreConflictError(f"{name} exists already; read it and decide anew")
            case NoNodeError():
                return StoreConflictError(f"{name} does not exist any more")
            case BadVersionError():
                return StoreConflictError(f"{name} changed since version {part.record.version} was read")
            case NotEmptyError():
                return StoreConflictError(f"{name} has records below it")
            case _:
                return StoreUnavailableError(f"ZooKeeper refuses to {part.action} {name}: {result!r}")
    return StoreConflictError("the transaction was rolled back; read again and decide anew")


def _short(home: str, path: str) -> str:
    return path[home.rindex("/") + 1 :]
