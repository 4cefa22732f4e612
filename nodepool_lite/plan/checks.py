"""Looking after what exists: logins to ready nodes on schedule, and servers that no record knows."""

from collections.abc import Iterator

from nodepool_lite.model.node import NodeState
from nodepool_lite.plan.actions import CheckNode, DeleteAlien, DeleteAlienImage, ListImages
from nodepool_lite.plan.schedule import next_time
from nodepool_lite.plan.view import View

GRACE = 10.0
"""Seconds for which an unknown server must have been seen before it is removed."""


def checks(view: View) -> Iterator[CheckNode]:
    """Yield the next login to every ready node of the providers that this process leads."""
    config = view.config
    for node in view.nodes(NodeState.READY):
        if f"provider/{node.provider}" in view.leads:
            last = view.checked.get(node.id, node.state_since)
            due = next_time(config.check_cron, config.check_interval, last)
            yield CheckNode(at=due, why="check", node=node.id)


def aliens(view: View) -> Iterator[DeleteAlien]:
    """Yield the removal of servers that carry our mark but belong to no record, or to an attempt given up."""
    for name, cloud in view.clouds.items():
        if f"provider/{name}" not in view.leads:
            continue
        for server in cloud.servers.values():
            node = view.records.nodes.get(server.node_id)
            if (
                node is None
                or node.provider != name
                or (node.attempt != server.attempt and node.server_id != server.id)
            ):
                due = cloud.since.get(server.id, 0) + GRACE
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
        known = {upload.id for upload in view.records.uploads.values()}
        for image in cloud.images.values():
            if image.upload_id not in known and last is not None:
                yield DeleteAlienImage(at=last + GRACE, why="no record knows it", provider=name, image=image.id)
