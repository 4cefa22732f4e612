"""One run: a pool, its users and its misfortunes, all drawn from one seed; first it lives, then it comes to rest."""

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

from nodepool_lite.clouds.simulated import SimulatedOptions
from nodepool_lite.config.settings import Config, Label
from nodepool_lite.model.pool import Pool
from nodepool_lite.store.memory import MemoryServer
from tests.simulation.clouds import WatchedCloud
from tests.simulation.host import Host, Slot
from tests.simulation.insides import Insides
from tests.simulation.misfortune import Misfortune
from tests.simulation.peace import unrest
from tests.simulation.people import Operator, load_soon
from tests.simulation.premises import BAD, MODES, POOL_ID, Premises, drawn
from tests.simulation.process import Caller
from tests.simulation.schedule import Life, Schedule
from tests.simulation.story import Story
from tests.simulation.users import User
from tests.simulation.weather import Weather
from tests.simulation.witness import Witness
from tests.simulation.workshop import had_before

CALM = 30.0
"""Seconds for which all must be well in the end."""
LOADED = 30.0
"""Seconds after which every process has loaded a new configuration."""
HURRIED = 0.2
"""Share of the time they may else take that people, builds and uploads take once trouble is over."""
UNHURRIED = 0.5
"""Seconds within which a process that was woken makes its pass from then on: more passes would show the same."""
PATIENCE = 1200.0
"""Seconds after which it must be: a back-off has grown meanwhile, and then a node is made from nothing."""


class BrokenPromiseError(AssertionError):
    """The pool did what it must never do; the message says what."""


