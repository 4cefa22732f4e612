"""A whole pool in one thread: the real engine, planners and executors on a simulated cloud, SSH and clock."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from traceback import format_exc
from typing import Any

from nodepool_lite.access.script import ScriptStart, ScriptStatus, Verification
from nodepool_lite.actions.context import Context, Outcome
from nodepool_lite.actions.dib.recipe import Recipe
from nodepool_lite.actions.sightings import Sightings
from nodepool_lite.clouds.simulated import SimulatedCloud, SimulatedDriver, SimulatedOptions
from nodepool_lite.config.settings import Config
from nodepool_lite.daemon.engine import Engine, Facts, Workers
from nodepool_lite.daemon.leadership import Leadership
from nodepool_lite.model.errors import BuildFailedError, NotYetReachableError, RemoteError, VerifyError
from nodepool_lite.model.image import ImageFile
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.plan.actions import Action
from nodepool_lite.store.base import Snapshot
from nodepool_lite.store.memory import MemoryServer, MemoryStore
from nodepool_lite.testing import NOW, FakeClock

POOL_ID = "pool-1"
Work = Callable[[], Outcome]
Done = Callable[[Outcome], None]


class Journal:
    """What the pool logs, as lines that tell the story of a run; printed as it comes unless `quiet`."""

    def __init__(self, clock: FakeClock, *, quiet: bool = False) -> None:
        self.lines: list[str] = []
        self.crashes: list[str] = []
        """Tracebacks of unforeseen errors."""
        self._clock = clock
        self._quiet = quiet

    def tell(self, event: str, **details: object) -> None:
        """Add a line, with the seconds since the beginning."""
        words = " ".join(f"{key}={value}" for key, value in details.items())
        self.lines.append(f"{self._clock.now() - NOW:8.1f}  {event:20} {words}".rstrip())
        if not self._quiet:
            print(self.lines[-1])  # noqa: T201 - pytest shows it with a failure

    debug = info = warning = error = tell

    def exception(self, event: str, **details: object) -> None:
        """Add a line about an error that nobody foresaw."""
        self.crashes.append(format_exc())
        self.tell(event, **details)
        self.lines.extend(self.crashes[-1].splitlines())


class InlineWorkers:
    """Carries out every action at once, in the caller's thread."""

    def submit(self, action: Action, work: Work, done: Done) -> None:  # noqa: ARG002 - of the protocol
        """Do it now."""
        done(work())

    def recall(self) -> list[Action]:
        """Nothing waits."""
        return []


class HeldWorkers:
    """Keeps actions until the test lets one run: a world in which the order of events is the test's."""

    def __init__(self, room: float = math.inf) -> None:
        self.held: list[tuple[Action, Work, Done]] = []
        """Those for which there was room: they have begun."""
        self._waiting: list[Action] = []
        self._room = room

    def submit(self, action: Action, work: Work, done: Done) -> None:
        """Keep it."""
        if len(self.held) < self._room:
            self.held.append((action, work, done))
        else:
            self._waiting.append(action)

    def recall(self) -> list[Action]:
        """Give back those for which there was no room."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def run(self, kind: type[Action] | None = None) -> Action:
        """Carry out the oldest held action (of `kind`)."""
        index = next(i for i, (action, _, _) in enumerate(self.held) if kind is None or isinstance(action, kind))
        return self.run_at(index)

    def run_at(self, index: int) -> Action:
        """Carry out one held action by its place."""
        action, work, done = self.held.pop(index)
        done(work())
        return action

    def run_all(self, *kinds: type[Action]) -> list[Action]:
        """Carry out all that is held now (of `kinds`), the oldest first."""
        chosen = [each for each in self.held if not kinds or isinstance(each[0], kinds)]
        self.held = [each for each in self.held if each not in chosen]
        for _, work, done in chosen:
            done(work())
        return [action for action, _, _ in chosen]


@dataclass
class SimulatedNodes:
    """What happens on the nodes: shared by all launchers, because a node outlives them."""

    unreachable: set[str] = field(default_factory=set)
    """Ids of nodes that do not answer."""
    runs: dict[str, list[str]] = field(default_factory=dict)
    """Node id -> run ids of the ready-scripts that were really started there."""
    info: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Node id -> ids of the members of its set, as last written there."""
    exit_status: int = 0
    script_seconds: float = 0.0
    complaint: str = ""
    """Why no ready-script can be started."""
    started: dict[str, float] = field(default_factory=dict)
    files: dict[str, set[str]] = field(default_factory=dict)
    """Node id -> names of the scripts that were put there."""
    verified: list[str] = field(default_factory=list)
    """Ids of the nodes whose verify-script was run, in order."""
    broken: dict[str, str] = field(default_factory=dict)
    """Node id, or `all` -> what its verify-script complains about."""


