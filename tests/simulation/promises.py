"""What the pool promises, as checks of a simulated world: some hold at every moment, others once it has settled."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nodepool_lite.clouds.simulated.cloud import SimulatedServer
from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import PENDING, Node, NodeState
from tests.world import POOL_ID, World

UNFORESEEN = "an unforeseen error"
"""With what is said begins when something failed that is no promise."""


class BrokenPromiseError(AssertionError):
    """The pool did what it must never do; the message tells the whole story."""


def own_servers(world: World) -> list[SimulatedServer]:
    """Return the pool's servers whose end nobody has asked for."""
    return [each for each in world.cloud.servers().values() if each.spec.pool_id == POOL_ID and not each.delete_asked]


def always(world: World, *, slow_calls: bool = False) -> Iterator[str]:
    """Yield what is broken of the promises that hold at every moment.

    With `slow_calls` a request may reach a cloud after a successor has given it up: such servers are only swept later.
    """
    yield from (f"{UNFORESEEN}: {crash}" for crash in world.journal.crashes)
    yield from _leases(world)
    yield from _doubles(world, slow_calls=slow_calls)
    yield from _deletions(world)
    for node_id, runs in world.nodes_inside.runs.items():
        if len(runs) > 1:
            yield f"node {node_id}: the ready-script was run {len(runs)} times: {', '.join(runs)}"


def settled(world: World) -> Iterator[str]:
    """Yield what is broken of the promises that hold once nothing more happens."""
    yield from always(world)
    nodes = world.records.nodes
    servers = own_servers(world)
    for server in servers:
        node = nodes.get(server.spec.node_id)
        if node is None or node.attempt != server.spec.attempt:
            yield f"server {server.id} of node {server.spec.node_id} has no record"
    alive = {server.id for server in servers}
    for node in nodes.values():
        if node.state not in {NodeState.FAILED, NodeState.DELETING} and node.server_id not in alive:
            yield f"node {node.id} is {node.state} and has no server"
        if node.state is NodeState.DELETING:
            yield f"node {node.id} is still {node.state}"
    yield from _stock(world)
    yield from _images(world)


def _leases(world: World) -> Iterator[str]:
    records = world.records
    holders: dict[str, list[str]] = {}
    for lease in records.leases.values():
        for held in lease.nodes if lease.state is LeaseState.ACTIVE else ():
            holders.setdefault(held, []).append(lease.id)
    yield from (f"node {held} belongs to leases {', '.join(own)}" for held, own in holders.items() if len(own) > 1)
    for node in records.nodes.values():
        if Counter(event.state for event in node.history)[NodeState.IN_USE] > 1:
            yield f"node {node.id} was handed out twice"


def _doubles(world: World, *, slow_calls: bool) -> Iterator[str]:
    servers = own_servers(world)
    for (node_id, attempt), count in Counter((each.spec.node_id, each.spec.attempt) for each in servers).items():
        if count > 1:
            yield f"node {node_id}: {count} servers for attempt {attempt}"
    for node_id, count in Counter(each.spec.node_id for each in servers).items():
        if count > 1 and not slow_calls:
            yield f"node {node_id} has {count} servers"


def _deletions(world: World) -> Iterator[str]:
    """Only what has ended, or was given up, is deleted."""
    ended = {NodeState.FAILED, NodeState.DELETING}
    for server in world.cloud.servers().values():
        node = world.records.nodes.get(server.spec.node_id)
        if server.delete_asked is None or node is None or node.attempt != server.spec.attempt:
            continue
        if node.state not in ended:
            yield f"server {server.id} was deleted, and node {node.id} is {node.state}"


def _stock(world: World) -> Iterator[str]:
    for label in world.config.labels:
        ready = [node for node in world.nodes(NodeState.READY, label=label.name) if node.primary is None]
        pending = [node for node in world.nodes(*PENDING, label=label.name) if node.primary is None]
        if pending:
            yield f"label {label.name} has {len(pending)} nodes on their way"
        if len(ready) != label.min_ready:
            yield f"label {label.name} has {len(ready)} ready nodes, {label.min_ready} are wanted"
        yield from (f"the set of node {node.id} is not whole" for node in ready if not _is_whole(world, node))


def _is_whole(world: World, node: Node) -> bool:
    label = world.config.label(node.label)
    ready = {each.id for each in world.nodes(NodeState.READY)}
    return label is not None and 1 + len(node.subnodes) == label.size and ready.issuperset(node.subnodes)


def _images(world: World) -> Iterator[str]:
    records = world.records
    needed = {node.build for node in records.nodes.values()}
    serving = {upload.build for upload in records.uploads.values()}
    for build in records.builds.values():
        if build.state in _MOVING and build.id not in needed | serving:
            yield f"build {build.id} is {build.state}"
    for upload in records.uploads.values():
        if upload.state in _MOVING and upload.build not in needed:
            yield f"upload {upload.id} is {upload.state}"
    files = {file.path for build in records.builds.values() for file in build.files}
    yield from (f"file {path} belongs to no build" for path in _files(world.images) - files)
    images = {each.id for each in world.cloud.images().values() if each.spec.pool_id == POOL_ID}
    known = {upload.image_id for upload in records.uploads.values()}
    yield from (f"image {each} belongs to no upload" for each in images - known)


_MOVING = {BuildState.BUILDING, BuildState.DELETING, UploadState.UPLOADING, UploadState.DELETING}


def _files(directory: Path) -> set[str]:
    return {str(path) for path in directory.rglob("*.qcow2")}
