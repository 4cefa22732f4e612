"""What is known of our servers from one list to the next, and which list to ask for: all of them, or what changed.

Nova lists changes cheaply, deletions among them, and all servers dearly. So changes are asked for, and all of them now
and then, or when something that should have changed has not been seen to. Pure but for its own memory.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nodepool_lite.clouds.driver import ServerState
from nodepool_lite.clouds.openstack.rows import Row

OVERLAP = 4.0
"""Seconds by which the windows of two lists of changes overlap: clocks differ, and Nova counts whole seconds."""
FULL_EVERY = 180.0
"""Seconds between two lists of all our servers."""
FULL_SOON = 10.0
"""The same while something is overdue."""
COSTLY = 20.0
"""A list of all may not take more than one part in so many of the time."""
OVERDUE = 6.0
"""Seconds after which a change that was to be expected is looked for in the list of all."""
BELIEVED = 60.0
"""Seconds for which a server whose end was accepted counts as ending, whatever lists say."""


@dataclass(frozen=True)
class Query:
    """The list to ask for, as it was decided at `at`."""

    at: float
    since: float | None
    """None asks for all of ours; else for what changed since then."""
    built: bool = False
    """Whether servers that are still being built are left out."""
    with_deleted: bool = False
    """Whether deletions matter: deleted servers have lost their tags, so that everybody's changes must be asked for."""

    @property
    def moment(self) -> str:
        """`since` as the API wants it."""
        return datetime.fromtimestamp(self.since or 0.0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Inventory:
    """Our servers as last seen. Not thread-safe: the driver guards it."""

    def __init__(self, pool_id: str) -> None:
        self._pool_id = pool_id
        self._rows: dict[str, Row] = {}
        self._born: dict[str, float] = {}
        """Server id -> when its creation was answered; lists asked for before that cannot have it."""
        self._unseen: set[str] = set()
        """Ids of servers that were created and that no list had yet."""
        self._ahead = 0.0
        """Seconds by which our clock runs ahead of the cloud's, at most: what changed is asked for in its time."""
        self._ended: dict[str, float] = {}
        """Server id -> when its end was accepted, for servers that are still there."""
        self._waiting_since: dict[str, float] = {}
        """Server id -> since when something about it is expected in vain."""
        self._full_at: float | None = None
        self._full_took = 0.0
        self._last_at = 0.0
        self.moves = 0
        """How many servers have come and gone so far."""

    @property
    def complete(self) -> bool:
        """Whether all our servers have been listed once."""
        return self._full_at is not None

    def get(self, server_id: str) -> Row | None:
        """Return a server that is known."""
        return self._rows.get(server_id)

    def all(self) -> Sequence[Row]:
        """Return all that is known; what was asked to end is ending."""
        return [replace(row, deleting=True) if row.id in self._ended else row for row in self._rows.values()]

    def query(self, now: float) -> Query:
        """Return what to ask for now."""
        if self._full_at is None or now < self._last_at:  # our clock was set back
            return Query(now, None)
        overdue = any(now - since > OVERDUE for since in self._waiting_since.values())
        pause = max(FULL_SOON if overdue else FULL_EVERY, COSTLY * self._full_took)
        if now - self._full_at > pause:
            return Query(now, None)
        starting = any(row.state is ServerState.STARTING for row in self._rows.values())
        return replace(self.changes(now), with_deleted=bool(self._ended) or not starting)

    def changes(self, now: float) -> Query:
        """Return what to ask for to learn of all changes since the last list, deletions among them."""
        return Query(now, self._last_at - OVERLAP - self._ahead, with_deleted=True)

    def starting(self, before: float) -> frozenset[str]:
        """Return the servers that start and were there before this moment; none while others are to end."""
        if self._ended:
            return frozenset()
        rows = (row for row in self._rows.values() if row.state is ServerState.STARTING)
        return frozenset(row.id for row in rows if self._born.get(row.id, 0.0) < before)

    def builds(self, servers: Iterable[str], now: float) -> None:
        """Note that these were found being built: a list has them."""
        self._unseen.difference_update(servers)
        self._note_waiting(now)

    def created(self, row: Row, now: float) -> None:
        """Take in a server whose creation was answered just now."""
        if row.id not in self._rows:
            self._rows[row.id] = row
            self._unseen.add(row.id)
        self._born[row.id] = now
        self.moves += 1

    def ending(self, server_id: str, now: float) -> None:
        """Note that the cloud took the request to end a server."""
        if server_id in self._rows:
            self._ended.setdefault(server_id, now)

    def gone(self, server_id: str) -> None:
        """Forget a server that is not there any more."""
        if self._rows.pop(server_id, None) is not None:
            self.moves += 1
        self._unseen.discard(server_id)
        for memory in (self._born, self._ended, self._waiting_since):
            memory.pop(server_id, None)

    def take_changes(self, query: Query, listed: Iterable[Row], now: float) -> None:
        """Take in a list of changes: ours are known by their mark, deleted ones by their id."""
        for row in listed:
            if row.status == "DELETED":
                self.gone(row.id)
            else:
                self._see(row)
        self._last_at = query.at
        self._note_waiting(now)

    def take_all(self, query: Query, listed: Iterable[Row], now: float) -> list[str]:
        """Take in a list of all our servers; return the ids of known ones that are not in it: ask for each of them."""
        found = {row.id for row in listed if self._see(row)}
        self._full_at = self._last_at = query.at
        self._full_took = now - query.at
        self._note_waiting(now)
        return [key for key in self._rows if key not in found and self._born.get(key, 0.0) < query.at]

    def saw(self, row: Row) -> None:
        """Take in one server that was looked at by itself."""
        self._see(row)

    def _see(self, row: Row) -> bool:
        """Remember what a list says of a server; tell whether it is ours."""
        known = self._rows.get(row.id)
        if row.status == "UNKNOWN" and known is not None:
            return True  # its cell does not answer; what was known of it may still hold
        if row.pool_id != self._pool_id:
            return False
        self._rows[row.id] = row
        if row.id in self._unseen:
            self._unseen.discard(row.id)
            self._ahead = max(0.0, self._born[row.id] - (row.created or self._born[row.id]))
        return True

    def _note_waiting(self, now: float) -> None:
        """Remember which servers ought to change soon: those that end, that no list has, or that lack something."""
        self._ended = {key: since for key, since in self._ended.items() if now - since < BELIEVED}
        waiting = {key: self._ended.get(key, now) for key, row in self._rows.items() if self._is_waited_for(row)}
        self._waiting_since = {key: self._waiting_since.get(key, since) for key, since in waiting.items()}

    def _is_waited_for(self, row: Row) -> bool:
        if row.id in self._ended or row.id in self._unseen or row.deleting:
            return True
        return (row.status == "ACTIVE" and not row.addresses) or (row.status == "ERROR" and not row.fault)

    def waited(self, row: Row, now: float) -> float:
        """Return for how many seconds something is expected of a server in vain."""
        return now - self._waiting_since.get(row.id, now)
