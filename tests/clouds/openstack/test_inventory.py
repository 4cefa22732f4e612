"""What is known of our servers from one list to the next, and which list is asked for."""

from typing import Any

import pytest

from nodepool_lite.clouds.driver import ServerState
from nodepool_lite.clouds.openstack.inventory import (
    BELIEVED,
    COSTLY,
    FULL_EVERY,
    FULL_SOON,
    OVERDUE,
    OVERLAP,
    Inventory,
    Query,
)
from nodepool_lite.clouds.openstack.rows import Row

POOL = "pool-1"
NOW = 1_700_000_000.0


def row(server_id: str, status: str = "ACTIVE", *, pool: str = POOL, **fields: Any) -> Row:
    """Return a server of ours as a list has it, with an address if it runs."""
    listed = {
        "id": server_id,
        "name": server_id,
        "status": status,
        "metadata": {"nodepool_pool_id": pool} if pool else {},
        "addresses": {"net": [{"addr": "10.0.0.1", "version": 4}]} if status == "ACTIVE" else {},
    }
    return Row.of({**listed, **fields})


@pytest.fixture
def inventory() -> Inventory:
    """An inventory that has listed one running server at NOW."""
    made = Inventory(POOL)
    made.take_all(made.query(NOW), [row("a")], NOW)
    return made


def ids(inventory: Inventory) -> set[str]:
    """Return which servers are known."""
    return {each.id for each in inventory.all()}


def test_the_first_list_is_of_all_and_what_follows_is_of_changes(inventory: Inventory) -> None:
    """With an overlap, because clocks differ."""
    assert Inventory(POOL).query(NOW).since is None
    later = inventory.query(NOW + 1)
    assert later.since == NOW - OVERLAP
    assert later.moment == "2023-11-14T22:13:16Z"


def test_all_are_listed_again_now_and_then(inventory: Inventory) -> None:
    """What no list of changes tells is found at last."""
    assert inventory.query(NOW + FULL_EVERY - 1).since is not None
    assert inventory.query(NOW + FULL_EVERY + 1).since is None


def test_a_slow_list_of_all_is_asked_for_more_seldom() -> None:
    """It may not take more than its share of the time."""
    inventory = Inventory(POOL)
    inventory.take_all(inventory.query(NOW), [], NOW + 30)
    assert inventory.query(NOW + COSTLY * 30 - 1).since is not None
    assert inventory.query(NOW + COSTLY * 30 + 1).since is None


def test_changes_are_merged_into_what_is_known(inventory: Inventory) -> None:
    """New ones by their mark, known ones by their id, other people's never."""
    changes = [row("b", "BUILD"), row("theirs", pool="pool-2"), row("nobody's", pool=""), row("a", "SHUTOFF")]
    inventory.take_changes(inventory.query(NOW + 1), changes, NOW + 1)
    assert {each.id: each.state for each in inventory.all()} == {"a": ServerState.STOPPED, "b": ServerState.STARTING}


def test_a_deleted_server_is_known_by_its_id_alone(inventory: Inventory) -> None:
    """Nova lists it without its metadata."""
    inventory.take_changes(inventory.query(NOW + 1), [row("a", "DELETED", pool="")], NOW + 1)
    assert not ids(inventory)
    assert inventory.moves == 1


def test_a_server_missing_in_a_list_of_all_is_asked_for_by_itself(inventory: Inventory) -> None:
    """A list may lack a cell of the cloud: only the answer that there is none makes it gone."""
    query = Query(NOW + 1, None)
    assert inventory.take_all(query, [], NOW + 1) == ["a"]
    assert ids(inventory) == {"a"}
    inventory.gone("a")
    assert not ids(inventory)


def test_a_server_made_during_a_list_is_not_missing_in_it(inventory: Inventory) -> None:
    """The list was asked for before."""
    query = Query(NOW + 1, None)
    inventory.created(row("new", "BUILD"), NOW + 2)
    assert inventory.take_all(query, [row("a")], NOW + 3) == []
    assert ids(inventory) == {"a", "new"}


