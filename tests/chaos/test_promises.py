"""What the witness calls a broken promise is one, and what only looks like it for a moment is not."""

from types import MappingProxyType
from typing import Any

from nodepool_lite.config.settings import Label
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.store.base import Snapshot
from nodepool_lite.testing import make_config, make_lease, make_node
from tests.chaos.promises import Ledger, Look, Server, unsettled


def node(number: int, state: NodeState = NodeState.READY, **fields: Any) -> Node:
    """A node whose server has the same number."""
    return make_node(number, state=state, **{"server_id": f"server-{number}", "attempt": f"attempt-{number}", **fields})


def server(number: int, **fields: Any) -> Server:
    """The server of that node."""
    made = node(number)
    return Server(**{"id": f"server-{number}", "node": made.id, "attempt": made.attempt, **fields})


def look(nodes: list[Node], servers: list[Server], after: list[Node] | None = None) -> Look:
    """A list of servers, with nodes before and after it (the same, if not given)."""
    later = nodes if after is None else after
    return Look({each.id: each for each in nodes}, tuple(servers), {each.id: each for each in later})


def records(*things: Node | Lease) -> Snapshot:
    """What is recorded."""
    return Snapshot(
        nodes=MappingProxyType({each.id: each for each in things if isinstance(each, Node)}),
        leases=MappingProxyType({each.id: each for each in things if isinstance(each, Lease)}),
    )


def ledger(*moments: Snapshot) -> list[str]:
    """What a witness says who saw these moments."""
    seen = Ledger()
    for moment in moments:
        seen.add(moment)
    return list(seen.broken())


def active(name: str, *nodes: str, **fields: Any) -> Lease:
    """A lease that has these nodes."""
    return make_lease(name, state=LeaseState.ACTIVE, nodes=nodes, **fields)


def test_a_pool_that_does_what_it_should_is_not_accused() -> None:
    """As many servers as allowed, each of a node, and each node handed out once."""
    used = node(1, NodeState.IN_USE, lease="aaaa")
    assert not list(look([used, node(2)], [server(1), server(2)]).broken(2))
    assert not ledger(records(used, active("aaaa", used.id)))


def test_one_server_above_the_limit_is_found() -> None:
    """Only servers that are recorded count here; others are for the sweep."""
    nodes = [node(1), node(2), node(3)]
    servers = [server(1), server(2), server(3)]
    assert "3 servers, max-servers is 2" in " ".join(look(nodes, servers).broken(2))
    assert not list(look(nodes[:2], servers).broken(2))


def test_two_servers_of_one_request_are_found() -> None:
    """The cloud was asked once, and gave two."""
    assert "2 servers of attempt" in " ".join(look([node(1)], [server(1), server(1, id="twin")]).broken(9))


def test_a_stray_is_a_server_that_no_record_speaks_of_before_or_after_the_list() -> None:
    """A record that was made or ended meanwhile speaks of it, too; so does the attempt of one that boots."""
    boots = node(4, NodeState.BUILDING, server_id=None)
    seen = look([node(1), boots], [server(1), server(2), server(3), server(4)], [node(2), boots])
    assert [each.id for each in seen.strays] == ["server-3"]


def test_a_server_of_an_attempt_that_was_given_up_is_a_stray() -> None:
    """Its node goes on with another one."""
    boots = node(1, NodeState.BUILDING, server_id=None, attempt="second")
    assert look([boots], [server(1)]).strays == [server(1)]


def test_what_is_being_deleted_is_no_stray() -> None:
    """Somebody has asked for its end."""
    assert not look([], [server(1, deleting=True)]).strays


def test_a_node_that_serves_without_a_server_is_missed() -> None:
    """Whether its server is gone or is being deleted; not if the node did not serve all the time."""
    used = node(1, NodeState.IN_USE)
    assert look([used], []).missing == [used]
    assert look([used], [server(1, deleting=True)]).missing == [used]
    assert not look([used], [], [node(1, NodeState.DELETING)]).missing
    assert not look([node(1, NodeState.PREPARING)], [], [node(1)]).missing


def test_a_node_that_two_leases_had_is_found_even_when_one_of_them_has_lost_it_again() -> None:
    """Who looks at each moment alone would see nothing."""
    first = records(node(1, NodeState.IN_USE), active("aaaa", node(1).id))
    later = records(node(1, NodeState.IN_USE), active("aaaa"), active("bbbb", node(1).id))
    assert ledger(first, later) == [f"node {node(1).id} was handed to leases aaaa, bbbb"]


def test_a_node_that_was_used_twice_is_found_in_its_history() -> None:
    """Even if no lease tells of it."""
    used = node(1, NodeState.IN_USE)
    assert "handed out twice" in " ".join(ledger(records(used.but(history=(*used.history, *used.history)))))


def test_a_node_that_fails_and_a_lease_that_fails_are_found() -> None:
    """Here nothing goes wrong with servers, so somebody made it fail."""
    failed = node(1, NodeState.FAILED, error="its server is gone, and not by us")
    ended = make_lease("aaaa", state=LeaseState.ENDED, end_reason="failed: its node is gone")
    assert len(ledger(records(failed, ended))) == 2


def test_a_lease_that_vanished_or_became_younger_was_lost_by_zookeeper() -> None:
    """Then no pool can keep its promises, and it is said."""
    seen = Ledger()
    kept, turned, gone = (make_lease(name).but(version=3) for name in ("kept", "turned", "gone"))
    seen.add(records(kept, turned, gone))
    found = list(seen.lost(records(kept.but(version=4), turned.but(version=2))))
    assert [each.split()[-3] for each in found] == ["turned,", "gone,"]


def test_a_settled_pool_has_what_is_wanted_and_nothing_else() -> None:
    """Whole sets of ready nodes with their servers, ended leases, no other servers."""
    pair = [node(1, label="pair", subnodes=(node(2).id,)), node(2, label="pair", primary=node(1).id)]
    config = make_config((Label(name="pair", min_ready=1, subnodes=1),))
    ended = make_lease("aaaa", state=LeaseState.ENDED)
    servers = [server(1), server(2)]
    assert not list(unsettled(records(*pair, ended), servers, config))
    assert list(unsettled(records(*pair), [*servers, server(3)], config)) == ["server server-3 belongs to no node"]
    assert list(unsettled(records(*pair), servers[:1], config)) == [f"node {pair[1].id} is ready and has no server"]
    assert "a set of pair is not whole" in list(unsettled(records(pair[0]), servers[:1], config))
    assert "0 ready nodes of pair, 1 are wanted" in list(unsettled(records(), [], config))
    assert f"node {node(3).id} is deleting" in list(unsettled(records(*pair, node(3, NodeState.DELETING)), [], config))
    waiting = records(*pair, make_lease("bbbb"))
    assert any("bbbb" in each for each in unsettled(waiting, servers, config))
