"""One machine that processes of the pool run on: it keeps its files and its configuration whoever dies on it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodepool_lite.config.settings import Config
from tests.simulation.process import Live, Process

if TYPE_CHECKING:
    from tests.simulation.universe import Universe


@dataclass(eq=False)
class Slot:
    """A process that is to run on a host, whichever it is at the moment."""

    roles: frozenset[str]
    leads: set[str]
    """What it stands for as a leader, of all that its roles would let it."""


class Host:
    """A machine."""

    def __init__(self, universe: "Universe", name: str, slots: tuple[Slot, ...]) -> None:
        self.universe = universe
        self.name = name
        self.directory = universe.directory / name
        self.slots = slots
        self.running: dict[Slot, Process] = {}
        self.down = False
        """Nothing is started again on it for the time being."""
        self.lost = False
        """Nothing is ever started on it again."""

    @property
    def processes(self) -> list[Process]:
        """The processes that live."""
        return [each for each in self.running.values() if each.alive]

    def live(self) -> Live:
        """Return what a process that loads its configuration now will have."""
        premises = self.universe.premises
        config = self._config()
        recipes = {image.name: f"{image.name}-{premises.recipe}" for image in config.diskimages}
        scripts = {label.name: f"script-{premises.script}" for label in config.labels if label.ready_script}
        return Live(config, scripts, recipes, digest=str(self.universe.generation))

    def keep_running(self) -> None:
        """Start each process again that has died, after a while, unless the host is down; until it is lost."""
        schedule, random = self.universe.schedule, self.universe.random
        while not self.lost:
            for slot in self.slots:
                if not self.down and (slot not in self.running or not self.running[slot].alive):
                    self._start(slot)
            schedule.pause(0.1 + random.random() * random.choice([1.0, 20.0]))

    def _start(self, slot: Slot) -> None:
        universe = self.universe
        self.running[slot] = Process(self, universe.new_pid(), slot.roles, slot.leads, universe.threads)

    def _config(self) -> Config:
        return self.universe.premises.config(self.directory)
