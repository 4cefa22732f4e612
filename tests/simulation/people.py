"""Operators: they change the configuration, delete and hold what they like, and ask for builds and uploads."""

from typing import TYPE_CHECKING

from nodepool_lite.model.errors import NodepoolError
from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.node import NodeState
from nodepool_lite.service import images, nodes
from tests.simulation.premises import changed
from tests.simulation.process import Caller, Process

if TYPE_CHECKING:
    from tests.simulation.universe import Universe


class Operator(Caller):
    """One deed of an operator."""

    def __init__(self, universe: "Universe", number: int) -> None:
        super().__init__(universe, f"operator-{number}")
        self._random = universe.random
        self._config = universe.config

    def act(self) -> None:
        """Do one thing."""
        deeds = [self._reconfigure] * 3 + [self._delete_node] * 3 + [self._hold, self._unhold]
        deeds += [self._ask_for_build, self._ask_for_upload, self._delete_build, self._delete_upload]
        try:
            self._random.choice(deeds)()
        except NodepoolError as error:
            self.tell("is told", error=error)
        self.alive = False
        self.raw.close()

    def _reconfigure(self) -> None:
        universe = self.universe
        universe.premises = changed(universe.premises, self._random)
        without = ",".join(sorted(universe.premises.without))
        self.tell("changes the configuration", recipe=universe.premises.recipe, without=without)
        universe.announce_configuration()

    def _delete_node(self) -> None:
        known = sorted(self.raw.read().nodes)
        if known:
            node = self._random.choice(known)
            self.tell("deletes", node=node)
            nodes.delete(self.store, node, who=self.name, now=self.schedule.now())

    def _hold(self) -> None:
        known = [each.id for each in self.raw.read().nodes.values() if each.state is NodeState.READY]
        if known:
            node = self._random.choice(known)
            self.tell("holds", node=node)
            seconds = self._random.choice([None, 40.0])
            now = self.schedule.now()
            nodes.hold(self.store, self._config, node, reason="odd", who=self.name, now=now, seconds=seconds)

    def _unhold(self) -> None:
        known = [each.id for each in self.raw.read().nodes.values() if each.state is NodeState.HOLD]
        if known:
            node = self._random.choice(known)
            self.tell("lets go of", node=node)
            nodes.unhold(self.store, node, who=self.name, now=self.schedule.now())

    def _ask_for_build(self) -> None:
        name = self._random.choice([each.name for each in self._config.diskimages])
        self.tell("asks for a build", image=name)
        images.request_build(self.store, self._config, name, who=self.name, now=self.schedule.now())

    def _ask_for_upload(self) -> None:
        provider = self._random.choice(self._config.providers or ()) if self._config.providers else None
        if provider is not None and provider.diskimages:
            name = self._random.choice(provider.diskimages).name
            self.tell("asks for an upload", image=name, provider=provider.name)
            now = self.schedule.now()
            images.request_upload(self.store, self._config, name, provider.name, who=self.name, now=now)

    def _delete_build(self) -> None:
        known = [each for each in self.raw.read().builds.values() if each.state is not BuildState.DELETING]
        if known:
            build = self._random.choice(sorted(known, key=lambda each: each.id))
            self.tell("deletes", build=build.id)
            images.delete_build(self.store, build.id, who=self.name, now=self.schedule.now())

    def _delete_upload(self) -> None:
        known = [each for each in self.raw.read().uploads.values() if each.state is not UploadState.DELETING]
        if known:
            upload = self._random.choice(sorted(known, key=lambda each: each.id))
            self.tell("deletes", upload=upload.id)
            name = f"{upload.build}/{upload.provider}"
            images.delete_upload(self.store, name, who=self.name, now=self.schedule.now())

    def mend_images(self) -> None:
        """Ask for a build of every image that somebody withdrew."""
        names = {build.diskimage for build in self.raw.read().builds.values() if build.withdrawn}
        for name in sorted(names):
            images.request_build(self.store, self._config, name, who=self.name, now=self.schedule.now())
        self.alive = False
        self.raw.close()


def load_soon(process: Process) -> None:
    """Let a process see the new configuration when it looks at the file again."""
    process.schedule.pause(process.draw() * process.universe.random.choice([2.0, 2.0, 20.0]))
    if process.alive:
        process.tell("loads the configuration")
        process.load()
