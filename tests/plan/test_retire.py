"""Retirement: which unused nodes are to go, and which records have nobody left to look after them."""

from typing import Any

import pytest

from nodepool_lite.config.settings import Label
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.plan.actions import ForgetNode, Launch, Retire
from nodepool_lite.plan.view import View
from nodepool_lite.testing import LABEL, NOW, make_config, make_lease, make_node
from tests.plan.views import LATER, make_view, planned

S = NodeState


def retired(view: View, now: float = LATER) -> dict[str, str]:
    """Return which nodes are to go now, and why."""
    return {each.node.lstrip("0"): each.why for each in planned(view, Retire, now)}


def test_nodes_beyond_what_is_wanted_go_the_oldest_first() -> None:
    """The young ones are good for longer."""
    nodes = [make_node(each, since=NOW - each) for each in (1, 2, 3)]
    assert list(retired(make_view(*nodes, config=make_config(min_ready=1)))) == ["3", "2"]


def test_nodes_on_their_way_go_before_ready_ones_and_those_not_asked_for_first() -> None:
    """What is least done is given up."""
    nodes = [
        make_node(1),
        make_node(2, state=S.PREPARING, since=NOW - 3),
        make_node(3, state=S.BUILDING, since=NOW - 2),
        make_node(4, state=S.TESTING, since=NOW - 1),
    ]
    assert list(retired(make_view(*nodes, config=make_config(min_ready=2)))) == ["3", "4"]


def test_an_outdated_node_goes_when_its_successor_is_ready() -> None:
    """And not before: never below min-ready on purpose."""
    old = make_node(1, generation="old")
    assert not retired(make_view(old))
    assert not retired(make_view(old, make_node(2, state=S.PREPARING)))
    assert list(retired(make_view(old, make_node(2)))) == ["1"]


def test_outdated_nodes_are_replaced_one_at_a_time() -> None:
    """Only one is launched on top."""
    nodes = [make_node(each, generation="old") for each in (1, 2, 3)]
    (launch,) = planned(make_view(*nodes, config=make_config(min_ready=3)), Launch)
    assert len(launch.placements) == 1


def test_a_wish_that_would_be_outdated_is_made_anew() -> None:
    """Nobody asked a cloud for it yet, so it costs nothing."""
    wish = make_node(1, state=S.BUILDING, generation="old")
    view = make_view(wish)
    assert list(retired(view)) == ["1"]
    assert len(planned(view, Launch)[0].placements) == 1


@pytest.mark.parametrize("state", [S.BUILDING, S.TESTING, S.PREPARING, S.READY])
@pytest.mark.parametrize("lost", [S.FAILED, S.DELETING, None])
def test_what_is_left_of_a_broken_set_goes(state: NodeState, lost: NodeState | None) -> None:
    """Whichever member was lost, even without a trace."""
    config = make_config(labels=(Label(name=LABEL, min_ready=1, subnodes=1),))
    primary = make_node(1, state=state, subnodes=("0000000002",))
    sub = make_node(2, primary="0000000001", state=state)
    broken = [] if lost is None else [make_node(2, primary="0000000001", state=lost)]
    assert "1" in retired(make_view(primary, *broken, config=config))
    broken = [] if lost is None else [make_node(1, subnodes=("0000000002",), state=lost)]
    assert "2" in retired(make_view(sub, *broken, config=config))


@pytest.mark.parametrize("state", [S.IN_USE, S.HOLD])
def test_what_people_have_of_a_broken_set_stays(state: NodeState) -> None:
    """They work on it."""
    config = make_config(labels=(Label(name=LABEL, min_ready=1, subnodes=1),))
    lease = make_lease("lease", nodes=("0000000001",), state="active")  # type: ignore[arg-type]
    primary = make_node(1, state=state, subnodes=("0000000002",), lease="lease")
    assert not retired(make_view(primary, lease, config=config))


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param([make_node(1, state=S.BUILDING)], id="a primary without its sub-nodes"),
        pytest.param(
            [make_node(1, state=S.BUILDING), make_node(2, state=S.BUILDING, primary="0000000001")],
            id="a sub-node that its primary does not know",
        ),
    ],
)
def test_a_set_that_was_never_recorded_completely_goes(nodes: list[Node]) -> None:
    """Its launcher died between two records."""
    config = make_config(labels=(Label(name=LABEL, min_ready=1, subnodes=1),))
    assert len(retired(make_view(*nodes, config=config))) == len(nodes)


