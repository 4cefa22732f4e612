"""Doing the deeds: one loop that kills, freezes, cuts and sets clocks, undoes it in time, and starts what has ended."""

import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from tests.chaos import ensemble, network
from tests.chaos.journal import Journal
from tests.chaos.kept import Kept
from tests.chaos.launchers import PROVIDER, Launcher
from tests.chaos.plot import LEADING, Deed, Kind
from tests.chaos.witness import Witness

STEP = 0.05
LEADS = ("planner", f"provider/{PROVIDER}")
RESTART = 1.0
"""Seconds until a process that ended by itself is started again."""
VICTIM_LIMIT = 90.0
REPLACED_LIMIT = 30.0
"""Seconds for which a frozen leader waits longer than it has to, until another one leads."""
STOP_LIMIT = 5.0
"""Seconds within which a launcher that was told to has to end."""


class Mischief:
    """Used by one thread, which also keeps the processes: none of them may outlive a thread that starts them."""

    def __init__(self, launchers: Sequence[Launcher], servers: Sequence[Kept], journal: Journal) -> None:
        self._launchers = {each.name: each for each in launchers}
        self._processes: Mapping[str, Kept] = {each.name: each for each in (*launchers, *servers)}
        self._journal = journal
        self._undoing: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._waiting: dict[str, float] = {}
        """Processes that have ended, and when they are to be started."""
        self._busy: set[str] = set()
        """Victims of something that lasts."""
        self.done: Counter[str] = Counter()

    def start(self) -> None:
        """Start everything."""
        for process in self._processes.values():
            process.start()

    def end(self) -> None:
        """End everything, at once."""
        for process in self._processes.values():
            process.kill()

    def perform(self, deeds: Sequence[Deed], witness: Witness) -> None:
        """Do them all, one after the other, and return when the last one has been undone."""
        for deed in deeds:
            self.tend(deed.pause)
            self._do(deed, witness)
        while self._undoing or self._waiting:
            self.tend(STEP)

    def tend(self, seconds: float) -> None:
        """Let so much time go by, in which the processes are looked after."""
        end = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            while self._undoing and self._undoing[0][0] <= now:
                heapq.heappop(self._undoing)[2]()
            self._start_what_has_ended(now)
            if now >= end:
                return
            time.sleep(min(STEP, end - now))

    def tend_until(self, condition: Callable[[], bool], patience: float) -> bool:
        """Look after the processes until something is so; return whether it came to be in time."""
        end = time.monotonic() + patience
        while not condition():
            if time.monotonic() > end:
                return False
            self.tend(STEP)
        return True

    def leader(self, what: str, witness: Witness) -> str | None:
        """Return the launcher that leads something and lives; its record outlives a dead one by a while."""
        member = witness.leader(what)
        return next((each.name for each in self._launchers.values() if each.alive and each.member == member), None)

    def kill(self, name: str, restart: float) -> None:
        """End it with kill -9, and start it again so many seconds later."""
        self._processes[name].kill()
        self._waiting[name] = time.monotonic() + restart

    def stop(self, name: str, restart: float) -> None:
        """End a process politely, and start it again so many seconds later; complain when it takes its time."""
        process = self._processes[name]
        began = time.monotonic()
        process.stop()
        while process.alive and time.monotonic() - began < 4 * STOP_LIMIT:
            time.sleep(STEP)
        took = time.monotonic() - began
        if took > STOP_LIMIT:
            self._journal.accuse(f"{name} took {took:.1f} s to end")
        self._waiting[name] = time.monotonic() + restart

    def _do(self, deed: Deed, witness: Witness) -> None:
        found = self._wait_for_victim(deed, witness)
        if found is None:
            self._journal.accuse(f"{deed.kind}: for {VICTIM_LIMIT:.0f} s nobody was there whom it could befall")
            return
        leads = [what for what in LEADS if self.leader(what, witness) == found]
        role = f" (leads {', '.join(leads)})" if leads else ""
        self.done[f"{deed.kind} {found.partition('-')[0]}" if deed.kind is Kind.KILL else deed.kind] += 1
        match deed.kind:
            case Kind.KILL:
                self._journal.say(f"kill -9 {found}{role}")
                self.kill(found, deed.lasts)
            case Kind.STOP:
                self._journal.say(f"clean stop of {found}{role}")
                self.stop(found, deed.lasts)
            case Kind.FREEZE:
                self._journal.say(f"SIGSTOP {found}{role} for {deed.lasts:.1f} s")
                self._processes[found].freeze()
                self._thaw_when_replaced(found, deed.lasts, witness)
            case Kind.CLOCK:
                self._journal.say(f"clock of {found}{role} set by {deed.ahead:+.0f} s for {deed.lasts:.1f} s")
                self._launchers[found].set_clock(deed.ahead)
                self._later(
                    deed.lasts, found, f"clock of {found} set right", lambda: self._launchers[found].set_clock(0)
                )
            case _:
                self._cut(deed, found, role)

    def _cut(self, deed: Deed, found: str, role: str) -> None:
        bridges: tuple[network.Bridge, ...] = (network.RECORDS,)
        what = "from ZooKeeper"
        if deed.kind is not Kind.CUT_LAUNCHER:
            what = "from its peers" if deed.only_among_themselves else "from peers and clients"
            bridges = (network.QUORUM,) if deed.only_among_themselves else (network.QUORUM, network.RECORDS)
        rank = {Kind.CUT_LEADER: " (leads the ensemble)", Kind.CUT_FOLLOWER: " (follows)"}.get(deed.kind, role)
        self._journal.say(f"{found}{rank} cut off {what} for {deed.lasts:.1f} s")
        network.cut(found, *bridges)
        self._later(deed.lasts, found, f"{found} reachable again", lambda: network.mend(found, *bridges))

    def _wait_for_victim(self, deed: Deed, witness: Witness) -> str | None:
        """Return the victim; just now there may be none, as when an ensemble elects its leader."""
        end = time.monotonic() + VICTIM_LIMIT
        while (found := self._victim(deed, witness)) is None and time.monotonic() < end:
            self.tend(10 * STEP)
        return found

    def _victim(self, deed: Deed, witness: Witness) -> str | None:
        """Return whom a deed befalls: who is named or leads, or the next one that lives and has nothing else."""
        if deed.kind in (Kind.CUT_LEADER, Kind.CUT_FOLLOWER):
            wanted = "leader" if deed.kind is Kind.CUT_LEADER else "follower"
            return next(
                (name for name, mode in ensemble.modes().items() if mode == wanted and self._is_spare(name)), None
            )
        if deed.kind in LEADING:
            found = self.leader(f"provider/{PROVIDER}", witness)
            return found if found and self._is_fit(found, deed.kind) else None
        candidates = list(self._processes if deed.kind is Kind.KILL else self._launchers)
        first = candidates.index(deed.whom)
        in_turn = candidates[first:] + candidates[:first]
        return next((each for each in in_turn if self._is_fit(each, deed.kind)), None)

    def _is_fit(self, name: str, kind: Kind) -> bool:
        spare = name not in ensemble.NUMBERS or self._is_spare(name)
        whole = self._processes[name].alive and not self._processes[name].frozen
        return whole and spare and (kind is Kind.KILL or name not in self._busy)

    def _is_spare(self, server: str) -> bool:
        """Whether ZooKeeper can do without a server: three promise to survive one, and here nothing more is asked.

        Debian's ZooKeeper 3.8.0 loses what it has confirmed when a second server dies while the first is being brought
        up to date (ZOOKEEPER-3023, 4643, 4646, 4785).
        """
        others = ensemble.NUMBERS.keys() - {server}
        return others.isdisjoint(self._busy) and others.isdisjoint(self._waiting) and ensemble.is_whole()

    def _thaw_when_replaced(self, name: str, lasts: float, witness: Witness) -> None:
        """Let a frozen leader go on after `lasts` seconds, once another one leads: then it is a stale one."""
        limit = time.monotonic() + lasts + REPLACED_LIMIT

        def thaw() -> None:
            successor = self.leader(f"provider/{PROVIDER}", witness)
            replaced = successor not in (None, name)
            if not replaced and time.monotonic() < limit:
                self._at(time.monotonic() + 10 * STEP, thaw)
                return
            self._busy.discard(name)
            self._journal.say(f"SIGCONT {name}, while {successor or 'nobody'} leads")
            self._processes[name].thaw()
            self.done["stale leader"] += replaced

        self._busy.add(name)
        self._at(time.monotonic() + lasts, thaw)

    def _later(self, seconds: float, whom: str, words: str, act: Callable[[], None]) -> None:
        def undo() -> None:
            self._busy.discard(whom)
            self._journal.say(words)
            act()

        self._busy.add(whom)
        self._at(time.monotonic() + seconds, undo)

    def _at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._undoing, (when, next(self._order), act))

    def _start_what_has_ended(self, now: float) -> None:
        for name, process in self._processes.items():
            if process.alive:
                continue
            if name not in self._waiting:
                self._journal.accuse(f"{name} ended by itself, with {process.status}")
                self._waiting[name] = now + RESTART
            elif self._waiting[name] <= now:
                del self._waiting[name]
                process.start()
