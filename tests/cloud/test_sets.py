"""Machines that belong together, on a real Nova with two zones."""

from collections import Counter
from collections.abc import Callable

import pytest
from openstack.connection import Connection

from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.store.base import Snapshot
from tests.cloud.pools import PATIENCE, FakePool, door, members, start

__all__ = ["door", "members", "start"]

pytestmark = [pytest.mark.cloud, pytest.mark.aside]
SETS = """
state-dir: {base}/state
labels:
  - name: ha
    min-ready: 2
    nodeset: [{{label: controller, count: 1}}, {{label: compute, count: 2}}]
  - {{name: controller, min-ready: 0}}
  - {{name: compute, min-ready: 0}}
providers:
  - name: cloud
    driver: openstack
    cloud: one
    login-test: false
    rate: 0.01
    cloud-images: [{{name: empty}}]
    pools:
      - networks: [bulk]
        availability-zones: [fake, qemu]
        labels:
          - {{name: ha}}
          - {{name: controller, cloud-image: empty, flavor-name: small}}
          - {{name: compute, cloud-image: empty, flavor-name: tiny}}
"""
MACHINES = 3


def test_a_set_is_in_one_zone_is_handed_out_and_goes_as_one(
    start: Callable[..., FakePool], members: list[Connection]
) -> None:
    """Each machine as its own label says; sets take turns with the zones; nothing of a set that was used stays."""
    pool = start(SETS)
    sets = whole(pool.wait(lambda seen: len(whole(seen)) == 2, PATIENCE))
    nova = {each.id: each for each in members[0].compute.servers()}
    zones = [{nova[node.server_id].availability_zone for node in each} for each in sets]
    assert sorted(map(sorted, zones)) == [["fake"], ["qemu"]]
    flavors = [Counter(nova[node.server_id].flavor.original_name for node in each) for each in sets]
    assert flavors == [Counter(small=1, tiny=2)] * 2

    lease = pool.cli("grab", "ha", "--no-wait", "-f", "value").strip()
    seen = pool.wait(lambda seen: sum(each.lease == lease for each in seen.nodes.values()) == MACHINES)
    taken = [each for each in seen.nodes.values() if each.lease == lease]
    assert {each.state for each in taken} == {NodeState.IN_USE}
    pool.cli("release", lease)
    used = {each.id for each in taken}
    seen = pool.wait(lambda seen: len(whole(seen)) == 2 and not used & seen.nodes.keys(), PATIENCE)
    there = {node for node, _ in pool.servers_in(members[0])}
    assert there == seen.nodes.keys()
    assert len(there) == 2 * MACHINES


def whole(records: Snapshot) -> list[list[Node]]:
    """Return the sets of which every machine is ready."""
    nodes = records.nodes
    sets = [[node, *(nodes[sub] for sub in node.subnodes if sub in nodes)] for node in nodes.values() if node.subnodes]
    return [each for each in sets if [node.state for node in each] == [NodeState.READY] * MACHINES]
