"""A world in which everything happens in random order: users, operators, faults, kills and slow workers."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodepool_lite.clouds.driver import ServerSpec
from nodepool_lite.config.settings import Config, Label
from nodepool_lite.model.errors import NoSuchThingError
from nodepool_lite.model.lease import Lease, LeaseState, Waiter
from nodepool_lite.model.node import NodeState
from nodepool_lite.service import images, leases, nodes
from nodepool_lite.service.grab import Wish, grab_now
from nodepool_lite.testing import make_config, make_lease
from tests.simulation.promises import BrokenPromiseError, always, settled
from tests.simulation.tripwire import Wired
from tests.world import POOL_ID, HeldWorkers, Launcher, World

MAX_SERVERS = 5
"""At each of the two providers, which are doors to the same cloud."""
BETWEEN = 0.03
"""How often something happens between two calls of a process."""
CALM = 10
"""Looks in a row at which all must be well in the end."""
FOREIGN = ServerSpec(
    pool_id="somebody-else",
    node_id="0000000000",
    attempt="theirs",
    name="theirs",
    label="debian-12",
    generation="",
    image_id="their-image",
)


@dataclass
class Process:
    """A launcher and the actions that its workers have not got round to yet."""

    launcher: Launcher
    workers: HeldWorkers
    stepping: bool = False
    """Its loop is in the middle of a step."""

    def step(self) -> None:
        """One pass of its loop, unless the loop is at it."""
        if not self.stepping:
            self.stepping = True
            self.launcher.step()
            self.stepping = False


class Universe:
    """One seeded run: `live` makes random things happen, `settle` waits until nothing more does."""

    def __init__(self, seed: int, tmp_path: Path) -> None:
        self.random = random.Random(seed)
        self.world = World(
            _config(tmp_path),
            tmp_path / "images",
            quiet=True,
            seed=seed,
            boot_time=self.random.choice([0, 2, 20]),
            delete_time=self.random.choice([0, 3]),
            error_rate=self.random.choice([0, 0.05]),
            lost_answer_rate=self.random.choice([0, 0.05]),
            boot_error_rate=self.random.choice([0, 0.1]),
            images=("their-image",),
        )
        self.world.broken_images = {"bad": "no mirror has it"}
        self.world.nodes_inside.script_seconds = self.random.choice([0, 10])
        self.world.meanwhile = self._meanwhile
        self.theirs = self.world.cloud.add_server(FOREIGN, 1, 1024)
        self._generations = 0
        self._launchers = 0
        self._undisturbed = True
        """Nothing happens between two calls of a process."""
        self._slow = self.random.random() < 0.3
        """Time passes between two calls, too."""
        self._roles = self.random.choice([("",), ("", ""), ("provider/", "planner builder"), ("provider/l", "")])
        """What each process leads, as the beginning of the names; of all if empty."""
        self.processes = [self._process(role) for role in self._roles]
        self.deeds: list[tuple[Callable[[], object], int]] = [
            (self._step, 40),
            (self._work, 40),
            (self._wait, 20),
            (self._grab, 3),
            (self._queue_up, 2),
            (self._end_lease, 3),
            (self._delete_node, 2),
            (self._hold, 1),
            (self._hurt_server, 2),
            (self._silence_node, 1),
            (self._kill, 1),
            (self._trouble_store, 2),
            (self._reconfigure, 1),
            (self._meddle_with_images, 1),
            (self._leave_alien, 1),
        ]

    def fill(self) -> None:
        """Let the pool become what it should be, before anything happens to it."""
        self._rest()

    def live(self, moments: int) -> None:
        """Let `moments` random things happen; every promise is looked at after each."""
        self._undisturbed = False
        choices, weights = zip(*self.deeds, strict=True)
        for deed in self.random.choices(choices, weights, k=moments):
            deed()
            self._check(always(self.world, slow_calls=self._slow))
            self._check(self._limits())
        self._undisturbed = True

    def settle(self) -> None:
        """End all trouble, and wait until the pool is as it should be."""
        self._say("settle")
        world = self.world
        world.cloud.options = world.cloud.options.model_copy(
            update={"error_rate": 0.0, "lost_answer_rate": 0.0, "boot_error_rate": 0.0}
        )
        world.config = _config(world.config.state_dir)
        world.nodes_inside.unreachable.clear()
        for process in self.processes:
            process.launcher.store.reconnect()
        for name in {build.diskimage for build in world.records.builds.values() if build.withdrawn}:
            images.request_build(world.store, world.config, name, who="the test", now=world.clock.now())
        for lease in world.records.leases.values():
            if lease.state is not LeaseState.ENDED:
                leases.release(world.store, lease.id, "the test", world.clock.now())
        while held := world.nodes(NodeState.HOLD):
            nodes.unhold(world.store, held[0].id, who="the test", now=world.clock.now())
        self._rest()

    def _rest(self) -> None:
        """Let time go by until all has been well for a while."""
        calm = 0
        for _ in range(1500):
            for process in self.processes:
                process.step()
                process.workers.run_all()
            self.world.clock.advance(self.random.choice([0.5, 5.0, 60.0]))
            self._check(always(self.world, slow_calls=self._slow))
            self._check(self._limits())
            calm = 0 if list(self._unsettled()) else calm + 1
            if calm == CALM:
                return
        self._check(self._unsettled())
        self._check(iter(["the pool does not come to rest"]))

    def _unsettled(self) -> Iterator[str]:
        yield from settled(self.world)
        if self.theirs not in self.world.cloud.servers():
            yield "a server of somebody else was deleted"

    def _limits(self) -> Iterator[str]:
        """What came of an attempt that was given up is on top until it is swept; nothing else is."""
        records = self.world.records.nodes
        used: Counter[str] = Counter()
        for server in self.world.cloud.servers().values():
            node = records.get(server.spec.node_id)
            if node is not None and node.attempt == server.spec.attempt:
                used[node.provider] += 1
        for provider, servers in used.items():
            if servers > MAX_SERVERS:
                yield f"{servers} servers at {provider}, max-servers is {MAX_SERVERS}"

    def _check(self, broken: Iterator[str]) -> None:
        found = list(broken)
        if found:
            story = "\n".join(self.world.journal.lines)
            raise BrokenPromiseError("\n".join([story, "BROKEN:", *found]))

    def _say(self, what: str, **details: object) -> None:
        self.world.journal.tell(f"* {what}", **details)

    def _process(self, role: str) -> Process:
        self._launchers += 1
        workers = HeldWorkers()
        launcher = self.world.start(
            f"launcher-{self._launchers}",
            workers,
            wire=lambda thing: Wired(thing, self._around),
            stands_for=lambda lead: not role or any(lead.startswith(each) for each in role.split()),
        )
        return Process(launcher, workers)

    def _around(self, _name: str, call: Callable[[], Any]) -> Any:
        """Make a call of a process; others may get something done just before it."""
        self._meanwhile()
        return call()

    def _meanwhile(self) -> None:
        """Now and then let something happen in the middle of what a process does."""
        if not self._undisturbed and self.random.random() < BETWEEN:
            self._undisturbed = True
            deeds = [self._step, self._step, self._work, self._work, self._grab, self._end_lease, self._expire]
            if self._slow:
                deeds = [*deeds, *[self._wait] * 4]
            for _ in range(self.random.choice([1, 10]) if self._slow else 1):
                self.random.choice(deeds)()
            self._undisturbed = False

    # --- what may happen ------------------------------------------------------------------------------

    def _step(self) -> None:
        self.random.choice(self.processes).step()

    def _work(self) -> None:
        workers = self.random.choice(self.processes).workers
        for _ in range(self.random.randint(1, 4)):
            if workers.held:
                workers.run_at(self.random.randrange(len(workers.held)))

    def _wait(self) -> None:
        self.world.clock.advance(self.random.choice([0.1, 1.0, 1.0, 5.0, 30.0]))

    def _grab(self) -> None:
        label = self.random.choice([each.name for each in self.world.config.labels])
        wish = Wish(label=label, owner="alice", count=self.random.choice([1, 1, 2]), lifetime=300.0)
        lease = grab_now(self.world.store, self.world.config, self.world.clock, wish)
        self._say("grab", label=label, lease=None if lease is None else lease.id)

    def _queue_up(self) -> None:
        number = self.random.randrange(10**6)
        attended = self.random.random() < 0.5
        lease = make_lease(
            f"lease{number}",
            since=self.world.clock.now(),
            label=self.random.choice(["web", "pair", "rare", "bad"]),
            lifetime=200.0,
            wait_until=self.world.clock.now() + 600,
            attended=attended,
            order=0,
        )
        self.world.store.create(lease)
        if attended:
            self.world.store.create(Waiter(id=lease.id, host="here", pid=1))
        self._say("queue up", label=lease.label, lease=lease.id)

    def _end_lease(self) -> None:
        if lease := self._any_lease():
            self._say("release", lease=lease.id)
            leases.release(self.world.store, lease.id, "alice", self.world.clock.now())

    def _any_lease(self) -> Lease | None:
        known = [each for each in self.world.records.leases.values() if each.state is not LeaseState.ENDED]
        return self.random.choice(known) if known else None

    def _delete_node(self) -> None:
        if known := self.world.nodes():
            node = self.random.choice(known)
            self._say("delete", node=node.id)
            nodes.delete(self.world.store, node.id, who="bob", now=self.world.clock.now())

    def _hold(self) -> None:
        if known := self.world.nodes(NodeState.READY, NodeState.IN_USE):
            node = self.random.choice(known)
            self._say("hold", node=node.id)
            now = self.world.clock.now()
            seconds = self.random.choice([None, 100.0])
            nodes.hold(self.world.store, self.world.config, node.id, reason="odd", who="bob", now=now, seconds=seconds)

    def _hurt_server(self) -> None:
        ours = [key for key, each in self.world.cloud.servers().items() if each.spec.pool_id == POOL_ID]
        if ours:
            server = self.random.choice(ours)
            cloud = self.world.cloud
            hurt = self.random.choice([cloud.vanish, cloud.stop, cloud.break_server])
            self._say(hurt.__name__, server=server)
            hurt(server)

    def _silence_node(self) -> None:
        if known := self.world.nodes():
            node = self.random.choice(known)
            self._say("silence", node=node.id)
            self.world.nodes_inside.unreachable.add(node.id)

    def _kill(self) -> None:
        doomed = self.random.choice(self.processes)
        self._say("kill", launcher=doomed.launcher.name)
        doomed.launcher.kill()
        index = self.processes.index(doomed)
        self.processes[index] = self._process(self._roles[index])

    def _trouble_store(self) -> None:
        launcher = self.random.choice(self.processes).launcher
        store = launcher.store
        trouble = self.random.choice(
            [store.disconnect, store.reconnect, store.reconnect, store.expire, store.lose_reply]
        )
        self._say(trouble.__name__, launcher=launcher.name)
        trouble()

    def _expire(self) -> None:
        launcher = self.random.choice(self.processes).launcher
        self._say("expire", launcher=launcher.name)
        launcher.store.expire()

    def _reconfigure(self) -> None:
        self._generations += 1
        path = self.world.config.state_dir
        match self.random.randrange(5):
            case 0:
                self.world.scripts = {"web": str(self._generations), "pair": str(self._generations)}
            case 1:
                self.world.recipes = dict.fromkeys(self.world.recipes, f"recipe-{self._generations}")
            case 2:
                self.world.config = _config(path, web=self.random.choice([0, 1, 3]))
            case 3:
                self.world.config = _config(path, age=self.random.choice([0.0, 100.0]))
            case 4:
                self.world.config = _config(path, without=self.random.choice(["web", "pair", "local", "other"]))
        self._say("reconfigure", generation=self._generations)

    def _meddle_with_images(self) -> None:
        world, now = self.world, self.world.clock.now()
        records = world.records
        match self.random.randrange(4):
            case 0:
                images.request_build(world.store, world.config, "rare", who="bob", now=now)
            case 1:
                provider = world.config.providers[0].name
                images.request_upload(world.store, world.config, "rare", provider, who="bob", now=now)
            case 2 if records.builds:
                images.delete_build(world.store, self.random.choice(sorted(records.builds)), who="bob", now=now)
            case 3 if records.uploads:
                build, _, provider = self.random.choice(sorted(records.uploads)).rpartition("/")
                images.delete_upload(world.store, f"{build}/{provider}", who="bob", now=now)
                with suppress(NoSuchThingError):
                    name = build.partition("/")[0]
                    images.request_upload(world.store, world.config, name, provider, who="bob", now=now)
        self._say("meddle with images")

    def _leave_alien(self) -> None:
        self._say("an alien appears")
        lost = f"99999{self.random.randrange(10**5):05}"
        spec = FOREIGN.model_copy(update={"pool_id": POOL_ID, "node_id": lost, "attempt": "lost"})
        self.world.cloud.add_server(spec, 1, 1024)


def _config(tmp_path: Path, *, web: int = 2, age: float = 0.0, without: str = "") -> Config:
    labels = (
        Label(name="web", min_ready=web, ready_script="prepare.sh", max_ready_age=age),
        Label(name="pair", min_ready=1, ready_script="prepare.sh", subnodes=1),
        Label(name="rare"),
        Label(name="bad"),
    )
    return make_config(
        labels=[label for label in labels if label.name != without],
        providers=[name for name in ("local", "other") if name != without],
        max_servers=MAX_SERVERS,
        state_dir=tmp_path,
        check_interval=60.0,
        cleanup_interval=120.0,
        failed_retention=60.0,
        lease_retention=60.0,
    )
