"""A whole pool, daemon and all, while the cloud fails in every way that the proxy knows."""

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import openstack
import pytest

from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.store.base import Snapshot
from tests.cloud.pools import PATIENCE, FakePool, door, members, start
from tests.cloud.proxy import Call, FaultProxy, Rule, refusal, truncated, withheld
from tests.clouds.openstack.conftest import Door
from tests.waiting import eventually

__all__ = ["door", "members", "start"]

pytestmark = [pytest.mark.cloud, pytest.mark.aside]
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "delay": {"delay": 2.0},
    "cut before": {"cut": "before"},
    "cut after": {"cut": "after"},
    "429": {"answer": refusal(429, Retry_After="1")},
    "401": {"answer": refusal(401)},
    "403 quota": {"answer": refusal(403, "Quota exceeded for instances: Requested 1, but already used 9 of 9")},
    "409": {"answer": refusal(409)},
    "500": {"answer": refusal(500)},
    "503": {"answer": refusal(503)},
    "half an answer": {"change": truncated},
}
REFUSED = {"401 twice": {"answer": refusal(401), "times": 2}}
"""The first refusal of a token is met with a new one, in silence."""
SAID: Mapping[str, str] = {
    "cut before": "could not .*",
    "cut after": "could not .*",
    "401 twice": "the cloud does not accept the credentials",
    "403 quota": "Quota exceeded for instances",
    "409": r"said by the proxy \(HTTP 409\)",
    "500": r"said by the proxy \(HTTP 500\)",
    "503": r"said by the proxy \(HTTP 503\)",
    "half an answer": "could not .*",
}
"""What people are told of each; the others pass in silence."""
MADE = {"", "withheld", "delay", "cut after", "half an answer", "403 quota"}
"""After these no second server is asked for: there is one, or (quota) there is to be none."""
ENDED = {"", "delay", "cut after"}
"""After these a second deletion is needed only where the first takes long."""
CREATION, LIST, DELETION = "compute/v2.1/servers$", "compute/v2.1/servers/detail", "compute/v2.1/servers/[^/]*$"
PROVIDER = "provider/cloud"


def test_a_pool_comes_through_every_fault_of_creations_lists_and_deletions(
    start: Callable[..., FakePool], door: Door, member: openstack.connection.Connection
) -> None:
    """Every node becomes ready with one server, the reason of each wait is on record, and nothing is left."""
    answered = threading.Event()
    rules = _withhold_one_creation(door.proxy, answered) | _all_faults(door.proxy, "POST", CREATION, FAULTS)
    pool = start(count=len(rules))
    eventually(lambda: door.proxy.rules[0].seen, PATIENCE)
    _suffer_lists(pool, door.proxy)
    answered.set()
    records = pool.wait(lambda seen: len(_ready(seen)) == len(rules), PATIENCE)
    _judge_creations(_stories(door.proxy.made("POST", CREATION), rules, _node_of), records)
    servers = pool.servers_in(member)
    assert [node for node, _ in servers] == sorted(node.id for node in _ready(records))
    assert _ports(member, servers)
    _suffer_deletions(pool, door.proxy, len(rules))
    assert pool.servers_in(member) == []
    assert _ports(member, servers) == []


def _withhold_one_creation(proxy: FaultProxy, answered: threading.Event) -> dict[int, str]:
    """Keep the answer to the next creation back, so that there is something to look for in lists meanwhile."""
    return {id(proxy.rule("POST", CREATION, change=withheld(answered, 110))): "withheld"}


def _judge_creations(stories: Mapping[str, list[str]], records: Snapshot) -> None:
    """Look at which faults the requests for each node met."""
    for node_id, met in stories.items():
        assert all(name not in MADE for name in met[:-1]), (node_id, met)
        assert met[-1] in MADE, (node_id, met)
        node = records.nodes[node_id]
        assert (node.state is NodeState.FAILED) == ("403 quota" in met)
        _assert_told(node, met)
    assert {name for met in stories.values() for name in met} == {"", "withheld", *FAULTS}


def _suffer_lists(pool: FakePool, proxy: FaultProxy) -> None:
    """Let lists fail in every way."""
    for name, what in {**FAULTS, **REFUSED}.items():
        rule = proxy.rule("GET", LIST, **what)
        if name in SAID:
            backoff = pool.wait(lambda seen: PROVIDER in seen.backoffs, PATIENCE).backoffs[PROVIDER]
            assert re.search(SAID[name], backoff.error), name
            pool.wait(lambda seen: PROVIDER not in seen.backoffs, PATIENCE)
        else:
            eventually(lambda rule=rule: _answered_since(proxy, rule), PATIENCE)
            assert PROVIDER not in pool.records.backoffs, name


def _suffer_deletions(pool: FakePool, proxy: FaultProxy, count: int) -> None:
    """Let deletions fail in every way."""
    known = len(proxy.made("DELETE", DELETION))
    faults = {name: what for name, what in FAULTS.items() if name != "half an answer"}  # the whole one is empty
    rules = _all_faults(proxy, "DELETE", DELETION, faults)
    last: dict[str, Node] = {}

    def gone(seen: Snapshot) -> bool:
        last.update({node.server_id or "": node for node in seen.nodes.values()})
        return all(node.state is NodeState.FAILED and node.asked is None for node in seen.nodes.values())

    pool.configure(f"min-ready: {count}", "min-ready: 0")
    pool.wait(gone, PATIENCE)
    stories = _stories(proxy.made("DELETE", DELETION)[known:], rules, lambda call: call.path.rpartition("/")[2])
    for server_id, met in stories.items():
        assert met[-1] in ENDED, (server_id, met)
        _assert_told(last[server_id], met)
    assert {name for met in stories.values() for name in met} == {"", *faults}


def _all_faults(proxy: FaultProxy, method: str, path: str, faults: Mapping[str, Mapping[str, Any]]) -> dict[int, str]:
    """Have the next calls meet one fault each; return the names of the rules."""
    return {id(proxy.rule(method, path, **what)): name for name, what in faults.items()}


def _stories(calls: list[Call], rules: Mapping[int, str], whose: Callable[[Call], str]) -> Mapping[str, list[str]]:
    """Return which faults the calls for each thing met, in their order; an empty name for an honest answer."""
    found: dict[str, list[str]] = defaultdict(list)
    for call in sorted(calls, key=lambda each: each.at):
        found[whose(call)].append(rules.get(id(call.rule), ""))
    return found


def _node_of(call: Call) -> str:
    return str(call.json["server"]["metadata"]["nodepool_node_id"])


def _assert_told(node: Node, met: list[str]) -> None:
    """Each fault that made the node wait is in its history."""
    told = [event.reason for event in node.history]
    for name in met:
        assert name not in SAID or any(re.search(SAID[name], reason) for reason in told), (name, told)


def _answered_since(proxy: FaultProxy, rule: Rule) -> bool:
    """Tell whether a list was answered after the one that met the rule."""
    lists = proxy.made("GET", LIST)
    met = [number for number, call in enumerate(lists) if call.rule is rule]
    return bool(met) and any(call.status == 200 for call in lists[met[-1] + 1 :])


def _ports(member: openstack.connection.Connection, servers: list[tuple[str, str]]) -> list[str]:
    """Return the ports of these servers, however long they are gone."""
    ours = {server_id for _, server_id in servers}
    return [port.id for port in member.network.ports() if port.device_id in ours]


def _ready(records: Snapshot) -> list[Node]:
    return [node for node in records.nodes.values() if node.state is NodeState.READY]
