"""People who want machines: they grab, wait, work, extend, hold, give back a part or all, or just walk away."""

from typing import TYPE_CHECKING

from nodepool_lite.model.errors import NodepoolError, StoreUnavailableError
from nodepool_lite.model.lease import Lease
from nodepool_lite.service import leases, nodes
from nodepool_lite.service.grab import Waiting, Wish, grab_now, new_lease, new_waiter
from nodepool_lite.store.base import Write
from tests.simulation.premises import BAD
from tests.simulation.process import Caller

if TYPE_CHECKING:
    from tests.simulation.universe import Universe


class User(Caller):
    """One visit of one person: her command line, and what she does with what she got."""

    def __init__(self, universe: "Universe", number: int, label: str) -> None:
        super().__init__(universe, f"user-{number}")
        self._random = universe.random
        self._label = label
        self._config = universe.config

    def visit(self) -> None:
        """Ask, wait, work and go."""
        wish = self._wish()
        self.tell("asks", label=wish.label, count=wish.count, wait=wish.wait, lease=wish.lease_id)
        try:
            lease = self._grab(wish)
            self.tell("has", lease=lease.id, nodes=",".join(lease.nodes))
            self._work(lease)
        except NodepoolError as error:
            self.tell("is told", error=error)
        self.alive = False
        self.raw.close()

    def _wish(self) -> Wish:
        label = self._label
        count = self._random.choice([1, 1, 2])
        waits = [10.0, 40.0, 100.0]
        return Wish(
            label=label,
            owner=self.name,
            count=count,
            lifetime=self._random.choice([20.0, 60.0]),
            wait=self._random.choice(waits if label == BAD or count > 1 else [*waits, None]),
            lease_id=self.name.replace("user", "lease"),
        )

    def _grab(self, wish: Wish) -> Lease:
        store, clock = self.store, self.schedule
        if self.draw() < 1 / 2:
            lease = grab_now(store, self._config, clock, wish)
            if lease is not None:
                return lease
        lease = new_lease(self._config, clock, wish)
        store.transact([Write("create", lease), Write("create", new_waiter(lease.id))])
        return self._wait(lease)

    def _wait(self, lease: Lease) -> Lease:
        """Do what `grab` does, with a wait that is the simulation's."""
        waiting = Waiting(self.store, self._config, self.schedule, lease, lambda _sentence: None)
        me = self.universe.schedule.current
        with self.raw.subscribe(lambda: self.schedule.wake(me, after=self.draw())):
            while True:
                if lease.wait_until is not None and self.schedule.now() >= lease.wait_until:
                    return waiting.time_is_over()
                found = waiting.look()
                if found is not None:
                    return found
                self.schedule.idle(lease.wait_until)

    def _work(self, lease: Lease) -> None:
        for _ in range(self._random.randrange(4)):
            self.schedule.pause(self.draw() * 40.0 * self.universe.pace)
            try:
                self._do_something(lease)
            except StoreUnavailableError as error:
                self.tell("could not", error=error)

    def _do_something(self, lease: Lease) -> None:
        node = self._random.choice(lease.nodes)
        now = self.schedule.now()
        match self._random.randrange(6):
            case 0:
                self.tell("extends", lease=lease.id)
                leases.extend(self.store, self._config, lease.id, 30.0, who=self.name, now=now)
            case 1:
                self.tell("holds", node=node)
                nodes.hold(
                    self.store, self._config, node, reason="odd", who=self.name, now=now, seconds=self.draw() * 60
                )
            case 2:
                self.tell("deletes", node=node)
                nodes.delete(self.store, node, who=self.name, now=now)
            case 3:
                self.tell("releases", node=node)
                leases.release(self.store, node, self.name, now)
            case _:
                self.tell("releases", lease=lease.id)
                leases.release(self.store, lease.id, self.name, now)
