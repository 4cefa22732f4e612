"""Leases: what the planner does about them, for clients that are gone or never were there."""

import pytest

from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState
from nodepool_lite.plan.actions import EndLease, ForgetLease, Grant, SignLease
from nodepool_lite.testing import NOW, make_config, make_lease, make_node, make_waiter
from tests.plan.views import make_view, planned

L = LeaseState


def test_a_waiting_lease_gets_the_ready_node() -> None:
    """Decided on the lease as it was read."""
    (grant,) = planned(make_view(make_lease(version=7), make_waiter(), make_node(1)), Grant)
    assert (grant.nodes, grant.version) == (("0000000001",), 7)


def test_a_lease_for_a_label_that_is_not_configured_any_more_ends_with_that_reason() -> None:
    """It would wait for ever."""
    (ending,) = planned(make_view(make_lease(label="gone")), EndLease)
    assert ending.why == "failed: label gone is not configured any more"


def test_a_node_that_is_there_is_granted_even_if_its_label_is_gone() -> None:
    """Once: the grant comes before the end of the same lease."""
    view = make_view(make_lease(label="gone"), make_waiter(), make_node(1, label="gone", generation="old"))
    assert planned(view, Grant)


@pytest.mark.parametrize(
    ("lease", "ends"),
    [
        pytest.param(make_lease(wait_until=NOW + 60), NOW + 60, id="its wait is over"),
        pytest.param(make_lease(state=L.ACTIVE, nodes=("0000000001",), expires=NOW + 90), NOW + 90, id="its lifetime"),
    ],
)
def test_the_end_of_a_lease_is_known_ahead(lease: object, ends: float) -> None:
    """So that nobody has to poll for it."""
    taken = make_node(1, state=NodeState.IN_USE, lease="abcd2345")
    view = make_view(lease, make_waiter(), taken, config=make_config(min_ready=0))  # type: ignore[arg-type]
    assert [each.at for each in planned(view, EndLease, due=False)] == [ends]


def test_an_active_lease_without_nodes_ends() -> None:
    """All of them failed."""
    (ending,) = planned(make_view(make_lease(state=L.ACTIVE, nodes=("0000000001",))), EndLease)
    assert ending.why.startswith("failed")


def test_missing_certificates_are_signed() -> None:
    """The client could not: it has no CA key."""
    lease = make_lease(state=L.ACTIVE, nodes=("0000000001",), public_key="ssh-ed25519 AAAA")
    taken = make_node(1, state=NodeState.IN_USE, lease=lease.id)
    assert planned(make_view(lease, taken), SignLease)


def test_an_ended_lease_is_forgotten_after_its_retention() -> None:
    """A day, unless said otherwise."""
    (forget,) = planned(make_view(make_lease(state=L.ENDED)), ForgetLease, due=False)
    assert forget.at == NOW + 86400
