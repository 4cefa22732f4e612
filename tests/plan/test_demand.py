"""Demand: how many nodes are missing or too many, and whose turn it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodepool_lite.config.settings import Label
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState
from nodepool_lite.plan.demand import Demand, demands, turns
from nodepool_lite.plan.generation import sources
from nodepool_lite.testing import LABEL, NOW, make_config, make_lease, make_node
from tests.plan.views import LATER, make_view

S = NodeState


def demand(*nodes: Any, now: float = LATER, **config: Any) -> Demand:
    """Return the demand of the one label."""
    view = make_view(*nodes, config=make_config(**config))
    (found,) = demands(view, sources(view), now)
    return found


def counted(ready: int = 0, pending: int = 0, **fields: Any) -> Demand:
    """Return a demand with so many nodes, of which the `old` first are to be renewed."""
    old = fields.pop("old", 0)
    nodes = tuple(make_node(each) for each in range(ready))
    return Demand(
        label=LABEL,
        ready=nodes,
        pending=tuple(make_node(100 + each, state=S.BUILDING) for each in range(pending)),
        renewals={node.id: "outdated" for node in nodes[:old]},
        **fields,
    )


@pytest.mark.parametrize(
    ("made", "missing", "spare_ready", "spare_pending"),
    [
        pytest.param(counted(min_ready=2), 2, 0, 0, id="an empty pool"),
        pytest.param(counted(ready=2, min_ready=2), 0, 0, 0, id="as it should be"),
        pytest.param(counted(ready=1, pending=1, min_ready=2), 0, 0, 0, id="one is on its way"),
        pytest.param(counted(ready=2, min_ready=2, waiting=3), 3, 0, 0, id="leases wait"),
        pytest.param(counted(ready=3, min_ready=2), 0, 1, 0, id="one too many"),
        pytest.param(counted(ready=2, pending=1, min_ready=2), 0, 0, 1, id="one on its way too many"),
        pytest.param(counted(ready=3, pending=2, min_ready=2), 0, 1, 2, id="both too many"),
        pytest.param(counted(ready=2, old=2, min_ready=2), 1, 0, 0, id="outdated: one more"),
        pytest.param(counted(ready=2, old=2, pending=1, min_ready=2), 0, 0, 0, id="outdated: it is on its way"),
        pytest.param(counted(ready=3, old=2, min_ready=2), 0, 1, 0, id="outdated: it is there, one old goes"),
        pytest.param(counted(ready=1, old=1), 0, 1, 0, id="outdated and not wanted"),
        pytest.param(counted(ready=2, min_ready=0), 0, 2, 0, id="no longer wanted"),
    ],
)
def test_buckets_give_what_is_missing_and_what_is_too_many(
    made: Demand, missing: int, spare_ready: int, spare_pending: int
) -> None:
    """Pure arithmetic."""
    assert (made.missing, len(made.spare_ready), len(made.spare_pending)) == (missing, spare_ready, spare_pending)


@given(
    min_ready=st.integers(0, 9),
    waiting=st.integers(0, 9),
    ready=st.integers(0, 12),
    pending=st.integers(0, 12),
    old=st.integers(0, 12),
)
def test_the_arithmetic_never_undercuts_and_never_contradicts_itself(
    min_ready: int, waiting: int, ready: int, pending: int, old: int
) -> None:
    """Whatever the counts are."""
    made = counted(ready, pending, min_ready=min_ready, waiting=waiting, old=min(old, ready))
    assert ready - len(made.spare_ready) >= min(ready, made.wanted), "never below what is wanted"
    kept = ready + pending - len(made.spare_ready) - len(made.spare_pending)
    assert kept >= min(ready + pending, made.wanted)
    assert not (made.missing and (made.spare_ready or made.spare_pending)), "nothing is made and thrown away at once"
    assert kept + made.missing <= max(made.wanted + 1, made.wanted + made.surge, kept), "at most one on top"


def test_sub_nodes_count_with_their_primary() -> None:
    """A set is one."""
    found = demand(make_node(1, subnodes=("0000000002",)), make_node(2, primary="0000000001"))
    assert [node.id for node in found.ready] == ["0000000001"]


@pytest.mark.parametrize(
    ("state", "ready", "pending"),
    [(S.READY, 1, 0), (S.BUILDING, 0, 1), (S.TESTING, 0, 1), (S.PREPARING, 0, 1)]
    + [(each, 0, 0) for each in (S.IN_USE, S.HOLD, S.FAILED, S.DELETING)],
)
def test_only_unused_nodes_count(state: NodeState, ready: int, pending: int) -> None:
    """A node that is taken, held, failed or going is to be replaced."""
    found = demand(make_node(1, state=state))
    assert (len(found.ready), len(found.pending)) == (ready, pending)


@pytest.mark.parametrize(("state", "waiting"), [(LeaseState.WAITING, 3), (LeaseState.ACTIVE, 0), (LeaseState.ENDED, 0)])
def test_waiting_leases_are_wanted_on_top(state: LeaseState, waiting: int) -> None:
    """As many as they ask for."""
    assert demand(make_lease(state=state, count=3)).waiting == waiting


def test_a_label_that_is_not_configured_wants_nothing() -> None:
    """Its nodes are there all the same."""
    view = make_view(make_node(1, label="gone", generation="old"), make_lease(label="gone"))
    found = {each.label: each for each in demands(view, sources(view), LATER)}["gone"]
    assert (found.wanted, len(found.ready), list(found.renewals)) == (0, 1, ["0000000001"])


def test_a_node_of_another_generation_is_to_be_renewed_and_goes_first() -> None:
    """Before a current one that is older."""
    found = demand(make_node(1, since=NOW - 9), make_node(2, generation="old"))
    assert [node.id for node in found.ready] == ["0000000002", "0000000001"]
    assert list(found.renewals) == ["0000000002"]


def test_without_a_serving_image_nothing_is_outdated() -> None:
    """What there is, is the best there is."""
    view = make_view(make_node(1, generation="old"), images=False)
    (found,) = demands(view, sources(view), LATER)
    assert not found.renewals


@pytest.mark.parametrize(("age", "old"), [(99.0, False), (100.0, True)])
def test_a_node_past_its_max_ready_age_is_to_be_renewed(age: float, old: bool) -> None:
    """Like an outdated one: replaced before it goes."""
    label = Label(name=LABEL, min_ready=1, max_ready_age=100.0)
    assert bool(demand(make_node(1), labels=(label,), now=NOW + age).renewals) is old


@pytest.mark.parametrize(
    ("fields", "futile"),
    [
        pytest.param({}, False, id="current"),
        pytest.param({"generation": "old"}, True, id="outdated before it was asked for"),
        pytest.param({"generation": "old", "asked": NOW}, False, id="outdated when it was asked for already"),
        pytest.param({"provider": "gone", "asked": NOW}, True, id="its provider is not configured"),
        pytest.param({"pool": "gone"}, True, id="its pool is not configured"),
    ],
)
def test_nodes_on_the_way_that_nobody_would_want_do_not_count(fields: dict[str, Any], futile: bool) -> None:
    """So that others are made in their place."""
    found = demand(make_node(1, state=S.BUILDING, **fields))
    assert (len(found.futile), len(found.pending)) == ((1, 0) if futile else (0, 1))


def test_what_waiting_leases_lack_comes_first_in_their_order() -> None:
    """Two leases that each wait for the other's rest would wait for ever."""
    wanted = [Demand(label="a", min_ready=1, waiting=2), Demand(label="b", min_ready=1, waiting=2)]
    leases = [make_lease("second", label="b", count=2, order=2), make_lease("first", label="a", count=2, order=1)]
    assert list(turns(wanted, leases)) == ["a", "a", "b", "b", "a", "b"]


