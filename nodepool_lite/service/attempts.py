"""Read, decide, write; and all over again when somebody else was quicker."""

from collections.abc import Callable
from typing import TypeVar

from nodepool_lite.model.errors import StoreConflictError
from nodepool_lite.store.base import Snapshot

T = TypeVar("T")
ATTEMPTS = 100
"""A conflict means that somebody else got something done, so this many in a row are practically impossible."""


def settled(read: Callable[[], Snapshot], attempt: Callable[[Snapshot], T]) -> T:
    """Return what `attempt` makes of the records that `read` gives, once no other change gets in between.

    Raises:
        StoreConflictError: every attempt was overtaken.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt(read())
        except StoreConflictError:
            continue
    return attempt(read())