def test_a_server_is_known_from_the_answer_on(inventory: Inventory) -> None:
    """Before any list has it; and what a list said already is not undone by a late answer."""
    inventory.take_changes(inventory.query(NOW + 1), [row("b")], NOW + 1)
    inventory.created(row("b", "BUILD"), NOW + 2)
    assert inventory.get("b") == row("b")


def test_a_server_of_a_silent_cell_stays_as_it_was(inventory: Inventory) -> None:
    """Its list entry says next to nothing."""
    inventory.take_all(Query(NOW + 1, None), [Row.of({"id": "a", "status": "UNKNOWN"})], NOW + 1)
    assert inventory.get("a") == row("a")


def test_what_was_asked_to_end_is_ending_for_a_while(inventory: Inventory) -> None:
    """Until lists should know better."""
    inventory.ending("a", NOW + 1)
    assert [each.state for each in inventory.all()] == [ServerState.DELETING]
    inventory.take_changes(inventory.query(NOW + 2), [], NOW + 2 + BELIEVED)
    assert [each.state for each in inventory.all()] == [ServerState.ACTIVE]


@pytest.mark.parametrize(
    "waiting",
    [
        pytest.param(row("b", addresses={}), id="runs without an address"),
        pytest.param(row("b", "ERROR"), id="failed without a reason"),
        pytest.param(row("b", **{"OS-EXT-STS:task_state": "deleting"}), id="is ending"),
    ],
)
def test_what_should_have_changed_is_looked_for_in_a_list_of_all(inventory: Inventory, waiting: Row) -> None:
    """Not every change moves Nova's time of change."""
    inventory.take_changes(inventory.query(NOW + 1), [waiting], NOW + 1)
    assert inventory.query(NOW + 1 + OVERDUE / 2).since is not None
    inventory.take_changes(inventory.query(NOW + FULL_SOON), [], NOW + FULL_SOON)
    assert inventory.query(NOW + FULL_SOON + 1).since is None
    assert inventory.waited(waiting, NOW + 4) == 3


def test_an_asked_end_that_nobody_sees_is_looked_for(inventory: Inventory) -> None:
    """A server that ended before it was scheduled never shows up as deleted."""
    inventory.ending("a", NOW + 1)
    inventory.take_changes(inventory.query(NOW + 2), [], NOW + 2)
    assert inventory.query(NOW + FULL_SOON + 1).since is None


def test_everybody_s_changes_are_asked_for_only_when_deletions_matter(inventory: Inventory) -> None:
    """Deleted servers have lost their tags, so a list of ours alone cannot have them."""
    assert inventory.query(NOW + 1).with_deleted
    inventory.created(row("b", "BUILD"), NOW + 1)
    assert not inventory.query(NOW + 2).with_deleted
    inventory.ending("a", NOW + 2)
    assert inventory.query(NOW + 3).with_deleted


def test_changes_are_asked_for_in_the_clouds_time(inventory: Inventory) -> None:
    """Our clock may run ahead of it: how far is told by when it says that our servers were made."""
    inventory.created(Row.of({"id": "b", "status": "BUILD"}), NOW + 60)
    inventory.take_changes(inventory.query(NOW + 61), [], NOW + 61)
    late = NOW + 61 + FULL_SOON
    assert inventory.query(late).since is None  # no list has it: the list of all tells
    inventory.take_all(inventory.query(late), [row("b", "BUILD", created="2023-11-14T22:13:50Z")], late)
    assert inventory.query(late + 1).since == late - OVERLAP - 30
    inventory.created(row("c", "BUILD"), late + 1)
    inventory.take_changes(inventory.query(late + 2), [row("c", "BUILD", created="2033-11-14T22:14:31Z")], late + 2)
    assert inventory.query(late + 3).since == late + 2 - OVERLAP


def test_all_are_listed_again_when_our_clock_was_set_back(inventory: Inventory) -> None:
    """Else nothing would be for as long as it was set back."""
    assert inventory.query(NOW - 3600).since is None