class Universe:
    """All that there is in one run."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.seed = seed
        self.random = random = Random(seed)
        self.directory = directory
        self.schedule = Schedule(random)
        self.story = Story(self.schedule.now)
        self.weather = Weather(random)
        self.server = MemoryServer()
        self.insides = Insides(random, self.weather)
        self.world = Life()
        """Those who do things to the pool, and what goes on by itself."""
        self._fate = Life()
        self.bad_because = random.choice(MODES)
        self.unbuildable = BAD if self.bad_because == "image" else ""
        self.insides.failing_label = BAD if self.bad_because == "script" else ""
        self.premises = self._base = drawn(random)
        self._loaded = [self.premises]
        """What may be in use somewhere in the pool."""
        self.generation = 1
        self._config: tuple[Premises, Config] | None = None
        self.calm_since = math.inf
        """From when on nothing goes wrong any more, and everybody has heard how the pool is to be."""
        self.tempo = random.choice([0.02, 0.2, 0.5])
        """Seconds within which a process that was woken makes its pass."""
        self.pace = 1.0
        """How long people, builds and uploads take, as a share of the longest."""
        self.threads = random.choice([1, 3, 16])
        self.clients: list[Caller] = []
        self.witness = Witness(self)
        self.all_clouds = [self._cloud(index) for index in range(1 + max(door.cloud for door in self.premises.doors))]
        self.clouds = {door.name: self.all_clouds[door.cloud] for door in self.premises.doors}
        self._pids = itertools.count(1)
        self._attempts = itertools.count(1)
        self._visits = itertools.count(1)
        self.hosts = self._hosts()
        store = self.server.connect()
        store.create(Pool(id="self", pool_id=POOL_ID, created=self.schedule.now()))
        if random.random() < 2 / 3:
            had_before(self)
        for host in self.hosts:
            self.schedule.start(self.world, host.keep_running)

    @property
    def config(self) -> Config:
        """The configuration that is to be in use."""
        if self._config is None or self._config[0] is not self.premises:
            self._config = (self.premises, self.premises.config(self.directory))
        return self._config[1]

    def live(self, seconds: float) -> None:
        """Let everything happen that may."""
        random = self.random
        if random.random() < 1 / 2:
            self._run(60.0)
        self.story.tell("*", "trouble begins", **vars(self.weather) | {"_random": ""})
        misfortune = Misfortune(self)
        busy = random.choice([0.7, 1.0, 2.0])
        self._recurring(busy * 16.0, self._visit)
        self._recurring(busy * 30.0, self._operate)
        self._recurring(random.choice([8.0, 20.0, 60.0]), misfortune.strike)
        if len(self.hosts) > 1 and random.random() < 1 / 4:
            self.after(random.random() * seconds, misfortune.lose_host)
        if random.random() < 1 / 3:
            self._recurring(3.0, misfortune.lag)
        self._run(seconds)

    def settle(self) -> None:
        """End all trouble, and wait until the pool is as it should be."""
        self.story.tell("*", "trouble is over")
        self._fate.alive = False
        self.weather.clear_up()
        self.insides.hurry()
        self.pace, self.tempo = HURRIED, UNHURRIED
        for cloud in self.all_clouds:
            cloud.away = False
            cloud.options = cloud.options.but(max_servers=None, poll_interval=5)
        for host in self.hosts:
            host.down = False
            for process in host.processes:
                process.doom = None
        self.premises = replace(
            self._base, labels=_ageless(self._base.labels), recipe=self.premises.recipe, script=self.premises.script
        )
        self.announce_configuration()
        self.after(LOADED, self._mend_images)  # a wish for what is not configured is dropped
        self._run(LOADED)
        self.calm_since = self.schedule.now()
        calm, end = self.schedule.now(), self.schedule.now() + PATIENCE
        while self.schedule.now() < calm + CALM:
            self._run(5.0)
            found = list(unrest(self))
            if found:
                calm = self.schedule.now()
                if calm > end:
                    raise self._broken([*found, "the pool does not come to rest"])

    @contextmanager
    def ended(self) -> Iterator["Universe"]:
        """Have all that goes on ended with the block."""
        try:
            yield self
        finally:
            self.schedule.end()

    def after(self, seconds: float, work: Callable[[], object]) -> None:
        """Have something happen, whatever comes."""
        self.schedule.start(self.world, work, after=seconds)

    def announce_configuration(self) -> None:
        """Let every process load the configuration as it is now, some later than others."""
        self.generation += 1
        self._loaded.append(self.premises)
        for host in self.hosts:
            for process in host.processes:
                self.schedule.start(self.world, lambda process=process: load_soon(process))
        self.after(60.0, lambda: self._loaded.pop(0))

    def leads_of(self, roles: frozenset[str]) -> set[str]:
        """Return what a process of these roles can lead."""
        providers = {f"provider/{door.name}" for door in self._base.doors}
        return ({"builder"} if "builder" in roles else set()) | (
            {"planner", *providers} if "launcher" in roles else set()
        )

    def new_pid(self) -> int:
        """Return a number that no process had."""
        return next(self._pids)

    def new_attempt(self) -> str:
        """Return a mark that no request for a server had."""
        return f"attempt-{next(self._attempts)}"

    def most_servers(self, provider: str) -> int:
        """Return how many servers a provider may have by any configuration that may be in use."""
        return max(
            door.max_servers for each in (self._base, *self._loaded) for door in each.doors if door.name == provider
        )

    def most_wanted(self) -> dict[str, int]:
        """Return how many ready nodes of each label are wanted by any configuration that may be in use."""
        found: dict[str, int] = {}
        for premises in self._loaded:
            for label in premises.labels:
                found[label.name] = max(found.get(label.name, 0), label.min_ready)
        return found

    def left_out(self) -> frozenset[str]:
        """Return the labels and providers that some configuration that may be in use does without."""
        return frozenset().union(*(premises.without for premises in self._loaded))

    def script_retries(self, label: str) -> int:
        """Return how often a failed ready-script of a label may be run again."""
        return next(each.ready_script_retries for each in self._base.labels if each.name == label)

    def changed_lately(self) -> bool:
        """Tell whether some process may not have heard of the configuration as it is."""
        return len(self._loaded) > 1

    def most_retries(self, provider: str) -> int:
        """Return how many failures in a row are tried again at once at a provider."""
        return next(door.retries for door in self._base.doors if door.name == provider)

    def _run(self, seconds: float) -> None:
        self.schedule.run(self.schedule.now() + seconds, self._look)

    def _look(self) -> None:
        self.witness.look()
        if self.witness.broken:
            raise self._broken(self.witness.broken)

    def _broken(self, what: list[str]) -> BrokenPromiseError:
        return BrokenPromiseError("; ".join(what))

    def _cloud(self, index: int) -> WatchedCloud:
        pick = self.random.choice
        lacking = {BAD: "there is no such flavor"} if self.bad_because == "cloud" else {}
        options = SimulatedOptions(
            boot_time=pick([0, 2, 20]),
            delete_time=pick([0, 3]),
            poll_interval=pick([1, 5]),
            floating_addresses=pick([False, False, True]),
            impossible_labels=lacking,
            images=("their-image",),
            seed=self.seed,
        )
        return WatchedCloud(self, index, options)

    def _hosts(self) -> list[Host]:
        """Return the machines, with launchers and builders on them in one of the usual ways."""
        both, launcher, builder = frozenset({"launcher", "builder"}), frozenset({"launcher"}), frozenset({"builder"})
        layout = self.random.choice([[[both]], [[both], [both]], [[launcher, builder]], [[launcher, builder]] * 2])
        slots = [[Slot(roles, self.leads_of(roles)) for roles in host] for host in layout]
        self._spread([slot for own in slots for slot in own])
        return [Host(self, f"host-{index}", tuple(own)) for index, own in enumerate(slots, 1)]

    def _spread(self, slots: list[Slot]) -> None:
        """In some runs, let most things be led by some of those only who could, so that several lead at a time."""
        if self.random.random() < 1 / 2:
            return
        for lead in sorted(set().union(*(slot.leads for slot in slots))):
            able = [slot for slot in slots if lead in slot.leads]
            for slot in self.random.sample(able, self.random.randrange(len(able))):
                slot.leads.discard(lead)

    def _recurring(self, mean: float, deed: Callable[[], object]) -> None:
        def recur() -> None:
            while True:
                self.schedule.pause(self.random.expovariate(1 / mean))
                deed()

        self.schedule.start(self._fate, recur)

    def _visit(self) -> None:
        """Let a user come, or a few who all want the same at the same moment."""
        label = self.random.choice([each.name for each in self.config.labels] or [BAD])
        for _ in range(self.random.choice([1, 1, 1, 3])):
            user = User(self, next(self._visits), label)
            self._enter(user, user.visit)

    def _operate(self) -> None:
        operator = Operator(self, next(self._visits))
        self._enter(operator, operator.act)

    def _enter(self, client: Caller, work: Callable[[], object]) -> None:
        self.clients = [each for each in self.clients if each.alive]
        self.clients.append(client)
        self.schedule.start(client, work)

    def _mend_images(self) -> None:
        """Ask for what people withdrew: nobody but they can bring it back."""
        operator = Operator(self, next(self._visits))
        self._enter(operator, operator.mend_images)


def _ageless(labels: tuple[Label, ...]) -> tuple[Label, ...]:
    """Return the labels without a limit that would have their nodes replaced for ever."""
    return tuple(label.but(max_ready_age=0.0) for label in labels)
