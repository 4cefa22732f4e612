"""What happens in a run, one phase after the other, while the processes are looked after."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodepool_lite.config.settings import Config
from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.service import leases
from nodepool_lite.store.base import Snapshot
from nodepool_lite.store.zookeeper import ZooKeeperStore
from tests.chaos import ensemble
from tests.chaos.book import Book
from tests.chaos.journal import Journal
from tests.chaos.launchers import NUMBERS, SESSION, write_config
from tests.chaos.mischief import LEADS, Mischief
from tests.chaos.outside import UNANSWERED, Outside
from tests.chaos.plot import plot
from tests.chaos.promises import unsettled
from tests.chaos.users import make_users
from tests.chaos.witness import Witness

SETTLE_LIMIT = 240.0
CALM = 3.0
"""Seconds for which all must be well."""
TAKEOVER_LIMIT = SESSION + 2 * ensemble.TICK + 1.0
"""Seconds from a death to its successor: sessions end at multiples of a tick, and a busy host takes its time."""
HANDOVER_LIMIT = 2.0
"""The same from the moment in which a launcher that leads is told to stop."""


@dataclass
class Run:
    """Everything that one run needs, with all parts running."""

    directory: Path
    config: Config
    journal: Journal
    store: ZooKeeperStore
    outside: Outside
    witness: Witness
    mischief: Mischief
    seed: int
    book: Book
    takeovers: list[float] = field(default_factory=list)
    handovers: list[float] = field(default_factory=list)

    def trouble(self, kills: int) -> None:
        """Do everything to the parts, while users come and go."""
        users = make_users(self.directory / "user" / "nodepool.yaml", self.book, self.seed)
        for user in users:
            user.start()
        self.mischief.perform(plot(self.seed, kills), self.witness)
        self.journal.say("everything runs and is left alone; users finish what they are at")
        for user in users:
            user.finish()
        while any(user.is_alive() for user in users):
            self.mischief.tend(0.2)

    def settle(self) -> None:
        """Wait until all is as it should be, and stays so for a while."""
        began = time.monotonic()
        self._wait_until("every waiting lease is answered", lambda records: _none(records, LeaseState.WAITING))
        self._give_back()
        self.journal.say(f"every lease is answered, {time.monotonic() - began:.1f} s after the last trouble")
        reasons: list[str] = []

        def well() -> bool:
            reasons[:] = self._unsettled()
            return not reasons

        if self.mischief.tend_until(well, SETTLE_LIMIT):
            self.mischief.tend(CALM)
        if well():
            self.journal.say(f"all is as it should be, {time.monotonic() - began:.1f} s after the last trouble")
        for reason in reasons:
            self.journal.accuse(f"it does not settle: {reason}")
        for each in self.witness.lost():
            self.journal.accuse(each)

    def measure(self, times: int) -> None:
        """Let leaders die and stop with nothing else going on, and see how long that is felt."""
        for _ in range(times):
            self.takeovers.append(self._succession("kill -9", TAKEOVER_LIMIT))
            self.handovers.append(self._succession("clean stop", HANDOVER_LIMIT))

    def end(self, foreign: str) -> None:
        """Want nothing any more: the pool takes away what it made, and nothing else."""
        for name in NUMBERS:
            write_config(self.directory / name, ones=0, pairs=0)
        if self.mischief.tend_until(self._is_empty, SETTLE_LIMIT):
            self.journal.say("nothing is wanted any more, and nothing is left in the cloud")
        else:
            self.journal.accuse(f"servers are left: {self.outside.servers()}")
        for port in self.outside.ports_of(self.witness.servers):
            self.journal.accuse(f"port {port} of a server that is gone is left")
        if not self.outside.is_untouched(foreign):
            self.journal.accuse("the server of another pool was deleted")

    def sum_up(self) -> None:
        """Say what was done and seen."""
        say, witness = self.journal.say, self.witness
        nodes, given = witness.counts()
        done = sorted(self.mischief.done.items())
        say("done: " + ", ".join(f"{count} x {what}" for what, count in done))
        say("users: " + ", ".join(f"{count} {what}" for what, count in sorted(self.book.counts.items())))
        say(f"recorded: {nodes} nodes, {given} leases")
        say(f"cloud: {len(witness.servers)} servers, {witness.most_servers} at most at once; {witness.looks} looks")
        say(f"servers without a record: {len(witness.strays)}, {witness.longest_stray:.1f} s at most under one leader")
        say(f"successor after kill -9: {_spread(self.takeovers)}; after a clean stop: {_spread(self.handovers)}")

    def _wait_until(self, what: str, condition: Callable[[Snapshot], bool]) -> None:
        def fulfilled() -> bool:
            try:
                return condition(self.witness.records())
            except StoreUnavailableError:
                return False

        if not self.mischief.tend_until(fulfilled, SETTLE_LIMIT):
            self.journal.accuse(f"it was in vain that we waited for: {what}")

    def _give_back(self) -> None:
        """End what users have left over: those whose command was killed, or who were never told what they got."""
        for lease in self.store.read().leases.values():
            if lease.state is LeaseState.ACTIVE:
                leases.release(self.store, lease.id, "the run", time.time())

    def _unsettled(self) -> list[str]:
        try:
            return list(unsettled(self.witness.records(), self.outside.servers(), self.config))
        except (StoreUnavailableError, *UNANSWERED) as problem:
            return [str(problem)]

    def _is_empty(self) -> bool:
        try:
            return not self.witness.records().nodes and not self.outside.servers()
        except (StoreUnavailableError, *UNANSWERED):
            return False

    def _succession(self, how: str, limit: float) -> float:
        """End the launcher that leads, and return how many seconds later others lead all that it led."""
        self._wait_until("all launchers are there", lambda records: len(records.members) == len(NUMBERS))
        leader = self.mischief.leader(LEADS[0], self.witness)
        assert leader is not None, "nobody leads, though all was well just now"
        led = [what for what in LEADS if self.mischief.leader(what, self.witness) == leader]
        began = time.monotonic()
        if how == "clean stop":
            self.mischief.stop(leader, restart=1.0)
        else:
            self.mischief.kill(leader, restart=limit)  # by its successor's time it must not have taken part

        def successions() -> list[float | None]:
            return [self.witness.taken_over(what, began) for what in led]

        self.mischief.tend_until(lambda: None not in successions(), 4 * SESSION)
        took = max(4 * SESSION if each is None else each for each in successions())
        self.journal.say(f"{how} of {leader}, which led {', '.join(led)}: led by another {took:.2f} s later")
        if took > limit:
            self.journal.accuse(f"after a {how} it took {took:.2f} s until another led")
        return took


def _none(records: Snapshot, state: LeaseState) -> bool:
    return all(lease.state is not state for lease in records.leases.values())


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "not measured"
    return f"{min(seconds):.2f} / {statistics.median(seconds):.2f} / {max(seconds):.2f} s (least, median, most)"
