"""The whole plan: the same view gives the same plan, in an order that matters, at a price that grows evenly."""

import sys
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from nodepool_lite.config.settings import Label
from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState
from nodepool_lite.plan.actions import Action, EndLease, Grant
from nodepool_lite.plan.handout import attendance
from nodepool_lite.plan.plan import Plan, plan
from nodepool_lite.plan.view import CloudView, View
from nodepool_lite.store.base import Snapshot
from nodepool_lite.testing import NOW, make_build, make_config, make_lease, make_node, make_upload, make_waiter
from tests.plan.views import LATER, make_backoff, make_view

LABELS = ("a", "b", "gone")
STEPS_PER_NODE = 60
"""Function calls that one more node may cost a plan."""


@st.composite
def views(draw: st.DrawFn) -> View:
    """Any mixture of records, also such as no launcher would leave behind."""
    numbers = st.integers(0, 5)
    records: list[Any] = [
        make_node(
            number,
            state=draw(st.sampled_from(list(NodeState))),
            label=draw(st.sampled_from(LABELS)),
            provider=draw(st.sampled_from(["local", "gone"])),
            generation=draw(st.sampled_from(["", "old"])),
            asked=draw(st.sampled_from([None, NOW - 10_000, NOW])),
            server_id=draw(st.sampled_from([None, f"server-{number}"])),
            primary=draw(st.sampled_from([None, None, "0000000001"])),
            subnodes=draw(st.sampled_from([(), (), ("0000000002",)])),
            lease=draw(st.sampled_from([None, "lease0"])),
            hold_until=draw(st.sampled_from([None, NOW + 750.0])),
        )
        for number in range(draw(numbers))
    ]
    records += [
        make_lease(
            f"lease{number}",
            label=draw(st.sampled_from(LABELS)),
            state=draw(st.sampled_from(list(LeaseState))),
            nodes=draw(st.sampled_from([(), ("0000000000",)])),
            expires=draw(st.sampled_from([None, NOW + 300.0])),
            wait_until=draw(st.sampled_from([None, NOW + 5.0, NOW + 800.0])),
        )
        for number in range(draw(numbers))
    ]
    for number in range(2, 2 + draw(numbers)):
        records.append(make_build(number, diskimage="a", state=draw(st.sampled_from(list(BuildState)))))
        records.append(make_upload(number, diskimage="a", state=draw(st.sampled_from(list(UploadState)))))
    records += [make_backoff(name) for name in draw(st.sets(st.sampled_from(["build/a", "launch/a@local", "junk"])))]
    config = make_config((Label(name="a", min_ready=draw(numbers), max_ready_age=60.0), "b"), max_servers=draw(numbers))
    return make_view(*records, config=config)


@settings(max_examples=150, deadline=None)
@given(views(), st.sampled_from([NOW, LATER, NOW + 100_000]))
def test_any_records_give_a_plan_and_always_the_same(view: View, now: float) -> None:
    """No planner falls over records that make no sense together."""
    first = plan(view, now)
    assert plan(view, now) == first
    due = [action.at <= now for action in first]
    assert due == sorted(due, reverse=True), "what is due comes first"
    assert all(
        action.why or type(action).__name__ == "TestLogin" or type(action).__name__ == "Prepare" for action in first
    )


@settings(max_examples=150, deadline=None)
@given(views(), st.sampled_from([NOW, LATER, NOW + 700.0]), st.floats(0.0, 0.999))
def test_a_plan_holds_until_its_next_deadline(view: View, now: float, share: float) -> None:
    """Time alone changes nothing before that: the loop need not plan anew, nor wake, until then."""
    leases, waiters = view.records.leases.values(), view.records.waiters
    view = replace(view, attended=attendance(leases, waiters, {}, now))
    first = Plan.made(view, now)
    later = now + share * (min(first.until, now + 5_000.0) - now)
    assert first.holds(replace(view), later) == (later < first.until)
    assert timeless(plan(view, later), later) == timeless(first.actions, now)


def timeless(actions: list[Action], now: float) -> list[Action]:
    """Return the actions without the moment of those that are due."""
    return [structs.replace(action, at=0.0) if action.at <= now else action for action in actions]


@pytest.mark.parametrize(
    "change", [{"records": Snapshot()}, {"leads": frozenset()}, {"clouds": {"local": CloudView()}}]
)
def test_a_plan_holds_only_for_what_it_was_made_from(change: dict[str, Any]) -> None:
    """Whatever else is seen is planned for."""
    view = make_view(make_node(1))
    assert Plan.made(view, LATER).holds(replace(view, attended={"lease": LATER}), LATER)
    assert not Plan.made(view, LATER).holds(replace(view, **change), LATER)


def test_a_lease_is_granted_before_it_is_ended() -> None:
    """Of two actions with one key the first is carried out."""
    view = make_view(make_lease(label="gone"), make_waiter(), make_node(1, label="gone", generation="x"))
    kinds = [type(action) for action in plan(view, LATER) if action.key == "lease/abcd2345"]
    assert kinds == [Grant, EndLease]


def calls(view: View) -> int:
    """Return how many functions one plan calls."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        plan(view, LATER)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("state", [NodeState.READY, NodeState.BUILDING, NodeState.TESTING, NodeState.IN_USE])
def test_a_plan_costs_a_few_steps_for_each_node(state: NodeState) -> None:
    """It is made at every event: two thousand nodes must not be felt."""

    def view(count: int) -> View:
        config = make_config(LABELS, min_ready=count, max_servers=None, providers=("local", "other"))
        nodes = [
            make_node(each, state=state, asked=NOW, label=LABELS[each % 3], provider=("local", "other")[each % 2])
            for each in range(count)
        ]
        return make_view(*nodes, config=config)

    few, many = calls(view(200)), calls(view(600))
    assert (many - few) / 400 < STEPS_PER_NODE
