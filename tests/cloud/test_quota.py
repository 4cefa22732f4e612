"""A pool over two projects, of which one gets less room than it uses."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import openstack
import pytest

from nodepool_lite.model.node import NodeState
from nodepool_lite.store.base import Snapshot
from tests.cloud.conftest import Cloud
from tests.cloud.pools import PATIENCE, FakePool, door, members, start
from tests.cloud.proxy import Call
from tests.clouds.openstack.conftest import Door
from tests.waiting import eventually

__all__ = ["door", "members", "start"]

pytestmark = pytest.mark.cloud
CREATION = "compute/v2.1/servers$"
TWO_CLOUDS = """
state-dir: {base}/state
labels:
  - {{name: both, min-ready: 2}}
  - {{name: narrow, min-ready: 0}}
  - {{name: wide, min-ready: 0}}
providers:
  - name: small
    driver: openstack
    cloud: two
    region-name: RegionOne
    priority: 1
    login-test: false
    rate: 0.01
    cloud-images: [{{name: empty}}]
    pools:
      - networks: [bulk]
        availability-zones: [fake]
        labels:
          - {{name: both, cloud-image: empty, flavor-name: tiny}}
          - {{name: narrow, cloud-image: empty, flavor-name: tiny}}
  - name: large
    driver: openstack
    cloud: one
    priority: 2
    login-test: false
    rate: 0.01
    cloud-images: [{{name: empty}}]
    pools:
      - networks: [bulk]
        availability-zones: [fake]
        labels:
          - {{name: both, cloud-image: empty, flavor-name: tiny}}
          - {{name: wide, cloud-image: empty, flavor-name: tiny}}
"""


@contextmanager
def lowered(admin: openstack.connection.Connection, project: str, **limits: int) -> Iterator[None]:
    """Let a project have these compute quotas in this block, whatever it uses."""
    found = admin.identity.find_project(project).id
    before = admin.compute.get_quota_set(found)
    try:
        admin.compute.update_quota_set(found, **limits, force=True)
        yield
    finally:
        admin.compute.update_quota_set(found, **{name: before[name] for name in limits}, force=True)


@pytest.fixture
def admin(cloud: Cloud) -> Iterator[openstack.connection.Connection]:
    """Give a connection of the cloud's administrator."""
    with cloud.connect("admin") as connection:
        yield connection


def test_a_quota_that_is_lowered_below_what_is_used(
    start: Callable[..., FakePool], door: Door, admin: openstack.connection.Connection
) -> None:
    """One refusal at most teaches it: nothing more is tried there, others go on, and demand moves to where room is."""
    pool = start(TWO_CLOUDS)
    pool.wait(lambda seen: ready(seen) == [("both", "small")] * 2, PATIENCE)
    with lowered(admin, "two", instances=1):
        before = len(asked(door))
        pool.configure("both, min-ready: 2", "both, min-ready: 4")
        pool.configure("narrow, min-ready: 0", "narrow, min-ready: 1")
        pool.configure("wide, min-ready: 0", "wide, min-ready: 1")
        wanted = [("both", "large")] * 2 + [("both", "small")] * 2 + [("wide", "large")]
        pool.wait(lambda seen: ready(seen) == wanted, PATIENCE)
        why = (
            "label narrow: more nodes are wanted, and there is no room for them (the quota of small for servers is used"
        )
        eventually(lambda: why in pool.cli("status"), PATIENCE)
        refused = [call for call in asked(door)[before:] if call.status != 202]
        assert [call.status for call in refused] in ([403], [])
    node = next(each for each in pool.records.nodes.values() if each.provider == "small")
    pool.cli("delete", node.id)  # the next look at the quota is soon: something has changed
    pool.wait(lambda seen: ("narrow", "small") in ready(seen) and len(ready(seen)) == 6, PATIENCE)


def asked(door: Door) -> list[Call]:
    """Return the requests for servers, in both clouds."""
    return door.proxy.made("POST", CREATION)


def ready(records: Snapshot) -> list[tuple[Any, ...]]:
    """Return the labels and providers of the ready nodes."""
    return sorted((each.label, each.provider) for each in records.nodes.values() if each.state is NodeState.READY)
