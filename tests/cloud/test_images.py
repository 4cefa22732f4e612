"""A pool that serves one diskimage in two projects of the cloud."""

import secrets
import threading
from collections.abc import Callable
from pathlib import Path

import openstack
import pytest

from nodepool_lite.actions.dib.recipe import fingerprint
from nodepool_lite.config.shipped import elements_dir
from nodepool_lite.model.image import Upload, UploadState
from nodepool_lite.model.node import NodeState
from nodepool_lite.store.base import Snapshot
from tests.cloud.pools import PATIENCE, FakePool, door, endpoints, members, start
from tests.clouds.openstack.conftest import Door, eventually

__all__ = ["door", "endpoints", "members", "start"]

pytestmark = pytest.mark.cloud
CONTENT = "image/v2/images/.*/file"
TWO_CLOUDS = """
state-dir: {base}/state
labels:
  - {{name: noise, min-ready: 1}}
diskimages:
  - {{name: noise, elements: [vm], release: bookworm, pause: true}}
providers:
  - name: large
    driver: openstack
    cloud: one
    login-test: false
    rate: 0.01
    pools:
      - networks: [bulk]
        availability-zones: [fake]
        labels: [{{name: noise, diskimage: noise, flavor-name: tiny}}]
  - name: small
    driver: openstack
    cloud: two
    login-test: false
    rate: 0.01
    diskimages: [{{name: noise}}]
"""


def test_an_image_goes_to_all_providers_at_once_and_deleting_the_newest_returns_to_the_one_before(
    start: Callable[..., FakePool], door: Door, members: list[openstack.connection.Connection], tmp_path: Path
) -> None:
    """Nodes follow the image that serves, and what was deleted is deleted in Glance."""
    together = threading.Barrier(2)
    for _ in range(2):
        door.proxy.rule("PUT", CONTENT, midway=lambda: together.wait(PATIENCE))
    pool = start(TWO_CLOUDS)
    _plant(pool, tmp_path, 1)
    first = {each.provider: each for each in pool.wait(_served_by(1), PATIENCE).uploads.values()}
    assert set(first) == {"large", "small"}
    pool.wait(_node_from(first["large"]), PATIENCE)
    _plant(pool, tmp_path, 2)
    uploads = pool.wait(_served_by(2), PATIENCE).uploads.values()
    second = {each.provider: each for each in uploads if each.build == "noise/0000000002"}
    pool.wait(_node_from(second["large"]), PATIENCE)
    pool.cli("image-delete", second["large"].name)
    pool.wait(_node_from(first["large"]), PATIENCE)
    here, there = members
    eventually(lambda: _in_glance(here, pool) == {first["large"].image_id}, PATIENCE)
    assert _in_glance(there, pool) == {first["small"].image_id, second["small"].image_id}


def _plant(pool: FakePool, directory: Path, number: int) -> None:
    image = directory / f"noise-{number}.qcow2"
    image.write_bytes(secrets.token_bytes(1_000_000))
    diskimage = pool.config.diskimage("noise")
    assert diskimage is not None
    pool.plant(image, "noise", fingerprint(diskimage, (elements_dir(),)), number)


def _served_by(number: int) -> Callable[[Snapshot], bool]:
    """Return the condition that a build is ready at both providers."""

    def condition(seen: Snapshot) -> bool:
        found = [each for each in seen.uploads.values() if each.build == f"noise/{number:010d}"]
        return [each.state for each in found] == [UploadState.READY] * 2

    return condition


def _node_from(upload: Upload) -> Callable[[Snapshot], bool]:
    """Return the condition that the one node is ready and comes from this image."""

    def condition(seen: Snapshot) -> bool:
        return [(each.state, each.image_id) for each in seen.nodes.values()] == [(NodeState.READY, upload.image_id)]

    return condition


def _in_glance(connection: openstack.connection.Connection, pool: FakePool) -> set[str]:
    return {each.id for each in connection.image.images(tag=f"nodepool-{pool.pool_id}")}
