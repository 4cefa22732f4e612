"""A pool whose configuration names a network that its cloud does not have."""

from collections.abc import Callable

import openstack
import pytest

from nodepool_lite.model.node import NodeState
from tests.cloud.pools import FAKES, PATIENCE, FakePool, door, members, start
from tests.clouds.openstack.conftest import Door

__all__ = ["door", "members", "start"]

pytestmark = pytest.mark.cloud
WRONG = FAKES.replace("networks: [bulk]", "networks: [bulky]")
REASON = "there is no network `bulky`; there are: bulk, "


def test_a_network_that_does_not_exist_costs_nothing_and_is_told_everywhere(
    start: Callable[..., FakePool], door: Door, member: openstack.connection.Connection
) -> None:
    """No server is asked for, the cloud is left alone, and all is well once the file is."""
    pool = start(WRONG, count=2)
    pool.wait(lambda seen: "launch/fake@cloud" in seen.backoffs, PATIENCE)
    known = len(door.proxy.calls)
    for command in ("status", "provider-list", "label-list"):
        assert REASON in pool.cli(command), command
    assert REASON in pool.said("list")
    assert len(door.proxy.calls) - known <= 5  # a loop would have made many in the seconds that the commands take
    live = pool.cli("config", "check", "--live", status=78)
    assert f"provider cloud: label fake in pool main: {REASON}" in live
    assert f"label fake in pool main: {REASON}" in pool.cli("doctor", status=None)
    assert pool.records.nodes == {}
    assert door.proxy.made("POST", "compute/") == []
    pool.configure("[bulky]", "[bulk]")
    records = pool.wait(lambda seen: [n.state for n in seen.nodes.values()] == [NodeState.READY] * 2, PATIENCE)
    assert [node for node, _ in pool.servers_in(member)] == sorted(records.nodes)
    assert pool.said("list") == ""
