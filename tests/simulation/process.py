"""One process of the pool: the real engine in a loop, its workers, and its ends, by a kill or in good order."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nodepool_lite.actions.context import Context, Outcome
from nodepool_lite.actions.sightings import Sightings
from nodepool_lite.clouds.simulated import SimulatedDriver
from nodepool_lite.config.settings import Config
from nodepool_lite.daemon.engine import Engine, Facts
from nodepool_lite.daemon.leadership import Leadership, candidacies
from nodepool_lite.daemon.membership import Membership
from nodepool_lite.daemon.workers import Job
from nodepool_lite.model.errors import NodepoolError
from nodepool_lite.plan.actions import Action
from tests.simulation.insides import InsideReach
from tests.simulation.premises import FORMATS, POOL_ID
from tests.simulation.schedule import Life
from tests.simulation.story import Voice
from tests.simulation.tripwire import Killed
from tests.simulation.wires.cloud import CloudWire
from tests.simulation.wires.node import NodeWire
from tests.simulation.wires.store import StoreWire
from tests.simulation.workshop import build

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.universe import Universe

SESSION = 10.0
"""Seconds after which the store ends the session of a client that is silent."""
STOP_TIMEOUT = 4.0
"""Seconds for actions under way to end at a clean stop."""


class Caller(Life):
    """A life that calls others, through wires."""

    def __init__(self, universe: "Universe", name: str) -> None:
        super().__init__()
        self.name = name
        self.universe = universe
        self.weather = universe.weather
        self.schedule = universe.schedule
        self.raw = universe.server.connect()
        """Its client of the store."""
        self.store = StoreWire(self, self.raw)
        self.healthy_since = self.schedule.now()
        """Since when nothing has been done to it."""
        self.doom: int | None = None
        """How many points are left of its life."""

    def point(self, seconds: float) -> None:
        """Let that much time pass; or die here, now or while it passes."""
        if self.doom is not None:
            self.doom -= 1
            if self.doom <= 0:
                self.kill("where it is")
                raise Killed
        self.schedule.pause(seconds)

    def draw(self) -> float:
        """Return a random number from 0 to 1."""
        return self.universe.random.random()

    def tell(self, what: str, **details: object) -> None:
        """Add a line to the story."""
        self.universe.story.tell(self.name, what, **details)

    def hurt_for(self, seconds: float) -> None:
        """Note that it cannot do its work for so long."""
        self.healthy_since = max(self.healthy_since, self.schedule.now() + seconds)

    def later(self, seconds: float, work: Callable[[], object]) -> None:
        """Have something happen, whatever becomes of this life."""
        self.schedule.start(self.universe.world, work, after=seconds)

    def kill(self, how: str = "") -> None:
        """End it as SIGKILL does; its session goes on until the store misses it."""
        if self.alive:
            self.tell("* killed", how=how)
            self.alive = False
            self.later(SESSION, self.raw.close)


@dataclass
class Live:
    """What a process has loaded: its part of `LiveConfig`."""

    config: Config
    scripts: dict[str, str]
    recipes: dict[str, str]
    drivers: dict[str, CloudWire] = field(default_factory=dict)
    digest: str = ""
    error: str = ""
    path = Path("nodepool.yaml")

    @property
    def file(self) -> "Live":
        """Where its path is."""
        return self

    def notice(self) -> str:
        """Nothing keeps it from its work."""
        return ""


class Process(Caller):
    """A launcher, a builder, or both."""

    def __init__(self, host: "Host", pid: int, roles: frozenset[str], leads: set[str], workers: int) -> None:
        super().__init__(host.universe, "")
        self.host = host
        self.roles = roles
        self.stopping = False
        self._woken = False
        self.live = host.live()
        self._member = Membership(self.store, roles, self.live, host=host.name, pid=pid, started=self.schedule.now())
        self.name = self._member.id
        self.ctx = self._context()
        leadership = Leadership(self.store, self.name, lambda: candidacies(roles, self.live.config) & leads)
        self.leads = leads
        self.workers = Workers(self, workers)
        self.engine = Engine(self.ctx, leadership, self.workers, self._facts)
        self._subscription = self.raw.subscribe(self.wake)
        self._subscription.__enter__()
        self._loop = self.schedule.start(self, self._run)

    def wake(self) -> None:
        """Have its loop make a pass."""
        self._woken = True
        if self.alive:
            self.schedule.wake(self._loop, after=self.draw() * self.universe.tempo)

    def load(self) -> None:
        """Take its host's configuration."""
        fresh = self.host.live()
        self.live.config, self.live.scripts, self.live.recipes = fresh.config, fresh.scripts, fresh.recipes
        self.live.digest = fresh.digest
        self._open()
        self.hurt_for(0.0)
        self.wake()

    def stop(self) -> None:
        """End it as SIGTERM does."""
        self.tell("* told to stop")
        self.stopping = True
        self.ctx.stop.set()
        self.wake()

    def _run(self) -> None:
        self._open()
        self.tell("started")
        while not self.stopping:
            self._woken = False
            if self.raw.connected:
                self._announce()
            deadline = self.engine.step()
            if self._woken:
                self.schedule.pause(self.draw() * self.universe.tempo)
            else:
                self.schedule.idle(deadline)
        self.schedule.pause(self.draw() * STOP_TIMEOUT)
        self.tell("stopped")
        self.alive = False
        self.raw.close()

    def _announce(self) -> None:
        try:
            self._member.announce(self.engine.notice)
        except NodepoolError as error:
            self.tell("member.unannounced", reason=str(error))

    def _open(self) -> None:
        clouds = self.universe.clouds
        self.live.drivers = {
            each.name: CloudWire(self, SimulatedDriver(clouds[each.name], POOL_ID), FORMATS[each.name])
            for each in self.live.config.providers
        }

    def _context(self) -> Context:
        universe = self.universe
        reach = InsideReach(universe.insides, universe.clouds, self.schedule)
        return Context(
            store=self.store,
            clock=self.schedule,
            config=lambda: self.live.config,
            drivers=lambda: self.live.drivers,
            sightings=Sightings(),
            ssh=NodeWire(self, reach),
            log=Voice(universe.story, self.name),
            pool_id=POOL_ID,
            host=self.host.name,
            recipes=lambda: self.live.recipes,
            formats=lambda: FORMATS,
            build=lambda recipe, on_phase: build(self, recipe, on_phase),
            build_environment=lambda _image: {},
            new_attempt=universe.new_attempt,
        )

    def _facts(self) -> Facts:
        builder = "builder" in self.roles
        return Facts(
            script_digests=self.live.scripts,
            builder=builder,
            recipes=self.live.recipes if builder else {},
            image_formats=FORMATS,
        )


