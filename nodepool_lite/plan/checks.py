"""Looking after what exists: logins to ready nodes on schedule, and servers that no record knows."""

from collections.abc import Iterator

from nodepool_lite.clouds.driver import Image, Server, ServerState
from nodepool_lite.model.image import Upload
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.plan.actions import CheckNode, DeleteAlien, ListImages, SweepLeftovers
from nodepool_lite.plan.image_actions import DeleteAlienImage
from nodepool_lite.plan.schedule import next_time
from nodepool_lite.plan.view import View
from nodepool_lite.store.base import Snapshot

GRACE = 10.0
"""Seconds for which an unknown server or image must have been seen before it is removed."""


def checks(view: View, now: float) -> Iterator[CheckNode]:
    """Yield the logins that are due to ready nodes of the providers that this process leads, and the next one."""
    config = view.config
    later: list[CheckNode] = []
    for node in view.nodes(NodeState.READY):
        if f"provider/{node.provider}" in view.leads:
            last = view.checked.get(node.id, node.state_since)
            due = next_time(config.check_cron, config.check_interval, last)
            check = CheckNode(at=due, why="check", node=node.id, version=node.version)
            if due <= now:
                yield check
            else:
                later.append(check)
    if later:
        yield min(later, key=lambda check: check.at)


def aliens(view: View) -> Iterator[DeleteAlien]:
    """Yield the removal of servers that carry our mark but belong to no record, or to an attempt given up.

    Two providers may be doors to the same cloud: a server is no alien only because another provider's node has it.
    """
    for name, cloud in view.clouds.items():
        if f"provider/{name}" not in view.leads:
            continue
        for server in cloud.servers.values():
            if server.state is not ServerState.DELETING and not is_known(view.records, server):
                due = max(cloud.since.get(server.id, 0.0) + GRACE, cloud.deletable(server.id))
                why = f"no record knows it (made for node {server.node_id})"
                yield DeleteAlien(at=due, why=why, provider=name, server=server.id)


def alien_images(view: View) -> Iterator[DeleteAlienImage | ListImages]:
    """Yield the removal of images that carry our mark and that no record knows, and the next look for them."""
    for name, cloud in view.clouds.items():
        if f"provider/{name}" not in view.leads:
            continue
        last = cloud.images_listed_at
        due = 0.0 if last is None else next_time(view.config.cleanup_cron, view.config.cleanup_interval, last)
        yield ListImages(at=due, why="cleanup", provider=name)
        for image in cloud.images.values():
            if not _is_recorded(view, image):
                seen = cloud.images_since.get(image.id, 0.0)
                yield DeleteAlienImage(at=seen + GRACE, why="no record knows it", provider=name, image=image.id)


def leftovers(view: View) -> Iterator[SweepLeftovers]:
    """Yield the next look for what servers left behind, at each provider that this process leads."""
    for name, cloud in view.clouds.items():
        if f"provider/{name}" in view.leads and cloud.listed_at is not None:
            last = cloud.listed_at if cloud.swept_at is None else cloud.swept_at
            first = cloud.swept_at is None
            due = last if first else next_time(view.config.cleanup_cron, view.config.cleanup_interval, last)
            yield SweepLeftovers(at=due, why="cleanup", provider=name)


def is_known(records: Snapshot, server: Server) -> bool:
    """Tell whether a server with our mark is that of a node, whichever provider listed it.

    A second server of one attempt, made because an answer was lost, is known until the node has taken the other.
    """
    node = records.nodes.get(server.node_id)
    if node is None:
        return server.node_id in records.unreadable(Node)
    return node.attempt == server.attempt if node.server_id is None else node.server_id == server.id


def _is_recorded(view: View, image: Image) -> bool:
    """What is left of an earlier upload of the same build is known only until the present one has its own image."""
    upload = view.records.uploads.get(image.upload_id)
    if upload is None:
        return image.upload_id in view.records.unreadable(Upload)
    return upload.image_id in {"", image.id}
