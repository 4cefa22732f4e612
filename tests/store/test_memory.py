"""What the in-memory twin adds to the contract: connections and sessions that break when a test says so."""

from collections.abc import Callable

import pytest

from nodepool_lite.model.errors import StoreConflictError, StoreUnavailableError
from nodepool_lite.model.pool import Member
from nodepool_lite.store.base import Write
from nodepool_lite.store.memory import MemoryServer
from nodepool_lite.testing import make_node

MEMBER = Member(id="launcher-a-1", role="launcher", host="a", pid=1, started=1.0, software="0")


def test_a_broken_connection_refuses_every_call_until_it_is_mended() -> None:
    """Nothing reaches the server meanwhile; the session and its records stay, and the view is current afterwards."""
    server = MemoryServer()
    store, other = server.connect(), server.connect()
    store.create(MEMBER)
    session = store.session
    store.disconnect()
    assert not store.connected
    calls: list[Callable[[], object]] = [
        store.snapshot,
        store.read,
        lambda: store.create(make_node(1)),
        lambda: store.create_numbered(make_node()),
        lambda: store.transact([]),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError, match="cannot be reached"):
            call()
    node = other.create(make_node(2))
    assert list(other.snapshot().members) == [MEMBER.id]
    store.reconnect()
    assert (store.connected, store.session) == (True, session)
    assert store.snapshot().nodes == {node.id: node}


def test_subscribers_hear_of_the_connection_and_of_nothing_meanwhile() -> None:
    """A client is told that its connection broke and that it is back; changes in between are in the view then."""
    server = MemoryServer()
    store, other = server.connect(), server.connect()
    heard: list[bool] = []
    with store.subscribe(lambda: heard.append(store.connected)):
        store.disconnect()
        other.create(make_node(1))
        store.reconnect()
    assert heard == [False, True]


@pytest.mark.parametrize("cut_off", [True, False])
def test_an_expired_session_takes_its_ephemeral_records_along(*, cut_off: bool) -> None:
    """The client goes on with a new session: at once, or when it is connected again."""
    server = MemoryServer()
    store, other = server.connect(), server.connect()
    session = store.session
    store.create(MEMBER)
    if cut_off:
        store.disconnect()
    store.expire()
    assert not other.snapshot().members
    if cut_off:
        assert store.session == session
        store.reconnect()
    assert store.session != session
    store.create(MEMBER)
    other.close()
    assert list(store.snapshot().members) == [MEMBER.id]


def test_a_lost_reply_leaves_the_caller_in_doubt_about_what_was_done() -> None:
    """The write is done, once, and the next one is answered again."""
    store = MemoryServer().connect()
    store.lose_reply()
    with pytest.raises(StoreUnavailableError, match="unknown whether"):
        store.transact([Write("create", make_node("first"))])
    assert list(store.snapshot().nodes) == ["first"]
    store.lose_reply()
    with pytest.raises(StoreUnavailableError, match="unknown whether"):
        store.create_numbered(make_node())
    store.create(make_node(7))
    assert len(store.snapshot().nodes) == 3


def test_news_that_is_held_up_comes_when_it_is_let_through() -> None:
    """Own writes are in the view at once; those of others, and the call of the subscribers, only then."""
    server = MemoryServer()
    store, other = server.connect(), server.connect()
    node = store.create(make_node(1))
    heard: list[int] = []
    with store.subscribe(lambda: heard.append(len(store.snapshot().nodes))):
        store.hold()
        other.update(node.noted(1.0, "changed"))
        other.create(make_node(2))
        mine = store.create(make_node(3))
        assert store.snapshot().nodes == {node.id: node, mine.id: mine}
        store.delete(mine)
        assert store.snapshot().nodes == {node.id: node}
        with pytest.raises(StoreConflictError):
            store.update(node.noted(2.0, "late"))
        assert heard == [2, 1]
        store.hear()
    assert heard[-1] == 2
    assert store.snapshot() == other.snapshot() == store.read()


def test_a_silent_server_does_what_it_was_asked_once_it_goes_on() -> None:
    """Meanwhile the client knows of nothing: it counts as connected, and its view stays."""
    server = MemoryServer()
    store, other = server.connect(), server.connect()
    node = store.create(make_node(5))
    store.fall_silent()
    calls: list[Callable[[], object]] = [
        store.read,
        lambda: store.update(node.noted(1.0, "late")),
        lambda: store.update(node.noted(2.0, "refused")),
        lambda: store.create_numbered(make_node()),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError, match="did not answer"):
            call()
    assert store.connected
    assert store.snapshot().nodes == other.snapshot().nodes == {node.id: node}
    store.reconnect()
    assert len(store.snapshot().nodes) == 2
    assert store.snapshot().nodes[node.id].history[-1].reason == "late"


def test_a_session_that_expires_in_silence_takes_its_unanswered_writes_along() -> None:
    """The client goes on believing in what is over until it hears from the server."""
    server = MemoryServer()
    store, other = server.connect(), server.connect()
    session = store.session
    store.create(MEMBER)
    store.fall_silent()
    with pytest.raises(StoreUnavailableError):
        store.create(make_node(1))
    store.expire()
    assert not other.snapshot().members
    assert (store.connected, store.session, list(store.snapshot().members)) == (True, session, [MEMBER.id])
    store.reconnect()
    assert store.session != session
    assert store.snapshot() == other.snapshot()
    assert not store.snapshot().nodes


def test_what_was_asked_in_silence_is_not_done_after_the_end_of_its_client() -> None:
    """Its session is over, and its requests with it."""
    server = MemoryServer()
    store, other = server.connect(), server.connect()
    store.fall_silent()
    with pytest.raises(StoreUnavailableError):
        store.create(make_node(1))
    store.close()
    store.reconnect()
    assert not store.connected
    assert not other.snapshot().nodes