@pytest.mark.parametrize("state", [S.BUILDING, S.TESTING, S.PREPARING, S.READY])
def test_a_primary_that_was_begun_without_its_sub_nodes_goes(state: NodeState) -> None:
    """Nobody is to be given half a set, whatever the configuration says of the label."""
    primary = make_node(1, state=state, set_size=2)
    assert list(retired(make_view(primary, config=make_config(min_ready=1)))) == ["1"]


@pytest.mark.parametrize(
    ("fields", "max_hold_age", "ends"),
    [
        ({}, 0.0, []),
        ({"hold_until": NOW + 60}, 0.0, [NOW + 60]),
        ({}, 90.0, [NOW + 90]),
        ({"hold_until": NOW + 60}, 30.0, [NOW + 30]),
        ({"hold_until": NOW + 60}, 90.0, [NOW + 60]),
    ],
)
def test_a_hold_ends_when_it_was_said_to(fields: dict[str, Any], max_hold_age: float, ends: list[float]) -> None:
    """At the earlier of its own end and max-hold-age."""
    node = make_node(1, state=S.HOLD, **fields)
    config = make_config(min_ready=0, max_hold_age=max_hold_age)
    assert [each.at for each in planned(make_view(node, config=config), Retire, due=False)] == ends


def test_a_taken_node_whose_lease_is_over_goes() -> None:
    """Whoever ended the lease had not seen that it had the node."""
    assert list(retired(make_view(make_node(1, state=S.IN_USE, lease="gone")))) == ["1"]


def test_nodes_of_a_removed_label_go() -> None:
    """Ready or on their way; those in use stay with their users."""
    lease = make_lease("lease", label="gone", state="active", nodes=("0000000003",))  # type: ignore[arg-type]
    nodes = [
        make_node(1, label="gone", generation="old"),
        make_node(2, label="gone", generation="old", state=S.TESTING),
        make_node(3, label="gone", generation="old", state=S.IN_USE, lease="lease"),
    ]
    assert set(retired(make_view(*nodes, lease))) == {"1", "2"}


def test_ready_nodes_of_a_removed_provider_serve_until_others_took_their_place() -> None:
    """Removing it by mistake empties no pool."""
    node = make_node(1, provider="gone", generation="old")
    assert not retired(make_view(node))
    assert list(retired(make_view(node, make_node(2)))) == ["1"]


@pytest.mark.parametrize(
    ("fields", "driven", "forgotten"),
    [
        pytest.param({"state": S.DELETING, "asked": None}, False, True, id="nobody drives it, it has no server"),
        pytest.param({"state": S.DELETING, "asked": NOW}, False, False, id="it may still have a server"),
        pytest.param({"state": S.DELETING, "asked": None}, True, False, id="another launcher drives it"),
        pytest.param({"state": S.READY, "asked": None}, False, False, id="it is ready"),
    ],
)
def test_records_at_a_removed_provider_are_forgotten_when_nothing_is_lost_with_them(
    fields: dict[str, Any], driven: bool, forgotten: bool
) -> None:
    """The record of a server that nobody can reach is all that tells of it."""
    leads = ["planner", *(["provider/gone"] if driven else [])]
    view = make_view(make_node(1, provider="gone", generation="x", **fields), leads=leads)
    assert bool(planned(view, ForgetNode)) is forgotten


def test_only_the_planner_retires() -> None:
    """Others would have decided the same, twice."""
    view = make_view(make_node(1), make_node(2), leads=["provider/local", "builder"])
    assert not planned(view, Retire)
