"""A whole pool while services of its cloud are killed and started again."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import openstack
import pytest

from nodepool_lite.actions.dib.recipe import fingerprint
from nodepool_lite.config.shipped import elements_dir
from nodepool_lite.model.image import UploadState
from nodepool_lite.model.node import NodeState
from nodepool_lite.store.base import Snapshot
from tests.cloud.conftest import Cloud
from tests.cloud.pools import FAKES, PATIENCE, FakePool, door, members, pool_id, start
from tests.cloud.proxy import refusal
from tests.clouds.openstack.conftest import Door
from tests.waiting import eventually

__all__ = ["door", "members", "start"]

pytestmark = [pytest.mark.cloud, pytest.mark.disruptive]
CREATION, LIST, CONTENT = "compute/v2.1/servers$", "compute/v2.1/servers/detail", "image/v2/images/.*/file"
PROVIDER = "provider/cloud"
SLOW = FAKES.replace("flavor-name: tiny", "flavor-name: tiny, instance-properties: {{fake-delay: '8'}}")
FROM_AN_IMAGE = f"""
diskimages:
  - {{{{name: noise, elements: [vm], release: bookworm, pause: true}}}}
{FAKES.replace("cloud-image: empty", "diskimage: noise")}
"""
SIZE = 8_000_000


@contextmanager
def killed(cloud: Cloud, service: str) -> Iterator[None]:
    """Let a service be dead in this block."""
    try:
        cloud.service("kill", service)
        yield
    finally:
        cloud.service("start", service)


def ready(count: int) -> Callable[[Snapshot], bool]:
    """Return the condition that so many nodes are ready, and that nothing keeps the provider from being used."""

    def condition(seen: Snapshot) -> bool:
        states = [node.state for node in seen.nodes.values()]
        return states == [NodeState.READY] * count and PROVIDER not in seen.backoffs

    return condition


def assert_shown(pool: FakePool, reason: str) -> None:
    """The reason is told wherever a person looks."""
    for command in ("status", "provider-list", "label-list"):
        assert reason in pool.cli(command), command


def test_nova_that_is_killed_with_servers_pending(
    start: Callable[..., FakePool], door: Door, cloud: Cloud, member: openstack.connection.Connection
) -> None:
    """The pool waits with the reason shown, and goes on with the servers that there are."""
    pool = start(SLOW, count=3)
    eventually(lambda: [each.status for each in door.proxy.made("POST", CREATION)] == [202] * 3, PATIENCE)
    with killed(cloud, "nova-api"):
        silent = pool.wait(lambda seen: PROVIDER in seen.backoffs, PATIENCE)
        assert {node.state for node in silent.nodes.values()} == {NodeState.BUILDING}
        assert_shown(pool, "could not list servers: ")
    records = pool.wait(ready(3), PATIENCE)
    assert len(door.proxy.made("POST", CREATION)) == 3
    assert [node for node, _ in pool.servers_in(member)] == sorted(records.nodes)


def test_keystone_that_is_killed_when_a_token_is_needed(
    start: Callable[..., FakePool], door: Door, cloud: Cloud, member: openstack.connection.Connection
) -> None:
    """The pool waits with the reason shown, loses nothing that is ready, and goes on."""
    pool = start(count=2)
    gone, kept = sorted(pool.wait(ready(2), PATIENCE).nodes)
    with killed(cloud, "keystone"):
        door.proxy.rule("GET", LIST, answer=refusal(401))
        pool.cli("delete", gone)
        silent = pool.wait(lambda seen: PROVIDER in seen.backoffs, PATIENCE)
        assert silent.nodes[kept].state is NodeState.READY
        assert_shown(pool, "could not list servers: ")
    records = pool.wait(ready(2), PATIENCE)
    assert kept in records.nodes
    assert gone not in records.nodes
    assert [node for node, _ in pool.servers_in(member)] == sorted(records.nodes)


def test_glance_that_is_killed_in_the_middle_of_an_upload(
    start: Callable[..., FakePool],
    door: Door,
    cloud: Cloud,
    member: openstack.connection.Connection,
    tmp_path: Path,
) -> None:
    """The reason is shown, the upload is made again when somebody asks, and the half of an image does not stay."""
    door.proxy.rule("PUT", CONTENT, midway=lambda: cloud.service("kill", "glance"))
    image = tmp_path / "noise.qcow2"
    image.write_bytes(secrets.token_bytes(SIZE))
    pool = start(FROM_AN_IMAGE, count=1)
    try:
        diskimage = pool.config.diskimage("noise")
        assert diskimage is not None
        pool.plant(image, "noise", fingerprint(diskimage, (elements_dir(),)))
        failed = pool.wait(lambda seen: "upload/noise@cloud" in seen.backoffs, PATIENCE)
        assert {each.state for each in failed.uploads.values()} <= {UploadState.FAILED, UploadState.DELETING}
        assert "could not upload image" in failed.backoffs["upload/noise@cloud"].error
        assert "could not upload image" in pool.cli("status")
    finally:
        cloud.service("start", "glance")
    pool.cli("image-upload", "noise")
    (node,) = pool.wait(ready(1), PATIENCE).nodes.values()
    (left,) = eventually(lambda: _only_one(member, pool), PATIENCE)
    assert (left.id, left.status, left.size) == (node.image_id, "active", SIZE)


def _only_one(member: openstack.connection.Connection, pool: FakePool) -> list[openstack.image.v2.image.Image]:
    """Return the pool's image in Glance as soon as there is no other."""
    found = list(member.image.images(tag=f"nodepool-{pool_id(pool)}"))
    return found if len(found) == 1 else []
