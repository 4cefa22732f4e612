"""Deleting and holding nodes."""

import threading

import pytest

from nodepool_lite.config.settings import Config
from nodepool_lite.model.clock import SystemClock
from nodepool_lite.model.errors import NodepoolError, NoSuchThingError, WaitTimeoutError
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState
from nodepool_lite.service import nodes
from nodepool_lite.store.memory import MemoryServer, MemoryStore
from nodepool_lite.testing import NOW, FakeClock, make_config, make_lease, make_node, numbered

ONE, TWO, THREE = numbered(1), numbered(2), numbered(3)


def test_deleting_says_who_did_it(store: MemoryStore) -> None:
    """The history of the node tells."""
    store.create(make_node(1))
    assert nodes.delete(store, "1", who="bob", now=NOW) == (ONE,)
    node = store.snapshot().nodes[ONE]
    assert (node.state, node.history[-1].reason) == (NodeState.DELETING, "deleted: by bob")


def test_deleting_one_of_a_set_deletes_the_set(store: MemoryStore) -> None:
    """A set that lacks a node is worth nothing."""
    store.create(make_node(1, subnodes=(TWO,)))
    store.create(make_node(2, primary=ONE, state=NodeState.PREPARING))
    assert nodes.delete(store, "2", who="bob", now=NOW) == (ONE, TWO)
    assert {node.state for node in store.snapshot().nodes.values()} == {NodeState.DELETING}


def test_deleting_a_node_in_use_ends_its_lease(store: MemoryStore) -> None:
    """The user's lease says why."""
    store.create(make_node(1, state=NodeState.IN_USE, lease="abcd2345"))
    store.create(make_lease("abcd2345", state=LeaseState.ACTIVE, nodes=(ONE,)))
    nodes.delete(store, "1", who="bob", now=NOW)
    assert store.snapshot().leases["abcd2345"].end_reason == "deleted: by bob"


def test_deleting_twice_changes_nothing(store: MemoryStore) -> None:
    """A node on its way out stays so."""
    store.create(make_node(1, state=NodeState.DELETING))
    assert nodes.delete(store, "1", who="bob", now=NOW) == (ONE,)
    assert store.snapshot().nodes[ONE].version == 0


def test_deleting_what_does_not_exist(store: MemoryStore) -> None:
    """It is an error of its own kind."""
    with pytest.raises(NoSuchThingError, match="no node 42"):
        nodes.delete(store, "42", who="bob", now=NOW)


def test_waiting_until_a_node_is_gone(server: MemoryServer, store: MemoryStore) -> None:
    """It returns when the record is removed, and not before."""
    node = store.create(make_node(1, state=NodeState.DELETING))
    other = server.connect()
    remover = threading.Timer(0.05, other.delete, [node])
    remover.start()
    nodes.await_gone(store, SystemClock(), [ONE], patience=20)
    assert not store.snapshot().nodes
    remover.join()


def test_waiting_for_the_end_has_an_end(store: MemoryStore) -> None:
    """Without a launcher nothing goes, and the message asks for one."""
    store.create(make_node(1, state=NodeState.DELETING))
    with pytest.raises(WaitTimeoutError, match=f"{ONE}: still being deleted.*is a launcher running"):
        nodes.await_gone(store, FakeClock(), [ONE], patience=0)


def test_holding_keeps_the_set_with_a_reason_and_a_time(store: MemoryStore, config: Config) -> None:
    """Each of its nodes says who holds it, why and how long."""
    store.create(make_node(1, subnodes=(TWO,)))
    store.create(make_node(2, primary=ONE))
    held = nodes.hold(store, config, "1", reason="bug 7", who="bob", now=NOW, seconds=3600)
    assert [(node.id, node.state, node.hold_reason, node.hold_until) for node in held] == [
        (each, NodeState.HOLD, "bug 7 (bob)", NOW + 3600) for each in (ONE, TWO)
    ]
    assert held[0].history[-1].reason == "held by bob for 1h: bug 7"


def test_holding_a_node_in_use_leaves_its_lease_alone(store: MemoryStore, config: Config) -> None:
    """The user goes on working."""
    store.create(make_node(1, state=NodeState.IN_USE, lease="abcd2345"))
    store.create(make_lease("abcd2345", state=LeaseState.ACTIVE, nodes=(ONE,)))
    (held,) = nodes.hold(store, config, "1", reason="look", who="bob", now=NOW)
    assert (held.lease, held.hold_until) == ("abcd2345", None)
    assert store.snapshot().leases["abcd2345"].state is LeaseState.ACTIVE


@pytest.mark.parametrize(("asked", "until"), [(None, NOW + 100), (50, NOW + 50), (500, NOW + 100)])
def test_a_hold_is_never_longer_than_the_pool_allows(store: MemoryStore, asked: float | None, until: float) -> None:
    """max-hold-age caps what was asked for."""
    store.create(make_node(1))
    config = make_config(max_hold_age=100)
    (held,) = nodes.hold(store, config, "1", reason="look", who="bob", now=NOW, seconds=asked)
    assert held.hold_until == until


def test_holding_again_replaces_reason_and_time(store: MemoryStore, config: Config) -> None:
    """The later word counts; both are in the history."""
    store.create(make_node(1))
    nodes.hold(store, config, "1", reason="one", who="bob", now=NOW, seconds=60)
    (held,) = nodes.hold(store, config, "1", reason="two", who="eve", now=NOW + 5)
    assert (held.hold_reason, held.hold_until) == ("two (eve)", None)
    assert [event.reason for event in held.history][1:] == ["held by bob for 1m: one", "held by eve: two"]


def test_what_is_not_ready_cannot_be_held(store: MemoryStore, config: Config) -> None:
    """The error says what it is."""
    store.create(make_node(1, state=NodeState.TESTING))
    with pytest.raises(NodepoolError, match="is testing; only a ready, in-use or held node"):
        nodes.hold(store, config, "1", reason="look", who="bob", now=NOW)


def test_the_end_of_a_hold_is_the_end_of_the_node(store: MemoryStore, config: Config) -> None:
    """A node that somebody worked on is never handed out."""
    store.create(make_node(1))
    nodes.hold(store, config, "1", reason="look", who="bob", now=NOW)
    assert nodes.unhold(store, "1", who="eve", now=NOW) == (ONE,)
    assert store.snapshot().nodes[ONE].state is NodeState.DELETING


def test_only_a_hold_can_end(store: MemoryStore) -> None:
    """A ready node is not deleted by a slip."""
    store.create(make_node(1))
    with pytest.raises(NodepoolError, match="is ready, not on hold"):
        nodes.unhold(store, "1", who="eve", now=NOW)