class Workers:
    """The threads of one process: a few for each lane, and one for each long action."""

    def __init__(self, process: Process, count: int) -> None:
        self._process = process
        self._count = count
        self._jobs: dict[str, deque[Job]] = defaultdict(deque)
        self._busy: Counter[str] = Counter()

    def submit(self, action: Action, work: Callable[[], Outcome], done: Callable[[Outcome], None]) -> None:
        """Start the work when a thread of its lane is free; long work at once."""
        start = self._process.schedule.start
        if action.long:
            start(self._process, lambda: self._do((action, work, done)))
            return
        self._jobs[action.lane].append((action, work, done))
        if self._busy[action.lane] < self._count:
            self._busy[action.lane] += 1
            start(self._process, lambda: self._serve(action.lane))

    def recall(self) -> list[Action]:
        """Take back what no thread has begun."""
        waiting = [action for jobs in self._jobs.values() for action, _, _ in jobs]
        self._jobs.clear()
        return waiting

    def _serve(self, lane: str) -> None:
        while self._jobs[lane]:
            self._do(self._jobs[lane].popleft())
        self._busy[lane] -= 1

    def _do(self, job: Job) -> None:
        _, work, done = job
        outcome = work()
        if self._process.weather.strikes(self._process.weather.preemption):
            self._process.point(0.0)
        done(outcome)
        self._process.wake()
