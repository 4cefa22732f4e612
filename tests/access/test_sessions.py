"""Sessions kept for reuse: one per node, not too many, not for too long, never the wrong one."""

from collections.abc import Iterator

import pytest

from nodepool_lite.access.keys import KeyPair, new_host_key
from nodepool_lite.access.session import Target
from nodepool_lite.access.sessions import SessionPool
from nodepool_lite.model.errors import HostKeyMismatchError, NotYetReachableError, SessionLostError
from nodepool_lite.testing import FakeClock

from .guest import Guest


@pytest.fixture
def clock() -> FakeClock:
    """Time that the test moves."""
    return FakeClock()


@pytest.fixture
def pool(key: KeyPair, clock: FakeClock) -> Iterator[SessionPool]:
    """Keeps two sessions, each for a minute."""
    pool = SessionPool(key, clock, limit=2, idle=60)
    yield pool
    pool.close()


def test_the_second_use_takes_the_same_connection(pool: SessionPool, guest: Guest) -> None:
    """A node is logged in to once."""
    with pool.use("1", guest.target(), 20) as first:
        first.run("true", 20)
    with pool.use("1", guest.target(), 20) as second:
        assert second is first


def test_a_session_in_use_is_not_lent_twice(pool: SessionPool, guest: Guest) -> None:
    """Two at the same node get a connection each, and one of them is kept."""
    with pool.use("1", guest.target(), 20) as first, pool.use("1", guest.target(), 20) as second:
        assert first is not second
    assert (first.alive, second.alive) == (False, True)
    assert pool.idle == {"1"}


def test_unused_sessions_are_closed(pool: SessionPool, guest: Guest, clock: FakeClock) -> None:
    """A minute later nothing is open."""
    with pool.use("1", guest.target(), 20) as session:
        pass
    clock.advance(59)
    pool.tidy()
    assert session.alive
    clock.advance(1)
    pool.tidy()
    assert not session.alive
    assert pool.idle == set()


def test_no_more_than_the_limit_are_kept(pool: SessionPool, guest: Guest) -> None:
    """The one that was not used for longest goes."""
    for node_id in ("1", "2", "1", "3"):
        with pool.use(node_id, guest.target(), 20):
            pass
    assert pool.idle == {"1", "3"}


def test_a_forgotten_node_is_closed_even_while_in_use(pool: SessionPool, guest: Guest) -> None:
    """A deleted node leaves no connection behind, and a new node of that name starts afresh."""
    with pool.use("1", guest.target(), 20) as first:
        pool.forget("1")
        first.run("true", 20)
    assert not first.alive
    with pool.use("1", guest.target(), 20) as second:
        pass
    pool.forget("1")
    assert not second.alive
    assert pool.idle == set()


def test_a_lost_session_is_not_kept(pool: SessionPool, guest: Guest) -> None:
    """After an error the next use logs in anew."""
    with pytest.raises(SessionLostError), pool.use("1", guest.target(), 20) as session:
        session.run("sleep 60", 1)
    assert pool.idle == set()
    with pool.use("1", guest.target(), 20) as session:
        session.run("true", 20)


def test_a_session_that_died_while_idle_is_replaced(pool: SessionPool, own_guest: Guest) -> None:
    """A node that was restarted is logged in to again."""
    with pool.use("1", own_guest.target(), 20) as first:
        pass
    own_guest.reboot()
    with pool.use("1", own_guest.target(), 20) as second:
        assert second is not first
        second.run("true", 20)


def test_another_door_or_another_key_is_not_served_by_the_old_session(pool: SessionPool, guest: Guest) -> None:
    """The address, the user and the pinned key have to fit."""
    with pool.use("1", guest.target(), 20) as first:
        pass
    with pool.use("1", guest.target("root"), 20) as second:
        assert second is not first
    with pytest.raises(HostKeyMismatchError), pool.use("1", guest.target("root", new_host_key().public), 20):
        pass
    assert not second.alive


def test_a_session_of_first_contact_serves_the_key_it_saw(pool: SessionPool, guest: Guest) -> None:
    """Pinning what was seen needs no second login."""
    with pool.use("1", guest.target(host_key=None), 20) as first:
        pass
    with pool.use("1", guest.target(), 20) as second:
        assert second is first


def test_a_failed_login_keeps_nothing(pool: SessionPool) -> None:
    """The error of the login comes through as it is."""
    with pytest.raises(NotYetReachableError), pool.use("1", Target("127.0.0.1", 1, "jenkins"), 5):
        pass
    assert pool.idle == set()
