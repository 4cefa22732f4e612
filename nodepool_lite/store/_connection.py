"""One connection after the other, as kazoo makes them, but for what it lacks.

It says that it is connected only once it is encrypted and authenticated, tells why servers refuse it, reads all that
TLS has decrypted, and never ends for good.
"""

import logging
import math
import select
import ssl
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from kazoo.exceptions import (
    EXCEPTIONS,
    AuthFailedError,
    ConnectionDropped,
    SessionClosedRequireSaslError,
    SessionExpiredError,
)
from kazoo.handlers.threading import KazooTimeoutError, SequentialThreadingHandler
from kazoo.protocol.connection import CLOSE_RESPONSE, DELETED_EVENT, ConnectionHandler
from kazoo.protocol.serialization import SASL, Watch
from kazoo.protocol.states import KeeperState

from nodepool_lite.config.zookeeper import ZooKeeperAuth, ZooKeeperTls
from nodepool_lite.model.errors import NodepoolError
from nodepool_lite.store import _tls
from nodepool_lite.store._access import Access
from nodepool_lite.store._sasl import DigestMd5, SaslError

_log = logging.getLogger(__name__)


class Reason(NamedTuple):
    """Why a server has not connected us; `final` is what only a person can mend."""

    text: str
    final: bool


class Listener(Protocol):
    """Who hears what becomes of the connection, in its thread."""

    def established(self) -> None:
        """There is a session, and we are who we are to be in it."""

    def refused(self, reasons: str) -> None:
        """Every server was tried, and refuses us for something that only a person can mend."""

    def heard(self, path: str, *, deleted: bool) -> None:
        """A watch saw that a znode was made, changed or deleted."""


class Sockets(SequentialThreadingHandler):  # type: ignore[misc]  # kazoo ships no types
    """Makes the sockets: encrypted ones with `tls`, whose files are read anew for each."""

    def __init__(self, tls: ZooKeeperTls | None) -> None:
        super().__init__()
        self._tls = tls
        if tls is not None:
            _tls.context(tls)  # so that what is wrong with the files is said now

    def create_connection(self, address: Any, hostname: str = "", timeout: float | None = None, **_: Any) -> Any:
        """Return a socket that is connected to `address`; raises OSError, or NodepoolError for what the files lack."""
        context = _tls.context(self._tls) if self._tls is not None else None
        connected = super().create_connection(address=address, timeout=timeout)
        if context is None:
            return connected
        try:
            return context.wrap_socket(connected, server_hostname=hostname)
        except OSError:
            connected.close()
            raise

    def select(
        self, reads: Sequence[Any], writes: Sequence[Any], _: Sequence[Any], timeout: float | None = None
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Return which sockets can be read and which written; none after `timeout` seconds.

        kazoo waits five times for each answer, and its own way to wait makes and ends an epoll instance each time.
        """
        poll = select.poll()
        for socket in reads:
            poll.register(socket, select.POLLIN)
        for socket in writes:
            poll.register(socket, select.POLLOUT)
        # What is broken counts as ready: to use it tells why.
        ready = {number for number, _ in poll.poll(None if timeout is None else math.ceil(timeout * 1000))}
        can_read, can_write = ([each for each in some if each.fileno() in ready] for some in (reads, writes))
        return can_read, can_write, []


class Connection(ConnectionHandler):  # type: ignore[misc]  # kazoo ships no types
    """kazoo's own thread runs all of it."""

    def __init__(self, client: Any, access: Access, listener: Listener) -> None:
        super().__init__(client, client._conn_retry.copy(), logger=client.logger)  # noqa: SLF001  # as kazoo does
        self._access = access
        self._listener = listener
        self.reasons: dict[str, Reason | None] = {}
        """What became of each server since all were last tried, or since the last connection."""
        if access.auth is not None and access.auth.scheme == "sasl":
            self.sasl_options = access.auth

    def _connect_loop(self, retry: Any) -> Any:
        self.reasons = {}
        try:
            return super()._connect_loop(retry)
        finally:
            reasons = [reason for reason in self.reasons.values() if reason is not None and reason.final]
            if reasons and len(reasons) == len(self.reasons):
                self._listener.refused("; ".join(dict.fromkeys(reason.text for reason in reasons)))

    def _connect_attempt(self, host: str, hostip: str, port: int, retry: Any) -> Any:
        try:
            return super()._connect_attempt(host, hostip, port, retry)
        except Exception:  # noqa: BLE001  # the edge of kazoo's loop, which would end for good
            _log.exception("store.connection_crashed")
            self.client._session_callback(KeeperState.CONNECTING)  # noqa: SLF001  # as kazoo does
            return None

    def _connect(self, host: str, hostip: str, port: int) -> Any:
        server = f"ZooKeeper at {host}:{port}"
        self.reasons[server] = None
        try:
            timeouts = super()._connect(host, hostip, port)
        except SessionExpiredError:
            raise
        except Exception as error:
            self.reasons[server] = _reason(error, server, self._access)
            if isinstance(error, ConnectionDropped | KazooTimeoutError):
                raise
            raise ConnectionDropped(f"{server}: {error}") from error
        self.reasons = {}
        self._listener.established()
        return timeouts

    def _authenticate_with_sasl(self, _host: str, timeout: float) -> None:
        auth: ZooKeeperAuth = self.sasl_options
        exchange = DigestMd5(auth.username, auth.password)
        challenge = self._sasl(b"", 1, timeout)
        try:
            reply = self._sasl(exchange.answer(challenge), 2, timeout)
        except ConnectionDropped as error:  # what servers may do instead of saying no
            raise AuthFailedError("the server closed the connection") from error
        exchange.check(reply)

    def _sasl(self, token: bytes, number: int, timeout: float) -> bytes:
        self._submit(SASL(token), timeout, number)
        header, buffer, offset = self._read_header(timeout)
        if header.err:
            raise EXCEPTIONS.get(header.err, AuthFailedError)
        reply, _ = SASL.deserialize(buffer, offset)
        return reply or b""

    def _read_socket(self, read_timeout: float) -> Any:
        """Take in one message, and those that were decrypted with it: the socket has nothing more to wake us with."""
        response = super()._read_socket(read_timeout)
        while response != CLOSE_RESPONSE and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            response = super()._read_socket(read_timeout)
        return response

    def _read_watch_event(self, buffer: bytes, offset: int) -> None:
        event, _ = Watch.deserialize(buffer, offset)
        self._listener.heard(event.path, deleted=event.type == DELETED_EVENT)


def _reason(error: Exception, server: str, access: Access) -> Reason | None:
    """Return why a connection was not made, where there is something to say about it."""
    if isinstance(error, NodepoolError):
        return Reason(str(error), final=True)
    if isinstance(error, AuthFailedError | SessionClosedRequireSaslError | SaslError) and access.auth is not None:
        auth = access.auth
        return Reason(
            f"{server} refuses the {auth.scheme} user {auth.username} ({str(error) or type(error).__name__}): see that "
            f"`zookeeper-auth` has the password that the servers know, and that they know the scheme {auth.scheme}",
            final=True,
        )
    cause = error.__context__ if isinstance(error, ConnectionDropped) else error
    if access.tls is not None and isinstance(cause, OSError):
        text = _tls.why_failed(cause, server, access.tls)
        return Reason(text, final=True) if text else None
    if access.tls is None and isinstance(error, ConnectionDropped) and cause is None:
        what = "closes the connection: it has lost its quorum, or its port wants TLS (`zookeeper-tls`)"
        return Reason(f"{server} {what}", final=False)
    return None
