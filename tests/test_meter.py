"""The gateway that counts what a client asks of ZooKeeper counts what the client itself counts."""

import pytest

from nodepool_lite.model.node import NodeState
from nodepool_lite.store.base import Write
from nodepool_lite.store.zookeeper import ZooKeeperStore
from nodepool_lite.testing import make_node
from tests.meter import Meter

pytestmark = pytest.mark.zookeeper


def test_it_counts_reads_writes_and_each_part_of_a_transaction(zookeeper_hosts: str, zookeeper_root: str) -> None:
    """So figures about clients that do not count can be trusted."""
    with Meter(zookeeper_hosts).running() as meter:
        store = ZooKeeperStore.connect(f"127.0.0.1:{meter.port}", root=zookeeper_root, watch=True)
        nodes = [store.create_numbered(make_node(number, state=NodeState.READY)) for number in range(3)]
        store.transact([Write("update", node.noted(1.0, "seen")) for node in nodes])
        store.delete(store.snapshot().nodes[nodes[0].id])
        store.read()
        asked = store.operations
        store.close()
    assert meter.operations == asked
    assert meter.kinds["create"] >= 3
    assert (meter.kinds["set"], meter.kinds["delete"]) == (3, 1)
