"""Who wants to hear of changes."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)


class Subscribers:
    """Callbacks without arguments; any thread may add, remove and call them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: tuple[Callable[[], None], ...] = ()

    @contextmanager
    def added(self, callback: Callable[[], None]) -> Iterator[None]:
        """Have `callback` called by `tell` until the context ends."""
        with self._lock:
            self._callbacks = (*self._callbacks, callback)
        try:
            yield
        finally:
            with self._lock:
                kept = list(self._callbacks)
                kept.remove(callback)
                self._callbacks = tuple(kept)

    def tell(self) -> None:
        """Call every callback in the calling thread."""
        for callback in self._callbacks:
            try:
                callback()
            except Exception:  # noqa: BLE001  # the edge of the store: a subscriber's mistake must not stop the view
                _log.exception("store.subscriber_failed")
