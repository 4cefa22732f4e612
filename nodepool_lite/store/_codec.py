"""Records as the bytes and paths of znodes, and back."""

from typing import Any, TypeVar

from msgspec import DecodeError, json

from nodepool_lite.model.record import Record
from nodepool_lite.store.base import DEPTHS, PATHS, id_problem

R = TypeVar("R", bound=Record)

LIMIT = 512 * 1024
"""Bytes of one record; ZooKeeper cuts the connection at 1 MiB for a whole request (`jute.maxbuffer`)."""


class NewerRecordError(ValueError):
    """A record that somebody wrote who knows more than we do."""


def path_of(record: Record) -> str:
    """Return where the record lives below the pool's root, e.g. `nodes/0000000042`.

    Raises:
        ValueError: the id cannot be one of a record of that kind.
    """
    return f"{PATHS[type(record)]}/{checked(type(record), record.id)}"


def is_folder(kind: type[Record], record_id: str) -> bool:
    """Return whether a znode without data may stand there, because records of that kind live below it."""
    return record_id.count("/") + 1 < max(DEPTHS[kind])


def encode(record: Record) -> bytes:
    """Return the JSON that is stored: its schema, and what differs from the defaults; without id, version and order.

    Raises:
        ValueError: it is too large for a znode.
    """
    data = json.encode(record.said(defaults=False) | {"schema_version": record.SCHEMA})
    if len(data) > LIMIT:
        name = f"{PATHS[type(record)]}/{record.id}"
        raise ValueError(f"{name} would take {len(data)} bytes, more than the {LIMIT} that a record may have")
    return data


def decode(kind: type[R], record_id: str, data: bytes, version: int, order: int) -> R:
    """Return the record that `data` holds.

    Raises:
        NewerRecordError: it may mean something that we do not know.
        ValueError: it is not JSON, or not a record of that kind.
    """
    try:
        record = kind.read(data, record_id=record_id, version=version, order=order)
    except DecodeError:
        _refuse_newer(kind, _schema_of(data))
        raise
    _refuse_newer(kind, record.schema_version)
    return record


def stored(record: R, record_id: str, version: int, order: int) -> R:
    """Return the record as every reader will find it; raises ValueError when nobody could read it."""
    return decode(type(record), record_id, encode(record), version, order)


def checked(kind: type[Record], record_id: str) -> str:
    """Return the id unchanged; raises ValueError when it cannot be one of a record of that kind."""
    if problem := id_problem(kind, record_id):
        raise ValueError(f"{record_id!r} cannot be the id of a record: {problem}")
    return record_id


def checked_folder(kind: type[Record], under: str) -> str:
    """Return the folder unchanged; raises ValueError when records of that kind cannot be numbered below it."""
    checked(kind, f"{under}/0" if under else "0")
    return under


def _schema_of(data: bytes) -> object:
    try:
        found: Any = json.decode(data)
    except (ValueError, RecursionError):
        return None
    return found.get("schema_version") if isinstance(found, dict) else None


def _refuse_newer(kind: type[Record], schema: object) -> None:
    if isinstance(schema, int) and schema > kind.SCHEMA:
        raise NewerRecordError(
            f"a newer nodepool-lite wrote it (schema {schema}, this one knows {kind.SCHEMA}): "
            "upgrade nodepool-lite on this host"
        )
