"""What happens between the calls: the connection comes and goes, events and answers arrive, the view follows."""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress

from kazoo.exceptions import NoAuthError, SessionClosedRequireSaslError

from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.store._access import Access
from nodepool_lite.store._link import UNREACHABLE, Link, Reply
from nodepool_lite.store._mirror import Mirror
from nodepool_lite.store._parts import Part
from nodepool_lite.store._subscribers import Subscribers
from nodepool_lite.store._view import View
from nodepool_lite.store._wire import AddWatch, ReadBatch, Root, Transaction, Written, create_folder
from nodepool_lite.store.base import R, Snapshot

_log = logging.getLogger(__name__)


class Feed:
    """A link and, with `watch`, the mirror of what is below `root`.

    `send` and `send_folder` are called by any thread, what begins with an underscore by kazoo's connection thread. One
    lock guards link and mirror; no subscriber is called while it is held.
    """

    def __init__(self, servers: str, root: Root, access: Access, *, session_timeout: float, watch: bool) -> None:
        self.link = Link(
            servers,
            session_timeout,
            access,
            changed=self._link_changed,
            refused=self._refused,
            hear=self._heard,
        )
        self.root = root
        self.subscribers = Subscribers()
        self.ready = threading.Event()
        self.decided = threading.Event()
        """It was ready once, or there is a problem."""
        self.problem = ""
        """Why it is not ready and will not be by itself, as far as anybody knows."""
        self._once_ready = False
        self._lock = self.link.lock
        self._mirror = Mirror(root.path) if watch else None

    def check(self) -> None:
        """Raise StoreUnavailableError unless there is a connection, and a fresh view if one is kept."""
        if not self.ready.is_set():
            raise StoreUnavailableError(
                f"there is no connection to ZooKeeper at {self.link.hosts} at the moment; nothing was changed"
            )

    def snapshot(self) -> Snapshot:
        """Return the view."""
        with self._lock:
            return self._view().snapshot()

    def find(self, kind: type[R], record_id: str) -> R | None:
        """Return what the view says of one record."""
        with self._lock:
            return self._view().get(kind, record_id)

    def _view(self) -> View:
        if self._mirror is None:
            raise RuntimeError("this store was opened without a watch and has no view: use read()")
        self.check()
        return self._mirror.view

    def send(self, parts: Sequence[Part]) -> Reply:
        """Send a transaction; its outcome is in the view before the reply says that it is done."""
        with self._lock:
            self.check()
            if self._mirror:
                for part in parts:
                    part.expected_by(self._mirror)
            return self.link.send(Transaction([part.operation for part in parts]), lambda r: self._written(parts, r))

    def send_folder(self, path: str, *, kept: bool) -> Reply:
        """Send the wish for a folder."""
        with self._lock:
            self.check()
            if self._mirror:
                self._mirror.expect(path)
            return self.link.send(
                Transaction([create_folder(self.root, path, kept=kept)]), lambda r: self._folder_made(path, r)
            )

    def _written(self, parts: Sequence[Part], reply: Reply) -> None:
        if self._mirror is None or reply.error:
            return  # no view; or no connection, and then everything is read anew with the next one
        with self._lock:
            for part, result in zip(parts, reply.value, strict=True):
                part.answered_to(self._mirror, result, reply.transaction)
            self._mirror.show()
            self._read_more(self._mirror)
        self.subscribers.tell()

    def _folder_made(self, path: str, reply: Reply) -> None:
        if self._mirror is None or reply.error:
            return
        with self._lock:
            self._mirror.answered(path, done=isinstance(reply.value[0], Written))
            changed = self._mirror.show()
            self._read_more(self._mirror)
        if changed:
            self.subscribers.tell()

    def _link_changed(self, live: bool) -> None:
        _log.info("store.%s hosts=%s session=%s", "connected" if live else "lost", self.link.hosts, self.link.session)
        if live:
            self.problem = ""
        if live and self._mirror:
            with suppress(StoreUnavailableError):  # it is closed or broken already
                self.link.send(AddWatch(self.root.path), self._watch_added)
            return
        with self._lock:
            if live:
                self._now_ready()
            else:
                self.ready.clear()
                if self._mirror:
                    self._mirror.reset()
        self.subscribers.tell()

    def _watch_added(self, reply: Reply) -> None:
        if self._failed("watch", reply) or self._mirror is None:
            return
        with self._lock:
            self._mirror.load()
            self._read_more(self._mirror)

    def _heard(self, path: str, deleted: bool) -> None:
        if self._mirror is None:
            return
        with self._lock:
            changed = self._mirror.event(path, deleted=deleted)
            self._read_more(self._mirror)
        if changed:
            self.subscribers.tell()

    def _read_more(self, mirror: Mirror) -> None:
        if reads := mirror.batch():
            with suppress(StoreUnavailableError):  # nothing is lost: all is read anew with the next connection
                self.link.send(ReadBatch(reads), self._was_read)

    def _was_read(self, reply: Reply) -> None:
        if self._failed("read", reply) or self._mirror is None:
            return
        with self._lock:
            try:
                changed = self._mirror.take(reply.value)
            except StoreUnavailableError as error:
                self._refused(f"{error}; {self.link.access.when_refused}")
                return
            self._read_more(self._mirror)
            if self._mirror.fresh and not self.ready.is_set():
                self._now_ready()
                changed = True
        if changed:
            self.subscribers.tell()

    def _failed(self, what: str, reply: Reply) -> bool:
        if reply.error and not isinstance(reply.error, UNREACHABLE):
            refused = isinstance(reply.error, NoAuthError | SessionClosedRequireSaslError)
            hint = self.link.access.when_refused if refused else "version 3.6 or later is needed"
            self._refused(
                f"ZooKeeper at {self.link.hosts} refuses to {what} {self.root.path} ({reply.error!r}): {hint}"
            )
        return reply.error is not None

    def _refused(self, why: str) -> None:
        if why != self.problem and self._once_ready:  # before that, whoever waits for us will say it
            _log.error("store.refused %s", why)
        self.problem = why
        self.decided.set()
        self.subscribers.tell()

    def _now_ready(self) -> None:
        self._once_ready = True
        self.ready.set()
        self.decided.set()
