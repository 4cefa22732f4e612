"""Leadership: one process for each thing, and none that nobody holds."""

import pytest

from nodepool_lite.daemon.leadership import Leadership, outdated
from nodepool_lite.model.pool import Leader
from nodepool_lite.store.memory import MemoryServer, MemoryStore

WANTED = frozenset({"planner", "provider/local"})


@pytest.fixture
def server() -> MemoryServer:
    """What several processes share."""
    return MemoryServer()


def candidate(server: MemoryServer, name: str, wanted: frozenset[str] = WANTED) -> tuple[Leadership, MemoryStore]:
    """Return a process that stands for those."""
    store = server.connect()
    return Leadership(store, name, lambda: wanted), store


def test_the_first_to_ask_leads_and_the_second_waits(server: MemoryServer) -> None:
    """Until the first is gone."""
    first, first_store = candidate(server, "first")
    second, _ = candidate(server, "second")
    first.campaign()
    second.campaign()
    assert (first.held(server.snapshot()), second.held(server.snapshot())) == (WANTED, frozenset())
    first_store.close()
    second.campaign()
    assert second.held(server.snapshot()) == WANTED


def test_what_is_no_longer_wanted_is_given_back(server: MemoryServer) -> None:
    """A provider was removed from the configuration."""
    store = server.connect()
    wanted = WANTED
    leadership = Leadership(store, "first", lambda: wanted)
    leadership.campaign()
    wanted = frozenset({"planner"})
    leadership.campaign()
    assert set(server.snapshot().leaders) == {"planner"}


def test_a_new_session_leads_only_what_it_won_itself(server: MemoryServer) -> None:
    """What the old one led may be another's by now."""
    leadership, store = candidate(server, "first")
    leadership.campaign()
    store.expire()
    assert leadership.held(server.snapshot()) == frozenset()
    leadership.campaign()
    assert leadership.held(server.snapshot()) == WANTED


def test_a_record_that_says_an_earlier_session_of_ours_is_cleared_away(server: MemoryServer) -> None:
    """The session expired between the decision and the write: nobody would ever hold it."""
    leadership, store = candidate(server, "first")
    old = leadership.me
    store.expire()
    store.create(Leader(id="planner", holder=old))
    leadership.campaign()
    leadership.campaign()
    assert leadership.held(server.snapshot()) == WANTED


NEWER = b'{"schema_version": 99, "invented": true}'


@pytest.mark.parametrize("path", ["nodes/0000000001", "leases/abcd2345", "builds/debian-12/0000000001"])
def test_who_does_not_understand_the_records_leads_nothing(server: MemoryServer, path: str) -> None:
    """An older process gives back what it leads as soon as a newer one has written, and the newer one takes it."""
    old, store = candidate(server, "old", frozenset({"planner", "builder"}))
    old.campaign()
    assert old.held(store.snapshot()) == {"planner", "builder"}
    server.spoil(path, NEWER)
    old.campaign()
    assert not store.snapshot().leaders
    assert f"a newer nodepool-lite has written 1 records ({path} is one)" in outdated(store.snapshot())
    old.campaign()
    assert not store.snapshot().leaders
    server.spoil(path, None)
    old.campaign()
    assert old.held(store.snapshot()) == {"planner", "builder"}


def test_a_newer_process_that_only_says_it_is_there_takes_nothing_away(server: MemoryServer) -> None:
    """Its member record may have a newer schema; nothing that lasts was written yet."""
    old, store = candidate(server, "old", frozenset({"planner"}))
    server.spoil("members/all-elsewhere-1", NEWER)
    old.campaign()
    assert old.held(store.snapshot()) == {"planner"}


def test_a_leader_that_cannot_be_read_is_a_leader(server: MemoryServer) -> None:
    """Nobody tries to take its place, again and again in vain."""
    server.spoil("leaders/planner", b"?")
    me, store = candidate(server, "me", frozenset({"planner", "builder"}))
    me.campaign()
    assert me.held(store.snapshot()) == {"builder"}


def test_who_stops_gives_everything_back_at_once(server: MemoryServer) -> None:
    """Before its session ends, and although it may not be able to say so any more."""
    me, store = candidate(server, "me")
    other, watching = candidate(server, "other")
    me.campaign()
    me.resign()
    other.campaign()
    assert other.held(watching.snapshot()) == WANTED
    watching.disconnect()
    other.resign()
    watching.reconnect()
    assert other.held(store.snapshot()) == WANTED
