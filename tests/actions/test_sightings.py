"""What a process remembers of its clouds is whole whenever it is looked at."""

from nodepool_lite.actions.sightings import Sightings
from nodepool_lite.clouds.driver import Quota, Server, ServerState
from nodepool_lite.testing import NOW


def listed(*ids: str) -> list[Server]:
    """Return servers as a cloud lists them."""
    return [Server(id=each, state=ServerState.ACTIVE, node_id=each, attempt="a", name=each) for each in ids]


def seen(*ids: str) -> Sightings:
    """Return what is remembered after one list of these servers."""
    sightings = Sightings()
    sightings.saw_servers("local", listed(*ids), Quota(), NOW, poll=1.0)
    return sightings


def test_servers_known_to_be_gone_are_not_shown_any_more() -> None:
    """Until a list says otherwise: then they are there after all."""
    sightings = seen("one", "two", "three")
    sightings.gone("one")
    sightings.gone("three")
    assert list(sightings.clouds()["local"].servers) == ["two"]
    sightings.gone("two")
    sightings.saw_servers("local", listed("two"), Quota(), NOW + 1, poll=1.0)
    assert list(sightings.clouds()["local"].servers) == ["two"]


def test_ends_that_were_asked_for_are_remembered_while_the_servers_are_listed() -> None:
    """Each with its moment."""
    sightings = seen("one", "two")
    sightings.asked_end("local", "one", NOW + 1)
    sightings.asked_end("local", "two", NOW + 2)
    assert sightings.clouds()["local"].ending == {"one": NOW + 1, "two": NOW + 2}
    sightings.saw_servers("local", listed("two"), Quota(), NOW + 3, poll=1.0)
    assert sightings.clouds()["local"].ending == {"two": NOW + 2}


def test_a_view_that_was_given_out_does_not_change() -> None:
    """The planner reads it in its own time."""
    sightings = seen("one")
    before = sightings.clouds()["local"]
    sightings.gone("one")
    assert list(sightings.clouds()["local"].servers) == []
    assert list(before.servers) == ["one"]
