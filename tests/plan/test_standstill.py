"""What has no room is said, once nothing but people can change it."""

import pytest

from nodepool_lite.model.node import NodeState
from nodepool_lite.model.pool import Backoff
from nodepool_lite.plan.generation import sources
from nodepool_lite.plan.standstill import standstill
from nodepool_lite.testing import LABEL, PROVIDER, make_config, make_node
from tests.plan.views import LATER, make_view

FULL = make_config(min_ready=2, max_servers=2)


def test_nothing_is_said_of_a_pool_that_has_what_it_wants() -> None:
    """Nor of one that can still make it."""
    assert standstill(make_view(make_node(1), make_node(2), config=FULL), LATER) == ""
    assert standstill(make_view(make_node(1), config=FULL), LATER) == ""


def test_nodes_in_use_that_leave_no_room_are_told() -> None:
    """With the limit that is in the way."""
    view = make_view(make_node(1, state=NodeState.IN_USE), make_node(2), config=FULL)
    said = standstill(view, LATER)
    assert said.startswith(f"label {LABEL}: more nodes are wanted")
    assert f"max-servers of {PROVIDER} is reached (2 of 2 in use)" in said


def test_outdated_nodes_that_cannot_be_replaced_are_told() -> None:
    """Min-ready is kept, so the one in addition has to have room."""
    said = standstill(make_view(make_node(1, generation="old"), make_node(2), config=FULL), LATER)
    assert "nodes to be renewed stay" in said
    assert "max-servers" in said
    roomy = make_config(min_ready=2, max_servers=3)
    assert standstill(make_view(make_node(1, generation="old"), make_node(2), config=roomy), LATER) == ""


@pytest.mark.parametrize("leads", [[f"provider/{PROVIDER}"], []])
def test_only_who_plans_tells(leads: list[str]) -> None:
    """The others would say the same again."""
    view = make_view(make_node(1, state=NodeState.IN_USE), make_node(2), config=FULL, leads=leads)
    assert standstill(view, LATER) == ""


def test_what_fails_is_told_by_its_back_off() -> None:
    """Room is not what is lacking then."""
    config = make_config(min_ready=3, max_servers=2)
    view = make_view(make_node(1), make_node(2), config=config)
    assert standstill(view, LATER)
    name = f"launch/{LABEL}@{PROVIDER}"
    mark = sources(view)[0].fingerprint
    backoff = Backoff(id=name, failures=9, error="x", since=0, last=0, next_try=LATER + 60, fingerprint=mark)
    assert standstill(make_view(make_node(1), make_node(2), backoff, config=config), LATER) == ""
