"""Leadership: whatever a process could lead is led, soon after whoever led it has died."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from nodepool_lite.daemon.leadership import candidacies
from nodepool_lite.store.base import Snapshot
from tests.simulation.process import Process
from tests.simulation.witness.changes import Watcher, changes

if TYPE_CHECKING:
    from tests.simulation.universe import Universe

TAKEOVER = 20.0
"""Seconds that a healthy process may take, busy and slow as it may be, to take over what nobody leads."""


class Leads(Watcher):
    """Looks at who leads what."""

    def __init__(self, universe: "Universe", complain: Callable[[str], None]) -> None:
        super().__init__(universe, complain)
        self._led: frozenset[str] = frozenset()
        self._lost: dict[str, float] = {}
        """What was led and is not any more -> since when."""
        self._looked = 0.0

    def look(self, before: Snapshot, after: Snapshot) -> None:
        """Look at what has changed."""
        for leader, _ in changes(after.leaders, before.leaders):
            self.universe.story.tell("store", f"{leader.holder} leads {leader.id}")
        if after.leaders is not before.leaders:
            for lead in before.leaders.keys() - after.leaders.keys():
                self._lost[lead] = self.now
            for lead in after.leaders:
                self._lost.pop(lead, None)

    def wait(self) -> None:
        """See that nothing goes without a leader for long; a look at each second is enough."""
        if not self._lost or self.now < self._looked + 1.0:
            return
        self._looked = self.now
        for lead, since in self._lost.items():
            if since < self.now - TAKEOVER:
                for host in self.universe.hosts:
                    for process in host.processes:
                        if self._should_lead(process, lead):
                            self.complain(f"nobody leads {lead}, and {process.name} could")

    def _should_lead(self, process: Process, lead: str) -> bool:
        able = lead in process.leads and lead in candidacies(process.roles, process.live.config)
        healthy = process.healthy_since < self.now - TAKEOVER and process.raw.connected
        return able and healthy and not process.stopping and process.frozen_until < self.now
