"""One session with ZooKeeper that fails fast: a request is sent now or refused now, and never queued."""

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol, cast

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NoAuthError, SessionExpiredError, ZookeeperError
from kazoo.protocol.states import KazooState, KeeperState
from kazoo.retry import KazooRetry

from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.store._access import Access
from nodepool_lite.store._connection import Connection, Sockets

CALL_TIMEOUT = 5.0
"""Seconds that a request may take."""

CLOSE_TIMEOUT = 1.0
"""Seconds that the end of a session may take; without an answer it ends by itself."""

_log = logging.getLogger(__name__)
_kazoo_log = _log.getChild("kazoo")
_kazoo_log.setLevel(logging.ERROR)  # every lost connection is told by us, once, and not with each attempt to mend it

UNREACHABLE = (ConnectionLoss, SessionExpiredError)  # ConnectionClosedError is one of the latter


class Request(Protocol):
    """What kazoo sends: `type`, `serialize` and `deserialize`; `size` counts the operations in it."""

    size: int


class Reply:
    """Where kazoo's connection thread puts the answer to one request; it calls `then` with the reply when it did."""

    def __init__(self, client: KazooClient, then: "Callable[[Reply], None]") -> None:
        self._client = client
        self._then = then
        self._done = threading.Event()
        self.value: Any = None
        self.error: Exception | None = None
        self.transaction = 0
        """The last transaction that the server had done when it answered: for a write, that write."""

    def set(self, value: Any = None) -> None:
        """Take the answer."""
        self.transaction = self._client.last_zxid
        self._finish(value, None)

    def set_exception(self, error: Exception) -> None:
        """Take the reason why there is no answer."""
        self._finish(None, error)

    def wait(self, seconds: float) -> bool:
        """Return whether an answer, or the reason for none, came within `seconds`."""
        return self._done.wait(seconds)

    def _finish(self, value: Any, error: Exception | None) -> None:
        if self._done.is_set():
            return
        self.value, self.error = value, error
        try:
            self._then(self)
        except Exception as mistake:  # noqa: BLE001  # the edge of kazoo's loop, which would end for good
            _log.exception("store.answer_failed")
            self.error = mistake
        self._done.set()


class Link:
    """A session that mends itself for ever.

    Any thread may `send` and `ask`. `changed`, `refused` and `hear` are called in kazoo's connection thread, and so is
    `then`, which is called before `ask` returns.
    """

    def __init__(
        self,
        hosts: str,
        session_timeout: float,
        access: Access,
        *,
        changed: Callable[[bool], None],
        refused: Callable[[str], None],
        hear: Callable[[str, bool], None],
    ) -> None:
        self.hosts = hosts
        self.access = access
        self.operations = 0
        self.lock = threading.RLock()
        self.session = ""
        self._changed = changed
        self.refused = refused
        self._hear = hear
        self._live = False
        forever = KazooRetry(max_tries=-1, delay=0.1, max_delay=1.0, max_jitter=0.2)
        self._client = KazooClient(
            hosts,
            timeout=session_timeout,
            connection_retry=forever,
            logger=_kazoo_log,
            handler=Sockets(access.tls),
            auth_data=access.digest,
        )
        self._connection = Connection(self._client, access, self)
        self._client._connection = self._connection  # noqa: SLF001  # no other way in
        self._client.add_listener(self._state_changed)

    def start(self) -> None:
        """Connect in the background, and again whenever the connection breaks."""
        self._client.start_async()

    def send(self, request: Request, then: Callable[[Reply], None]) -> Reply:
        """Send a request; raises StoreUnavailableError when there is no connection at the moment."""
        reply = Reply(self._client, then)
        with self.lock:
            if not self._live:
                raise StoreUnavailableError(
                    f"there is no connection to ZooKeeper at {self.hosts} at the moment; nothing was changed"
                )
            self.operations += request.size
            self._client._call(request, reply)  # noqa: SLF001  # the public calls know neither our requests nor our replies
        return reply

    def ask(self, request: Request, then: Callable[[Reply], None] = lambda _reply: None) -> Any:
        """Send a request and return the answer; raises StoreUnavailableError when none came in time."""
        return self.answer(self.send(request, then))

    def answer(self, reply: Reply) -> Any:
        """Return the answer to a request that was sent; raises StoreUnavailableError when none came in time."""
        if not reply.wait(CALL_TIMEOUT):
            raise StoreUnavailableError(
                f"ZooKeeper at {self.hosts} did not answer within {CALL_TIMEOUT:g} s; "
                "if this was a write, it is unknown whether it was done"
            )
        if isinstance(reply.error, UNREACHABLE):
            raise StoreUnavailableError(
                f"the connection to ZooKeeper at {self.hosts} broke before it answered; "
                "if this was a write, it is unknown whether it was done"
            ) from reply.error
        if isinstance(reply.error, ZookeeperError):
            hint = f"; {self.access.when_refused}" if isinstance(reply.error, NoAuthError) else ""
            raise StoreUnavailableError(f"ZooKeeper at {self.hosts} refuses: {reply.error!r}{hint}") from reply.error
        if reply.error:
            raise reply.error
        return reply.value

    def close(self, wait: float = CLOSE_TIMEOUT) -> None:
        """End the session; returns after `wait` seconds even when the server does not answer."""
        with self.lock:
            self._live = False
        closer = threading.Thread(target=self._close, name="zookeeper-close", daemon=True)
        closer.start()
        closer.join(wait)

    def _close(self) -> None:
        self._client.stop()
        self._client.close()

    @property
    def trouble(self) -> str:
        """What is known of why there is no connection; empty when nothing is."""
        reasons = (reason.text for reason in tuple(self._connection.reasons.values()) if reason is not None)
        return "; ".join(dict.fromkeys(reasons))

    def established(self) -> None:
        """Take note of a new connection; for the connection's use."""
        with self.lock:
            self._live = True
            self.session = f"{cast('int', self._client._session_id) & (2**64 - 1):016x}"  # noqa: SLF001
        self._changed(True)  # noqa: FBT003  # live

    def _state_changed(self, state: str) -> None:
        if state == KazooState.CONNECTED:
            return  # kazoo says so before it has said who we are
        with self.lock:
            self._live = False
            # What slipped in while the connection was breaking would be sent after the next one is made.
            self._client._notify_pending(KeeperState.CONNECTING)  # noqa: SLF001
        self._changed(False)  # noqa: FBT003  # not live

    def heard(self, path: str, *, deleted: bool) -> None:
        """Hand on what a watch saw; for the connection's use."""
        try:
            self._hear(path, deleted)
        except Exception:  # noqa: BLE001  # the edge of kazoo's loop, which would end for good
            _log.exception("store.event_failed path=%s", path)
