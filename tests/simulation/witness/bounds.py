"""Bounds in time: what may be so for a while only, where nothing is in its way, and for how long at most."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from nodepool_lite.actions.verifying import CHECK_PAUSE, CHECK_TRIES
from nodepool_lite.clouds.driver import ServerState
from nodepool_lite.clouds.simulated.cloud import SimulatedServer
from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.plan.checks import GRACE
from nodepool_lite.plan.hosts import AWAY
from nodepool_lite.plan.uploads import SETTLE
from nodepool_lite.store.base import Snapshot
from tests.simulation.peace import is_kept
from tests.simulation.premises import BAD, POOL_ID
from tests.simulation.witness.changes import Watcher

if TYPE_CHECKING:
    from tests.simulation.universe import Universe

PROMPT = 60.0
"""Seconds within which what is due has been done: others have their turn first, and a cloud takes a while."""
FRESH_NODE = 600.0
"""Seconds for a node from nothing: its image built and uploaded, room made for it, its script run."""
HAS_SERVER = frozenset({NodeState.TESTING, NodeState.PREPARING, NodeState.READY, NodeState.IN_USE})


class Bounds(Watcher):
    """Looks at what lasts, once trouble is over; a look at each second is enough."""

    def __init__(self, universe: "Universe", complain: Callable[[str], None]) -> None:
        super().__init__(universe, complain)
        self._since: dict[str, float] = {}
        """What lasts -> since when."""
        self._looked = 0.0

    def wait(self) -> None:
        """See that nothing lasts for longer than it may."""
        if self.now < max(self.universe.calm_since, self._looked + 1.0):
            return
        self._looked = self.now
        lasting = dict(self._lasting(self.universe.server.snapshot()))
        self._since = {what: self._since.get(what, self.now) for what in lasting}
        for what, bound in lasting.items():
            if self._since[what] < self.now - bound:
                self.complain(f"for more than {bound:.0f} s {what}")

    def _lasting(self, records: Snapshot) -> Iterator[tuple[str, float]]:
        """Yield what is so, a sentence each, and for how many seconds it may be."""
        if any(name.startswith("provider/") for name in records.backoffs):
            return  # what a cloud does not tell cannot be known
        yield from self._strays(records)
        yield from self._lost(records)
        yield from self._over(records)
        yield from self._images(records)
        yield from self._starving(records)

    def _strays(self, records: Snapshot) -> Iterator[tuple[str, float]]:
        """No server outlives its record by more than one sweep."""
        sweep = self.universe.config.cleanup_interval + GRACE + PROMPT
        kept = {upload.image_id for upload in records.uploads.values()} | self._in_use()
        for cloud in self.universe.all_clouds:
            for server in cloud.servers().values():
                node = records.nodes.get(server.spec.node_id)
                own = node is not None and node.attempt == server.spec.attempt
                if server.spec.pool_id == POOL_ID and not own:
                    yield f"server {server.id} was there without a record", sweep
            for image in cloud.images().values():
                if image.spec.pool_id == POOL_ID and image.id not in kept:
                    yield f"image {image.id} was there without an upload", sweep

    def _lost(self, records: Snapshot) -> Iterator[tuple[str, float]]:
        """No record outlives its server by more than one check."""
        config = self.universe.config
        servers = {key: each for cloud in self.universe.all_clouds for key, each in cloud.servers().items()}
        for node in records.nodes.values():
            if node.state in HAS_SERVER and not self._runs(servers.get(node.server_id or "")):
                yield f"node {node.id} was {node.state}, and its server did not run", config.cleanup_interval + PROMPT
            elif node.state is NodeState.READY and self._is_deaf(node):
                check = config.check_interval + CHECK_TRIES * CHECK_PAUSE + PROMPT
                yield f"node {node.id} was ready, and let nobody in", check

        images = {key for cloud in self.universe.all_clouds for key in cloud.images()}
        for upload in records.uploads.values():
            if upload.state is UploadState.READY and upload.image_id not in images:
                yield f"upload {upload.id} was ready, and its image gone", config.cleanup_interval + SETTLE + PROMPT

    def _in_use(self) -> set[str]:
        """Return the images of all servers, strays included: a cloud keeps them for as long."""
        return {server.spec.image_id for cloud in self.universe.all_clouds for server in cloud.servers().values()}

    def _runs(self, server: SimulatedServer | None) -> bool:
        return server is not None and server.state(self.now) is ServerState.ACTIVE

    def _is_deaf(self, node: Node) -> bool:
        inside = self.universe.insides.known.get(node.server_id or "")
        return inside is not None and inside.mute

    def _over(self, records: Snapshot) -> Iterator[tuple[str, float]]:
        """What has ended is forgotten when its time has come."""
        config = self.universe.config
        kept = {
            NodeState.FAILED: config.failed_retention + PROMPT,
            NodeState.DELETING: PROMPT,
            NodeState.HOLD: config.max_hold_age + PROMPT,
        }
        for node in records.nodes.values():
            if node.state in kept:
                yield f"node {node.id} was {node.state}", kept[node.state]
        for lease in records.leases.values():
            if lease.state is LeaseState.ENDED:
                yield f"lease {lease.id} was {lease.state}", config.lease_retention + PROMPT

    def _images(self, records: Snapshot) -> Iterator[tuple[str, float]]:
        """What nothing needs goes at once: an image when it has failed or is to go, files when no upload needs them."""
        needed, in_use = {node.build for node in records.nodes.values()}, self._in_use()
        for upload in records.uploads.values():
            unneeded = upload.build not in needed and upload.image_id not in in_use
            if upload.state in {UploadState.FAILED, UploadState.DELETING} and unneeded:
                yield f"upload {upload.id} was {upload.state}", PROMPT
        needed |= {upload.build for upload in records.uploads.values()}
        for build in records.builds.values():
            going = build.state is BuildState.DELETING and not is_kept(self.universe, build)
            if going and build.id not in needed:
                yield f"build {build.id} was {build.state}", PROMPT

    def _starving(self, records: Snapshot) -> Iterator[tuple[str, float]]:
        """Who waits in earnest is served, unless what she waits for fails."""
        lost = any(host.lost for host in self.universe.hosts)
        failing = {name.partition("/")[2].partition("@")[0] for name in records.backoffs}
        for lease in records.leases.values():
            if lease.state is LeaseState.WAITING and lease.id in records.waiters and lease.label != BAD:
                label = self.universe.config.label(lease.label)
                made_of = set() if label is None else {label.name, *label.members}
                if made_of.isdisjoint(failing):
                    yield f"lease {lease.id} waited for {lease.label}", FRESH_NODE + (AWAY if lost else 0.0)
