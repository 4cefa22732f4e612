"""Who looks at records and cloud all the time, by a connection of its own to each, and remembers what was seen."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.model.node import Node
from nodepool_lite.store.base import Snapshot
from nodepool_lite.store.zookeeper import ZooKeeperStore
from tests.chaos.journal import Journal
from tests.chaos.launchers import CLEANUP, MAX_SERVERS, PROVIDER, SESSION
from tests.chaos.outside import UNANSWERED, Outside
from tests.chaos.promises import Ledger, Look

PAUSE = 1.0
SWEEP = CLEANUP + 10.0 + SESSION + 15.0
"""Seconds for which a server without a record may be there under one leader: until it is listed, the time that it must
have been seen, a leader that died and is still recorded, and what a busy cloud takes for a list and a request."""
DOUBT = 5.0
"""Seconds after which a serving node's server must be missing still: records of a server that lags are older."""


class Witness:
    """One thread looks at the cloud, the store's thread at each change of the records; any thread may ask."""

    def __init__(self, store: ZooKeeperStore, outside: Outside, journal: Journal) -> None:
        self._store = store
        self._outside = outside
        self._journal = journal
        self._lock = threading.Lock()
        self._ledger = Ledger()
        self._leaders: dict[str, str] = {}
        self._tenures: list[tuple[float, str]] = []
        """When somebody became the leader of what."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="witness")
        self._stray_since: dict[str, tuple[str, float]] = {}
        self._missing_since: dict[str, float] = {}
        self.most_servers = 0
        self.longest_stray = 0.0
        self.strays: set[str] = set()
        self.servers: set[str] = set()
        """All that were ever listed."""
        self.looks = 0

    def start(self) -> None:
        """Begin to look."""
        self._subscription = self._store.subscribe(self._read)
        self._subscription.__enter__()
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()
        self._subscription.__exit__(None, None, None)

    def records(self) -> Snapshot:
        """Return what is recorded; raises StoreUnavailableError when that cannot be said."""
        return self._store.snapshot()

    def leader(self, what: str) -> str:
        """Return the member that leads, as last seen, dead or alive; empty if nobody does."""
        with self._lock:
            return _member(self._leaders.get(what, ""))

    def taken_over(self, what: str, since: float) -> float | None:
        """Return how many seconds after `since` (monotonic) somebody became the leader of something; None: not yet."""
        with self._lock:
            moments = [moment for moment, thing in self._tenures if thing == what and moment > since]
        return moments[0] - since if moments else None

    def lost(self) -> list[str]:
        """Return what is not in the records any more and must be; raises StoreUnavailableError."""
        records = self._store.snapshot()
        with self._lock:
            return list(self._ledger.lost(records))

    def counts(self) -> tuple[int, int]:
        """Return how many nodes and leases were ever seen."""
        with self._lock:
            return len(self._ledger.nodes), len(self._ledger.leases)

    def _read(self) -> None:
        with suppress(StoreUnavailableError):
            records = self._store.snapshot()
            with self._lock:
                self._ledger.add(records)
                self._note_leaders({name: each.holder for name, each in records.leaders.items()})

    def _note_leaders(self, leaders: Mapping[str, str]) -> None:
        for what, holder in leaders.items():
            if self._leaders.get(what) != holder:
                self._tenures.append((time.monotonic(), what))
                self._journal.say(f"    {_member(holder).removeprefix('launcher-').rpartition('-')[0]} leads {what}")
        self._leaders = dict(leaders)

    def _watch(self) -> None:
        try:
            self._look_again_and_again()
        except BaseException:
            self._journal.accuse("the witness fell asleep: what came later was not seen")
            raise

    def _look_again_and_again(self) -> None:
        while not self._stop.wait(PAUSE):
            try:
                before = self._nodes()
                servers = tuple(self._outside.servers())
                self._judge(Look(before, servers, self._nodes()))
            except StoreUnavailableError:
                self._stray_since = {}  # without ZooKeeper no leader may sweep
            except UNANSWERED as problem:
                self._journal.say(f"the cloud does not answer the witness: {problem}")

    def _nodes(self) -> Mapping[str, Node]:
        return self._store.read(Node).nodes

    def _judge(self, look: Look) -> None:
        now = time.monotonic()
        self.looks += 1
        self.servers |= {each.id for each in look.servers}
        self.most_servers = max(self.most_servers, len(look.servers))
        with self._lock:
            found = [*look.broken(MAX_SERVERS), *self._ledger.broken()]
            tenure = self._leaders.get(f"provider/{PROVIDER}", "")
        found += self._overstaying({each.id for each in look.strays}, tenure, now)
        found += self._robbed({each.id for each in look.missing}, now)
        for each in found:
            self._journal.accuse(each)

    def _overstaying(self, strays: set[str], tenure: str, now: float) -> list[str]:
        """Servers without a record that one leader has not swept for too long; a new leader begins anew."""
        self.strays |= strays
        kept = {each: self._stray_since.get(each, ("", now)) for each in strays}
        self._stray_since = {
            each: (tenure, since if who == tenure and tenure else now) for each, (who, since) in kept.items()
        }
        ages = {each: now - since for each, (_, since) in self._stray_since.items()}
        self.longest_stray = max([self.longest_stray, *ages.values()])
        return [f"server {each} has no record for more than a sweep" for each, age in ages.items() if age > SWEEP]

    def _robbed(self, missing: set[str], now: float) -> list[str]:
        """Nodes that serve and whose server somebody has taken away."""
        self._missing_since = {each: self._missing_since.get(each, now) for each in missing}
        return [
            f"node {each} serves, and its server is gone"
            for each, since in self._missing_since.items()
            if now - since > DOUBT
        ]


def _member(holder: str) -> str:
    """Return the member id of `<member>/<session>`."""
    return holder.partition("/")[0]
