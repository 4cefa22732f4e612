"""Servers of a pool that a real Nova could not make, or that somebody does something to behind the pool's back."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from openstack.connection import Connection

from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.store.base import Snapshot
from tests.cloud.conftest import Cloud
from tests.cloud.pools import pool_id, running, servers_of
from tests.clouds.openstack.conftest import members
from tests.machine.pool import RealPool

__all__ = ["members"]

pytestmark = pytest.mark.cloud
CONFIG = """
state-dir: {base}/state
cleanup-interval: 5s
labels:
  - {{name: web, min-ready: {count}}}
  - {{name: broken, min-ready: 1}}
providers:
  - name: cloud
    driver: openstack
    cloud: one
    login-test: false
    rate: 0.01
    launch-retries: 0
    cloud-images: [{{name: empty}}]
    pools:
      - networks: [bulk]
        availability-zones: [fake]
        labels:
          - {{name: web, cloud-image: empty, flavor-name: tiny}}
          - {{name: broken, cloud-image: empty, flavor-name: tiny, instance-properties: {{fake-fault: spawn}}}}
"""
NOVAS_REASON = "aborted: fake-fault says so"
REASONS = ("its server is gone, and not by us", "its server is stopped: Nova says SHUTOFF", "its server is error")
COUNT = len(REASONS)
WITHIN = 180.0


@pytest.fixture(scope="module")
def pool(cloud: Cloud, members: list[Connection], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPool]:
    """Run a pool with a label whose servers all fail, and one whose servers are well."""
    base = tmp_path_factory.mktemp("servers")
    config = base / "nodepool.yaml"
    config.write_text(CONFIG.format(base=base, count=COUNT))
    with running(config, {"OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml)}, members[:1]) as pool:
        yield pool


def test_a_server_in_error_tells_why_and_is_not_asked_for_again_at_once(pool: RealPool) -> None:
    """In Nova's own words: in the node's history, and as what its label waits for. Other labels go on."""
    records = pool.wait(lambda records: bool(_nodes(records, "broken", NodeState.FAILED)), WITHIN)
    (failed,) = _nodes(records, "broken", NodeState.FAILED)
    history = json.loads(pool.cli("show", failed.id, "-f", "json"))["history"]
    assert NOVAS_REASON in next(step["reason"] for step in history if step["state"] == "failed")
    assert NOVAS_REASON in pool.cli("status", status=None)
    backoff = records.backoffs["launch/broken@cloud"]
    assert NOVAS_REASON in backoff.error
    assert backoff.next_try > failed.state_since
    pool.wait(lambda records: len(_nodes(records, "web", NodeState.READY)) == COUNT, WITHIN)


def test_what_somebody_does_to_servers_is_seen_and_made_up_for(
    pool: RealPool, cloud: Cloud, members: list[Connection]
) -> None:
    """One is deleted, one stopped, one put into ERROR: `show` tells it of each, with its console, and others follow."""
    records = pool.wait(lambda records: len(_nodes(records, "web", NodeState.READY)) == COUNT, WITHIN)
    before = [node.server_id or "" for node in _nodes(records, "web", NodeState.READY)]
    with closing(cloud.connect("neighbour")) as neighbour, closing(cloud.connect("admin")) as admin:
        neighbour.compute.delete_server(before[0])
        neighbour.compute.stop_server(before[1])
        admin.compute.reset_server_state(before[2], "error")
    nodes = (node.id for node in _nodes(records, "web", NodeState.READY))
    reasons = dict(zip(nodes, REASONS, strict=True))
    pool.wait(lambda records: all(records.nodes[each].state is NodeState.FAILED for each in reasons), WITHIN)
    shown = [pool.cli("show", node) for node in reasons]
    assert [reason for reason, text in zip(reasons.values(), shown, strict=True) if reason not in text] == []
    console = "its console log is kept; it ends: LAST LINE"
    assert [console in text for text in shown] == [False, True, True]
    records = pool.wait(lambda records: len(_nodes(records, "web", NodeState.READY)) == COUNT, WITHIN)
    pool.wait(lambda records: all(records.nodes[each].asked is None for each in reasons), WITHIN)
    assert not set(before) & set(servers_of(members[0], pool_id(pool)))


def _nodes(records: Snapshot, label: str, state: NodeState) -> list[Node]:
    found = (each for each in records.nodes.values() if each.label == label and each.state is state)
    return sorted(found, key=lambda each: each.id)
