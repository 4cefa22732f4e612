"""Waiting for what a store is told of."""

import threading
import time
from collections.abc import Callable

from nodepool_lite.store.base import Snapshot, Store

PATIENCE = 15.0


def until(store: Store, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Return when the condition holds, looking again after each change that the store reports."""
    news = threading.Event()
    deadline = time.monotonic() + patience
    with store.subscribe(news.set):
        while not condition():
            assert news.wait(deadline - time.monotonic()), "it did not come to be in time"
            news.clear()


def until_seen(store: Store, condition: Callable[[Snapshot], bool], patience: float = PATIENCE) -> Snapshot:
    """Return the first view for which the condition holds."""
    until(store, lambda: store.connected and condition(store.snapshot()), patience)
    return store.snapshot()