def test_nodes_that_are_there_serve_the_first_lease() -> None:
    """Only its rest is made before the next lease's nodes."""
    wanted = [Demand(label="a", waiting=3, ready=(make_node(1, label="a"),)), Demand(label="b", waiting=1)]
    leases = [make_lease("one", label="a", count=3, order=1), make_lease("two", label="b", order=2)]
    assert list(turns(wanted, leases)) == ["a", "a", "b"]


def test_spare_nodes_are_made_for_each_label_in_turn() -> None:
    """A label that wants many does not keep others waiting."""
    wanted = [Demand(label="many", min_ready=4), Demand(label="one", min_ready=1), Demand(label="two", min_ready=2)]
    assert list(turns(wanted, [])) == ["many", "one", "two", "many", "two", "many", "many"]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=6),
)
def test_everybody_gets_exactly_as_many_turns_as_nodes_are_missing(
    labels: list[tuple[int, int]], waiting: list[tuple[int, int]]
) -> None:
    """Whoever comes first."""
    leases = [
        make_lease(f"lease{i}", label=str(label), count=count, order=i) for i, (label, count) in enumerate(waiting)
    ]
    wanted = [
        Demand(
            label=str(number),
            min_ready=min_ready,
            waiting=sum(lease.count for lease in leases if lease.label == str(number)),
            ready=tuple(make_node(each, label=str(number)) for each in range(ready)),
        )
        for number, (min_ready, ready) in enumerate(labels)
    ]
    order = list(turns(wanted, leases))
    assert {each.label: order.count(each.label) for each in wanted} == {each.label: each.missing for each in wanted}
    assert len(order) == sum(each.missing for each in wanted)
