"""Read, decide, write; and all over again when somebody else was quicker."""

from collections.abc import Callable
from typing import TypeVar

from nodepool_lite.model.errors import StoreConflictError
from nodepool_lite.model.record import Record
from nodepool_lite.store.base import Snapshot, Store

T = TypeVar("T")
ATTEMPTS = 100
"""A conflict means that somebody else got something done, so this many in a row are practically impossible."""


def settled(store: Store, kinds: tuple[type[Record], ...], attempt: Callable[[Snapshot], T]) -> T:
    """Return what `attempt` makes of the records as they are now, once no other change gets in between.

    Raises:
        StoreConflictError: every attempt was overtaken.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt(store.read(*kinds))
        except StoreConflictError:
            continue
    return attempt(store.read(*kinds))