class SimulatedReach:
    """One launcher's way into the simulated nodes."""

    def __init__(self, nodes: SimulatedNodes, cloud: SimulatedCloud, clock: FakeClock) -> None:
        self._nodes = nodes
        self._cloud = cloud
        self._clock = clock

    def login(self, node: Node) -> str:
        """Succeed if the node's server runs."""
        self._check(node)
        return node.host_key or "ssh-ed25519 SEEN"

    def write_info(self, node: Node, members: tuple[Node, ...]) -> None:
        """Remember it."""
        self._check(node)
        self._nodes.info[node.id] = tuple(member.id for member in members)

    def start_script(self, node: Node, start: ScriptStart) -> None:
        """Start it, once per run id."""
        self._check(node)
        if self._nodes.complaint:
            raise RemoteError(self._nodes.complaint)
        self._nodes.files.setdefault(node.id, set()).update(start.files)
        runs = self._nodes.runs.setdefault(node.id, [])
        if start.run_id not in runs:
            runs.append(start.run_id)
            self._nodes.started[start.run_id] = self._clock.now()

    def poll_script(self, node: Node, run_id: str, offset: int) -> ScriptStatus:
        """Tell how far it is."""
        self._check(node)
        began = self._nodes.started.get(run_id)
        if began is None:
            return ScriptStatus(started=False)
        text = b"::step:: working\n"
        over = self._clock.now() >= began + self._nodes.script_seconds
        return ScriptStatus(
            started=True,
            running=not over,
            exit_status=self._nodes.exit_status if over else None,
            output=text[offset:],
            offset=len(text),
        )

    def place_scripts(self, node: Node, files: Mapping[str, bytes]) -> None:
        """Remember their names."""
        self._check(node)
        self._nodes.files.setdefault(node.id, set()).update(files)

    def verify(self, node: Node, call: Verification) -> bool:
        """Complain if the test wants that."""
        self._check(node)
        if call.name not in self._nodes.files.get(node.id, ()):
            return False
        self._nodes.verified.append(node.id)
        complaint = self._nodes.broken.get(node.id) or self._nodes.broken.get("all")
        if complaint:
            raise VerifyError(f"{call.name} ended with status 1: {complaint}")
        return True

    def forget(self, node_id: str) -> None:
        """Nothing is kept open."""

    def _check(self, node: Node) -> None:
        server = self._cloud.servers().get(node.server_id or "")
        runs = server is not None and not server.stopped and server.delete_asked is None
        if not runs or node.id in self._nodes.unreachable:
            raise NotYetReachableError(f"{node.id}: connection refused")


@dataclass
class Launcher:
    """One process of the pool: its engine, and what a test needs to hurt it."""

    name: str
    engine: Engine
    ctx: Context
    store: MemoryStore
    """Its client of the store."""
    alive: bool = True

    def step(self) -> float | None:
        """One pass of its loop."""
        return self.engine.step()

    def kill(self) -> None:
        """End it as SIGKILL does, and let its session expire."""
        self.alive = False
        self.store.close()


def unwired(thing: Any) -> Any:
    """Return the thing as it is."""
    return thing


