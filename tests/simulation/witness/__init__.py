"""Those who see everything that happens and hold it against what the pool promises at every moment."""

from typing import TYPE_CHECKING

from nodepool_lite.store.base import Snapshot
from tests.simulation.promises import UNFORESEEN
from tests.simulation.witness.bounds import Bounds
from tests.simulation.witness.claims import Claims
from tests.simulation.witness.images import Images
from tests.simulation.witness.leads import Leads
from tests.simulation.witness.nodes import Nodes
from tests.simulation.witness.patience import Patience
from tests.simulation.witness.servers import Servers

if TYPE_CHECKING:
    from tests.simulation.universe import Universe


class Witness:
    """Looks after each step; what is broken is in `broken`, a sentence each."""

    def __init__(self, universe: "Universe") -> None:
        self.broken: list[str] = []
        self._universe = universe
        self._before = Snapshot()
        complain = self.broken.append
        self.servers = Servers(universe, complain)
        self._leads = Leads(universe, complain)
        self._bounds = Bounds(universe, complain)
        self._watchers = (
            self.servers,
            Nodes(universe, complain),
            Claims(universe, complain),
            Images(universe, complain),
            Patience(universe, complain),
            self._leads,
        )

    def look(self) -> None:
        """Hold what has changed since the last look against the promises."""
        if self._universe.story.crashes:
            self.broken.extend(f"{UNFORESEEN}: {each}" for each in self._universe.story.crashes)
        after = self._universe.server.snapshot()
        before, self._before = self._before, after
        if after is not before:
            for watcher in self._watchers:
                watcher.look(before, after)
        self._leads.wait()
        self._bounds.wait()
