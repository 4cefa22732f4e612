"""What must be so once nothing goes wrong any more and time has passed."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nodepool_lite.config.settings import Config, Label
from nodepool_lite.model.image import Build, BuildState, UploadState
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import PENDING, NodeState
from nodepool_lite.store.base import Snapshot
from tests.simulation.premises import BAD, POOL_ID

if TYPE_CHECKING:
    from tests.simulation.universe import Universe

MOVING = {BuildState.BUILDING, BuildState.DELETING, UploadState.UPLOADING, UploadState.DELETING}


def unrest(universe: "Universe") -> Iterator[str]:
    """Yield what is not as it should be, a sentence each."""
    yield from servers(universe)
    yield from stock(universe)
    yield from claims(universe)
    yield from images(universe)


def servers(universe: "Universe") -> Iterator[str]:
    """Every server has its record and every record its server; and what is not ours is still there."""
    nodes = universe.server.snapshot().nodes
    alive = set()
    for cloud in universe.all_clouds:
        if cloud.theirs not in cloud.servers():
            yield "a server of somebody else is gone"
        for server in cloud.servers().values():
            node = nodes.get(server.spec.node_id)
            if server.spec.pool_id != POOL_ID:
                continue
            if node is None or node.attempt != server.spec.attempt:
                yield f"server {server.id} of node {server.spec.node_id} has no record"
            alive.add(server.id)
    for node in nodes.values():
        if node.state is NodeState.READY and universe.insides.known[node.server_id or ""].mute:
            yield f"node {node.id} is ready, and lets nobody in"
        if node.state not in {NodeState.FAILED, *PENDING} and node.server_id not in alive:
            yield f"node {node.id} is {node.state} and has no server"


def stock(universe: "Universe") -> Iterator[str]:
    """As many nodes of each label are ready as are wanted, whole and up to date; nothing is on its way."""
    config, nodes = universe.config, universe.server.snapshot().nodes
    primaries = [node for node in nodes.values() if node.primary is None]
    for label in config.labels:
        own = [node for node in primaries if node.label == label.name]
        if label.name == BAD and universe.bad_because:
            continue
        ready = [node for node in own if node.state is NodeState.READY]
        if len(ready) != label.min_ready:
            yield f"label {label.name} has {len(ready)} ready nodes, {label.min_ready} are wanted"
        for node in ready:
            whole = all(sub in nodes and nodes[sub].state is NodeState.READY for sub in node.subnodes)
            if not whole or 1 + len(node.subnodes) != label.size:
                yield f"the set of node {node.id} is not whole"
            elif (made := [nodes[each].made_as for each in (node.id, *node.subnodes)]) != _made_as(label):
                yield f"the set of node {node.id} is made of {', '.join(made)}"
    for node in nodes.values():
        fails = node.label == BAD and universe.bad_because
        if not fails and (node.state in PENDING or node.state in {NodeState.DELETING, NodeState.HOLD}):
            yield f"node {node.id} is {node.state}"
        if config.label(node.label) is None and node.state is not NodeState.FAILED:
            yield f"node {node.id} is of label {node.label}, which is not configured"


def _made_as(label: Label) -> list[str]:
    """Return what each machine of a label is to be made as."""
    return list(label.members) or [label.name] * label.size


def claims(universe: "Universe") -> Iterator[str]:
    """Every lease was answered, and has ended: nobody is left who wants anything."""
    records = universe.server.snapshot()
    for lease in records.leases.values():
        if lease.state is not LeaseState.ENDED:
            yield f"lease {lease.id} is {lease.state}"
    yield from (f"node {node.id} is in use" for node in records.nodes.values() if node.state is NodeState.IN_USE)


def images(universe: "Universe") -> Iterator[str]:
    """Every image has its upload, every file its build; and none is half made or half deleted."""
    records = universe.server.snapshot()
    needed = {node.build for node in records.nodes.values()}
    serving = {upload.build for upload in records.uploads.values()}
    for build in records.builds.values():
        moving = build.state in MOVING and not is_kept(universe, build)
        if moving and build.id not in needed | serving and not _fails(universe, build.diskimage):
            yield f"build {build.id} is {build.state}"
    for upload in records.uploads.values():
        if upload.state in MOVING and upload.build not in needed:
            yield f"upload {upload.id} is {upload.state}"
    files = {file.path for build in records.builds.values() for file in build.files}
    for host in (each for each in universe.hosts if not each.lost):
        left = {str(path) for path in (host.directory / "images").glob("*")} - files
        yield from (f"file {Path(path).name} on {host.name} belongs to no build" for path in sorted(left))
    known = {upload.image_id for upload in records.uploads.values()}
    there = {image.id: image for cloud in universe.all_clouds for image in cloud.images().values()}
    for image in there.values():
        if image.spec.pool_id == POOL_ID and image.id not in known:
            yield f"image {image.id} belongs to no upload"
    for upload in records.uploads.values():
        if upload.state is UploadState.READY and upload.image_id not in there:
            yield f"upload {upload.id} is ready, and its image is gone"
    yield from _missing(universe.config, records)


def _missing(config: Config, records: Snapshot) -> Iterator[str]:
    """Yield where the newest build is wanted and does not serve."""
    ready = sorted((each for each in records.builds.values() if each.state is BuildState.READY), key=lambda b: b.id)
    newest = {build.diskimage: build for build in ready}
    for provider in config.providers:
        for build in (newest[image.name] for image in provider.diskimages if image.name in newest):
            upload = records.uploads.get(f"{build.id}/{provider.name}")
            serves = upload is not None and upload.state is UploadState.READY
            if not serves and provider.name not in build.withdrawn:
                yield f"build {build.id} does not serve at {provider.name}"


def is_kept(universe: "Universe", build: Build) -> bool:
    """Tell whether a build that is to go cannot: its files are on a host that is lost, and nobody can remove them."""
    return build.state is BuildState.DELETING and any(
        host.lost and host.name == build.builder for host in universe.hosts
    )


def _fails(universe: "Universe", diskimage: str) -> bool:
    return diskimage == BAD and universe.bad_because == "image"
