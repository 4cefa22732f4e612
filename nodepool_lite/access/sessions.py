"""Sessions kept open between uses: a login costs most of a second on a slow machine, a command does not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nodepool_lite.access.keys import KeyPair
from nodepool_lite.access.session import Session, Target, connect
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import SessionLostError


@dataclass(frozen=True, slots=True)
class _Idle:
    session: Session
    since: float


class SessionPool:
    """At most one idle session per node, and at most `limit` in all, each for at most `idle` seconds.

    Any thread may call it; a session in use belongs to the one that took it. Idle ones that are too old are closed
    whenever the pool is used, and by `tidy`.
    """

    def __init__(self, key: KeyPair, clock: Clock, *, limit: int = 32, idle: float = 60) -> None:
        self._key = key
        self._clock = clock
        self._limit = limit
        self._max_idle = idle
        self._lock = threading.Lock()
        self._idle: dict[str, _Idle] = {}
        """Node id -> session, the longest unused first."""
        self._forgotten: dict[str, int] = {}
        """Node id -> how often it was forgotten while sessions to it were in use."""
        self._in_use: dict[str, int] = {}

    @contextmanager
    def use(self, node_id: str, target: Target, timeout: float) -> Iterator[Session]:
        """Lend a live session to the node: the idle one, or a new one connected within `timeout` seconds.

        Raises:
            NotYetReachableError, LoginRefusedError, HostKeyMismatchError: as `connect`.
        """
        self.tidy()
        with self._lock:
            kept = self._idle.pop(node_id, None)
            era = self._forgotten.get(node_id, 0)
            self._in_use[node_id] = self._in_use.get(node_id, 0) + 1
        session: Session | None = None
        try:
            session = self._fitting(kept, target) or connect(target, self._key, timeout)
            yield session
        except SessionLostError:
            if session is not None:
                session.close()
            raise
        finally:
            self._give_back(node_id, session, era)

    def forget(self, node_id: str) -> None:
        """Close what is kept for a node; sessions in use are closed when they are given back."""
        with self._lock:
            if node_id in self._in_use:
                self._forgotten[node_id] = self._forgotten.get(node_id, 0) + 1
            kept = self._idle.pop(node_id, None)
        if kept is not None:
            kept.session.close()

    def tidy(self) -> None:
        """Close the sessions that were not used for too long, or whose connection ended."""
        oldest = self._clock.now() - self._max_idle
        with self._lock:
            stale = [name for name, kept in self._idle.items() if kept.since <= oldest or not kept.session.alive]
            sessions = [self._idle.pop(name).session for name in stale]
        for session in sessions:
            session.close()

    def close(self) -> None:
        """Close every idle session, and those in use when they are given back."""
        self._limit = 0
        with self._lock:
            sessions = [kept.session for kept in self._idle.values()]
            self._idle.clear()
        for session in sessions:
            session.close()

    @property
    def idle(self) -> frozenset[str]:
        """The ids of the nodes that an idle session is kept for."""
        with self._lock:
            return frozenset(self._idle)

    def _fitting(self, kept: _Idle | None, target: Target) -> Session | None:
        """Return the kept session if it leads, alive, to the same door with the same key; close it otherwise."""
        if kept is None:
            return None
        session, has = kept.session, kept.session.target
        same = (has.host, has.port, has.username) == (target.host, target.port, target.username)
        if same and session.alive and target.host_key in (None, session.host_key):
            return session
        session.close()
        return None

    def _give_back(self, node_id: str, session: Session | None, era: int) -> None:
        closing = []
        with self._lock:
            self._in_use[node_id] -= 1
            wanted = self._forgotten.get(node_id, 0) == era
            if not self._in_use[node_id]:
                del self._in_use[node_id]
                self._forgotten.pop(node_id, None)
            if session is not None and wanted and session.alive and node_id not in self._idle:
                self._idle[node_id] = _Idle(session, self._clock.now())
            elif session is not None:
                closing.append(session)
            while len(self._idle) > self._limit:
                closing.append(self._idle.pop(next(iter(self._idle))).session)
        for each in closing:
            each.close()
