"""What befalls the pool: kills, pauses, partitions, clouds that are full or away, and servers that break or vanish."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from nodepool_lite.clouds.driver import ImageSpec, ServerSpec
from nodepool_lite.model.node import NodeState
from tests.simulation.premises import POOL_ID
from tests.simulation.process import SESSION, Process

if TYPE_CHECKING:
    from tests.simulation.universe import Universe

NOTICED = SESSION * 2 / 3
"""Seconds of silence after which a client knows that it is cut off from the store."""


class Misfortune:
    """Draws one thing after the other and lets it happen."""

    def __init__(self, universe: "Universe") -> None:
        self._universe = universe
        self._random: Random = universe.random
        self._deeds: list[Callable[[], None]] = [
            *[self._kill] * 3,
            *[self._doom] * 6,
            self._stop,
            self._bring_down_host,
            *[self._freeze] * 2,
            *[self._cut_off] * 2,
            *[self.lag] * 3,
            *[self._expire] * 2,
            *[self._hurt_server] * 5,
            *[self._deafen] * 3,
            self._fill_cloud,
            self._take_cloud_away,
            *[self._leave_alien] * 2,
            *[self._leave_alien_image] * 2,
            *[self._lose_image] * 2,
        ]

    def strike(self) -> None:
        """Let something happen."""
        self._random.choice(self._deeds)()

    def lose_host(self) -> None:
        """Let a host never come back; the others stand for what it led, as operators would have it."""
        host = self._random.choice(self._universe.hosts)
        self._tell("a host is lost", host=host.name)
        host.lost = True
        for process in host.processes:
            process.kill("with its host")
        led = set().union(*(slot.leads for slot in host.slots))
        for other in self._universe.hosts:
            for slot in other.slots if other is not host else ():
                slot.leads |= led & self._universe.leads_of(slot.roles)
            for process in other.processes:
                process.hurt_for(0.0)
                process.wake()

    def _tell(self, what: str, **details: object) -> None:
        self._universe.story.tell("*", what, **details)

    def _victim(self) -> Process | None:
        alive = [process for host in self._universe.hosts for process in host.processes]
        victim = self._random.choice(alive) if alive else None
        if victim is not None:
            victim.healthy_since = float("inf")
        return victim

    def _kill(self) -> None:
        if victim := self._victim():
            victim.kill()

    def _doom(self) -> None:
        """Let a process, or a client, die at one of its next calls."""
        clients = [each for each in self._universe.clients if each.alive]
        victim = self._random.choice(clients) if clients and self._random.random() < 1 / 5 else self._victim()
        if victim is not None:
            victim.doom = self._random.randint(1, 40)

    def _stop(self) -> None:
        if victim := self._victim():
            victim.stop()

    def _bring_down_host(self) -> None:
        host = self._random.choice(self._universe.hosts)
        self._tell("a host goes down", host=host.name)
        host.down = True
        for process in host.processes:
            process.kill("with its host")
        self._universe.after(self._random.random() * 120, lambda: setattr(host, "down", False))

    def _freeze(self) -> None:
        """SIGSTOP, and SIGCONT later: it goes on with what it knew, until it hears that its session is over."""
        victim = self._victim()
        if victim is None:
            return
        seconds = self._random.random() * 2 * SESSION
        victim.tell("* stands still", seconds=round(seconds, 1))
        victim.frozen_until = self._universe.schedule.now() + seconds
        victim.raw.fall_silent()
        self._end_session_after(victim, seconds)
        self._mend(victim, seconds + self._random.random() / 2)

    def _cut_off(self) -> None:
        """Cut it off from the store: it notices that before the store gives it up."""
        victim = self._victim()
        if victim is None:
            return
        seconds = self._random.random() * 3 * SESSION
        victim.tell("* is cut off from the store", seconds=round(seconds, 1))
        victim.raw.fall_silent()
        self._end_session_after(victim, seconds)
        if seconds > NOTICED:
            self._universe.after(NOTICED, victim.raw.disconnect)
        self._mend(victim, seconds)

    def _end_session_after(self, victim: Process, seconds: float) -> None:
        if seconds > SESSION:
            self._universe.after(SESSION, lambda: victim.alive and victim.raw.expire())

    def _mend(self, victim: Process, seconds: float) -> None:
        def mend() -> None:
            victim.raw.reconnect()
            victim.healthy_since = self._universe.schedule.now()

        self._universe.after(seconds, mend)

    def lag(self) -> None:
        """Hold up the news from the store."""
        if victim := self._victim():
            victim.tell("* hears late")
            victim.raw.hold()
            self._universe.after(self._random.random() * 4, victim.raw.hear)
            victim.healthy_since = self._universe.schedule.now() + 4

    def _expire(self) -> None:
        if victim := self._victim():
            victim.tell("* loses its session")
            victim.raw.expire()
            victim.healthy_since = self._universe.schedule.now()

    def _hurt_server(self) -> None:
        cloud = self._random.choice(self._universe.all_clouds)
        ours = sorted(key for key, each in cloud.servers().items() if each.spec.pool_id == POOL_ID)
        if ours:
            server = self._random.choice(ours)
            hurt = self._random.choice([cloud.vanish, cloud.stop, cloud.break_server])
            self._tell("a server is hurt", server=server, how=hurt.__name__)
            hurt(server)

    def _deafen(self) -> None:
        """Let a node that is ready hang, which nobody notices who does not log in."""
        nodes = self._universe.server.snapshot().nodes.values()
        ready = sorted(node.server_id or "" for node in nodes if node.state is NodeState.READY)
        if ready:
            server = self._random.choice(ready)
            self._tell("a server goes deaf", server=server)
            self._universe.insides.known[server].mute = True

    def _fill_cloud(self) -> None:
        """Let the quota be no more than what is used, for a while."""
        cloud = self._random.choice(self._universe.all_clouds)
        servers = len(cloud.servers()) + self._random.choice([0, 0, 1])
        self._tell("a cloud is full", servers=servers)
        cloud.options = cloud.options.but(max_servers=servers)
        self._universe.after(
            self._random.random() * 150,
            lambda: setattr(cloud, "options", cloud.options.but(max_servers=None)),
        )

    def _take_cloud_away(self) -> None:
        cloud = self._random.choice(self._universe.all_clouds)
        self._tell("a cloud does not answer")
        cloud.away = True
        self._universe.after(self._random.random() * 100, lambda: setattr(cloud, "away", False))

    def _leave_alien(self) -> None:
        """Leave what carries our mark and belongs to nobody: an older pool's, or a lost request's."""
        cloud = self._random.choice(self._universe.all_clouds)
        spec = ServerSpec(
            pool_id=POOL_ID,
            node_id=f"99999{self._random.randrange(10**5):05}",
            attempt="lost",
            name="lost",
            label="web",
            generation="",
            image_id="their-image",
        )
        self._tell("an alien appears", server=cloud.appear(spec))

    def _leave_alien_image(self) -> None:
        """Leave an image like that."""
        cloud = self._random.choice(self._universe.all_clouds)
        upload = f"web/99999{self._random.randrange(10**5):05}/lost"
        spec = ImageSpec(pool_id=POOL_ID, upload_id=upload, name=upload, path=Path("x"), format="qcow2", sha256="")
        image = cloud.add_image(spec)
        cloud.complete_image(image)
        self._tell("an alien image appears", image=image)

    def _lose_image(self) -> None:
        cloud = self._random.choice(self._universe.all_clouds)
        ours = sorted(each.id for each in cloud.images().values() if each.spec.pool_id == POOL_ID)
        if ours:
            image = self._random.choice(ours)
            self._tell("an image is lost", image=image)
            cloud.remove_image(image)