class World:
    """One store, one cloud, and as many launchers as a test starts. Time moves only when the test says so."""

    def __init__(self, config: Config, tmp_path: Path, *, quiet: bool = False, **options: Any) -> None:
        self.clock = FakeClock()
        self.journal = Journal(self.clock, quiet=quiet)
        self.config = config
        self.server = MemoryServer()
        self.cloud = SimulatedCloud(self.clock, SimulatedOptions(**options))
        self.nodes_inside = SimulatedNodes()
        self.images = tmp_path
        tmp_path.mkdir(parents=True, exist_ok=True)
        self.broken_images: dict[str, str] = {}
        """Diskimage name -> why its builds fail."""
        self.built: list[str] = []
        self.while_building: Callable[[], object] = lambda: None
        """Called in the middle of each build."""
        self.scripts: dict[str, str] = {}
        self.formats: dict[str, tuple[str, ...]] = {}
        """Provider name -> image formats that it takes; qcow2 where nothing is said."""
        self.meanwhile: Callable[[], object] = lambda: None
        """Called while a launcher gathers what it plans from, between its records and its facts."""
        self.recipes: dict[str, str] = {image.name: "recipe-1" for image in config.diskimages}
        self.store: MemoryStore = self.server.connect()
        """The test's own client."""
        self.launcher = self.start()

    def start(
        self,
        name: str = "launcher-1",
        workers: Workers | None = None,
        wire: Callable[[Any], Any] = unwired,
        stands_for: Callable[[str], bool] = lambda _lead: True,
    ) -> Launcher:
        """Start one more process of the pool.

        `wire` may put something between it and each part of its world; `stands_for` says what it is ready to lead.
        """
        store = self.server.connect()
        ctx = Context(
            store=wire(store),
            clock=self.clock,
            config=lambda: self.config,
            drivers=lambda: {each.name: wire(SimulatedDriver(self.cloud, POOL_ID)) for each in self.config.providers},
            sightings=Sightings(),
            ssh=wire(SimulatedReach(self.nodes_inside, self.cloud, self.clock)),
            log=self.journal,
            pool_id=POOL_ID,
            host="builder-1",
            recipes=lambda: self.recipes,
            formats=lambda: self.formats,
            build=self._build,
            build_environment=lambda _image: {},
        )
        leadership = Leadership(ctx.store, name, lambda: frozenset(filter(stands_for, self._wanted())))
        return Launcher(name, Engine(ctx, leadership, workers or InlineWorkers(), self._facts), ctx, store)

    def run(self, seconds: float = 60.0, step: float = 1.0) -> None:
        """Let the launcher work for `seconds` of the world's time, waking it at least every `step`."""
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            deadline = self.launcher.step()
            pause = step if deadline is None else min(step, max(0.05, deadline - self.clock.now()))
            self.clock.advance(pause)
        self.launcher.step()

    def settle(self) -> None:
        """Let the launcher do all that can be done at this moment."""
        for _ in range(20):
            self.launcher.step()

    @property
    def records(self) -> Snapshot:
        """What is recorded now."""
        return self.store.snapshot()

    def nodes(self, *states: NodeState, label: str | None = None) -> list[Node]:
        """Return the nodes in these states, the oldest first."""
        found = [n for n in self.records.nodes.values() if not states or n.state in states]
        return sorted((n for n in found if label in (None, n.label)), key=lambda n: n.id)

    def servers(self) -> list[str]:
        """Return the ids of the nodes that have a server which is not being deleted."""
        return sorted(s.spec.node_id for s in self.cloud.servers().values() if s.delete_asked is None)

    def _wanted(self) -> frozenset[str]:
        return frozenset({"planner", "builder", *(f"provider/{p.name}" for p in self.config.providers)})

    def _facts(self) -> Facts:
        self.meanwhile()
        return Facts(script_digests=self.scripts, recipes=self.recipes, image_formats=self.formats)

    def _build(self, recipe: Recipe, on_phase: Callable[[str], None]) -> tuple[ImageFile, ...]:
        self.built.append(recipe.diskimage.name)
        on_phase("install.d")
        self.while_building()
        on_phase("cleanup.d")
        if recipe.diskimage.name in self.broken_images:
            raise BuildFailedError(self.broken_images[recipe.diskimage.name])
        path = self.images / f"{recipe.output.name}.qcow2"
        path.write_text("image")
        return tuple(
            ImageFile(format=each, path=str(path), size=5, sha256="0" * 64, md5="0" * 32) for each in recipe.formats
        )
