"""What the in-memory twin adds to the contract: connections and sessions that break when a test says so."""

from collections.abc import Callable

import pytest

from nodepool_lite.model.errors import StoreUnavailableError
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
