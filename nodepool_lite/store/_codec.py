"""Records as the bytes and paths of znodes, and back."""

from typing import TypeVar

from nodepool_lite.model.record import Record
from nodepool_lite.store.base import PATHS

R = TypeVar("R", bound=Record)

LIMIT = 512 * 1024
"""Bytes of one record; ZooKeeper cuts the connection at 1 MiB for a whole request (`jute.maxbuffer`)."""


def path_of(record: Record) -> str:
    """Return where the record lives below the pool's root, e.g. `nodes/0000000042`.

    Raises:
        ValueError: the id cannot name a znode.
    """
    return f"{PATHS[type(record)]}/{checked(record.id)}"


def checked(record_id: str) -> str:
    """Return the id unchanged; raises ValueError when it cannot name a znode."""
    if "\0" in record_id or any(part in {"", ".", ".."} for part in record_id.split("/")):
        raise ValueError(f"{record_id!r} cannot be the id of a record: expected names separated by single slashes")
    return record_id


def encode(record: Record) -> bytes:
    """Return the JSON that is stored: only what differs from the defaults, without id, version and order.

    Raises:
        ValueError: it is too large for a znode.
    """
    data = record.model_dump_json(exclude_defaults=True).encode()
    if len(data) > LIMIT:
        name = f"{PATHS[type(record)]}/{record.id}"
        raise ValueError(f"{name} would take {len(data)} bytes, more than the {LIMIT} that a record may have")
    return data


def decode(kind: type[R], record_id: str, data: bytes, version: int, order: int) -> R:
    """Return the record that `data` holds.

    Raises:
        ValueError: it is not JSON, or not a record of that kind.
    """
    record = kind.model_validate_json(data)
    return record.model_copy(update={"id": record_id, "version": version, "order": order})


def stored(record: R, record_id: str, version: int, order: int) -> R:
    """Return the record as every reader will find it; raises ValueError when nobody could read it."""
    return decode(type(record), record_id, encode(record), version, order)
