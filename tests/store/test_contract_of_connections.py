"""What every store promises when connections break, servers fall silent and sessions end: in memory as in ZooKeeper.

The simulation relies on each of these.
"""

import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.model.node import Node
from nodepool_lite.model.pool import Leader, Member
from nodepool_lite.store import _link
from nodepool_lite.testing import make_node
from tests.store.trouble import BeforeZooKeeper, InMemory, Trouble
from tests.store.waiting import until, until_seen

MEMBER = Member(id="launcher-a-1", role="launcher", host="a", pid=1, started=1.0, software="0")


@pytest.fixture(params=["memory", pytest.param("zookeeper", marks=pytest.mark.zookeeper)])
def trouble(request: pytest.FixtureRequest, zookeeper_root: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trouble]:
    """Give clients of either kind, and what may be done to them."""
    if request.param == "memory":
        yield InMemory()
        return
    monkeypatch.setattr(_link, "CALL_TIMEOUT", 1.0)
    found = BeforeZooKeeper(request.getfixturevalue("zookeeper_hosts"), zookeeper_root)
    yield found
    found.close()


def test_a_client_that_is_cut_off_fails_at_once_and_queues_nothing(trouble: Trouble) -> None:
    """Session and ephemeral records stay; what happened meanwhile is in the view afterwards, and nothing else is."""
    store, other = trouble.connect(), trouble.connect()
    store.create(MEMBER)
    session = store.session
    trouble.cut(store)
    until(store, lambda: not store.connected)
    calls: list[Callable[[], object]] = [
        store.snapshot,
        store.read,
        lambda: store.create(make_node(1)),
        lambda: store.create_numbered(make_node()),
    ]
    began = time.monotonic()
    for call in calls:
        with pytest.raises(StoreUnavailableError):
            call()
    assert time.monotonic() - began < 1.0
    node = other.create(make_node(2))
    trouble.mend(store)
    seen = until_seen(store, lambda seen: bool(seen.nodes))
    assert (store.session, list(seen.members), seen.nodes) == (session, [MEMBER.id], {node.id: node})


def test_an_expired_session_is_followed_by_another(trouble: Trouble) -> None:
    """Its ephemeral records are gone for everybody; the client goes on under another session and may make them anew."""
    store, other = trouble.connect(), trouble.connect()
    store.create(MEMBER)
    node = store.create(make_node(1))
    until_seen(other, lambda seen: bool(seen.members))
    session = store.session
    trouble.expire(store)
    until_seen(other, lambda seen: not seen.members)
    seen = until_seen(store, lambda _seen: store.session != session)
    assert (seen.members, seen.nodes) == ({}, {node.id: node})
    store.create(MEMBER)
    until_seen(other, lambda seen: bool(seen.members))


def test_a_write_whose_answer_is_lost_is_done_once(trouble: Trouble) -> None:
    """Its caller is told that nobody knows; the view tells, as soon as there is one again."""
    store, other = trouble.connect(), trouble.connect()
    node = store.create(make_node(1))
    until_seen(other, lambda seen: bool(seen.nodes))
    trouble.lose_answer(
        store, lambda: store.update(node.noted(1.0, "x")), lambda: _version(other.read(Node).nodes) == 1
    )
    seen = until_seen(store, lambda seen: _version(seen.nodes) == 1)
    assert seen.nodes[node.id].history[-1].reason == "x"


def test_a_silent_server_is_not_waited_for_and_does_later_what_it_was_asked(trouble: Trouble) -> None:
    """The client takes itself for connected, and its view stays as it was: what it knows may be long untrue."""
    store, other = trouble.connect(), trouble.connect()
    node = store.create(make_node(1))
    until_seen(other, lambda seen: bool(seen.nodes))
    trouble.silence(store)
    theirs = other.create(make_node(2))
    with pytest.raises(StoreUnavailableError, match="unknown whether"):
        store.update(node.noted(1.0, "late"))
    assert store.connected
    assert store.snapshot().nodes == {node.id: node}
    assert other.read(Node).nodes[node.id] == node
    trouble.mend(store)
    seen = until_seen(store, lambda seen: len(seen.nodes) == 2 and seen.nodes[node.id].version == 1)
    assert seen.nodes[theirs.id] == theirs
    until_seen(other, lambda seen: seen.nodes[node.id].version == 1)


def test_what_was_asked_in_silence_is_not_done_once_the_session_has_ended(trouble: Trouble) -> None:
    """So a leader that was away cannot write what it decided when it led."""
    store, other = trouble.connect(), trouble.connect()
    node = store.create(make_node(1))
    store.create(Leader(id="planner", holder="me"))
    until_seen(other, lambda seen: bool(seen.leaders))
    session = store.session
    trouble.silence(store)
    with pytest.raises(StoreUnavailableError):
        store.update(node.noted(1.0, "of the leader that was"))
    trouble.expire(store)
    until_seen(other, lambda seen: not seen.leaders)
    assert store.connected
    assert list(store.snapshot().leaders) == ["planner"], "it believes what it knew"
    trouble.mend(store)
    seen = until_seen(store, lambda seen: store.session != session and not seen.leaders)
    assert seen.nodes == other.read(Node).nodes == {node.id: node}


def _version(nodes: Mapping[str, Node]) -> int:
    return max((node.version for node in nodes.values()), default=-1)
