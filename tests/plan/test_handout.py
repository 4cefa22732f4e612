"""Who gets which ready node, and when claims end."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.plan.handout import (
    UNATTENDED,
    Ending,
    Grant,
    abandoned,
    attendance,
    bereft_leases,
    expired_leases,
    free_sets,
    handout,
    position,
    queue,
    unsigned_leases,
)
from nodepool_lite.testing import NOW, make_lease, make_node, numbered


def by_id(nodes: Iterable[Node]) -> dict[str, Node]:
    """Return the nodes as a snapshot has them."""
    return {node.id: node for node in nodes}


def make_set(number: int, *, subs: int, since: float = NOW, states: tuple[NodeState, ...] = ()) -> list[Node]:
    """Return a primary node with sub-nodes, all ready unless `states` says otherwise (primary first)."""
    own = states or (NodeState.READY,) * (1 + subs)
    ids = tuple(numbered(number + each) for each in range(1, subs + 1))
    primary = make_node(number, state=own[0], since=since, subnodes=ids)
    return [
        primary,
        *(
            make_node(sub, state=state, since=since, primary=primary.id)
            for sub, state in zip(ids, own[1:], strict=True)
        ),
    ]


ONE, TWO, THREE = numbered(1), numbered(2), numbered(3)

CASES: dict[str, tuple[list[Node], list[Lease], list[Grant]]] = {
    "nobody waits": ([make_node(1)], [], []),
    "nothing is ready": ([make_node(1, state=NodeState.PREPARING)], [make_lease("a")], []),
    "one waits for one": ([make_node(1)], [make_lease("a")], [Grant("a", (ONE,))]),
    "first come, first served": (
        [make_node(1)],
        [make_lease("late", order=2), make_lease("early", order=1)],
        [Grant("early", (ONE,))],
    ),
    "the oldest ready node goes first": (
        [make_node(1, since=NOW), make_node(2, since=NOW - 60)],
        [make_lease("a")],
        [Grant("a", (TWO,))],
    ),
    "among nodes of one age the lower id goes first": (
        [make_node(2), make_node(1)],
        [make_lease("a")],
        [Grant("a", (ONE,))],
    ),
    "a count is all": (
        [make_node(1), make_node(2), make_node(3)],
        [make_lease("a", count=2)],
        [Grant("a", (ONE, TWO))],
    ),
    "or nothing": ([make_node(1)], [make_lease("a", count=2)], []),
    "the head of the queue is not overtaken by a smaller wish": (
        [make_node(1)],
        [make_lease("big", order=1, count=2), make_lease("small", order=2)],
        [],
    ),
    "another label has a queue of its own": (
        [make_node(1, label="rdo"), make_node(2)],
        [make_lease("a", order=1, count=2), make_lease("b", order=2, label="rdo")],
        [Grant("b", (ONE,))],
    ),
    "a node of another label does not do": ([make_node(1, label="rdo")], [make_lease("a")], []),
    "a node that is taken does not do": ([make_node(1, state=NodeState.IN_USE, lease="x")], [make_lease("a")], []),
    "a ready node that a lease names already does not do": ([make_node(1, lease="x")], [make_lease("a")], []),
    "a primary brings its sub-nodes along, and counts once": (
        make_set(1, subs=2),
        [make_lease("a", count=1)],
        [Grant("a", (ONE, TWO, THREE))],
    ),
    "a set is not free before all of it is ready": (
        make_set(1, subs=1, states=(NodeState.READY, NodeState.PREPARING)),
        [make_lease("a")],
        [],
    ),
    "a set is not free when a sub-node is missing": (make_set(1, subs=1)[:1], [make_lease("a")], []),
    "a sub-node alone is not handed out": ([make_node(2, primary=ONE)], [make_lease("a")], []),
    "a lease that is served already gets nothing more": (
        [make_node(1)],
        [make_lease("a", state=LeaseState.ACTIVE, nodes=(TWO,))],
        [],
    ),
    "a lease whose wait is over gets nothing and holds nobody up": (
        [make_node(1)],
        [make_lease("late", order=1, wait_until=NOW), make_lease("b", order=2, wait_until=NOW + 1)],
        [Grant("b", (ONE,))],
    ),
    "a lease whose client is away gets nothing and holds nobody up": (
        [make_node(1)],
        [make_lease("away", order=1), make_lease("here", order=2)],
        [Grant("here", (ONE,))],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_table_of_handouts(case: str) -> None:
    """Each case of the table is decided as its name says."""
    nodes, leases, expected = CASES[case]
    assert handout(by_id(nodes), leases, {each.id for each in leases} - {"away"}, NOW) == expected


@st.composite
def pools(draw: st.DrawFn) -> tuple[dict[str, Node], list[Lease], set[str]]:
    """Draw some nodes, alone and in sets, in any state, and some leases."""
    labels = st.sampled_from(["debian-12", "rdo"])
    nodes: list[Node] = []
    for number in range(1, draw(st.integers(1, 8))):
        size = draw(st.integers(0, 2))
        states = tuple(
            draw(st.sampled_from([NodeState.READY, NodeState.READY, NodeState.PREPARING, NodeState.HOLD]))
            for _ in range(size + 1)
        )
        label = draw(labels)
        since = NOW - draw(st.integers(0, 3))
        nodes += [node.but(label=label) for node in make_set(number * 10, subs=size, since=since, states=states)]
    leases = [
        make_lease(
            f"lease-{number}",
            label=draw(labels),
            order=draw(st.integers(1, 5)),
            count=draw(st.integers(1, 3)),
            state=draw(st.sampled_from([LeaseState.WAITING, LeaseState.WAITING, LeaseState.ACTIVE, LeaseState.ENDED])),
            wait_until=draw(st.sampled_from([None, NOW - 1, NOW + 1])),
        )
        for number in range(draw(st.integers(0, 8)))
    ]
    waiters = {lease.id for lease in leases if draw(st.booleans())}
    return by_id(nodes), leases, waiters


@given(pools())
def test_no_node_is_given_twice_and_every_count_is_met(pool: tuple[dict[str, Node], list[Lease], set[str]]) -> None:
    """Nodes are ready, of the label asked for, in whole sets, as many as asked for, and in one grant only."""
    nodes, leases, waiters = pool
    grants = handout(nodes, leases, waiters, NOW)
    given_away = [node_id for grant in grants for node_id in grant.node_ids]
    assert len(given_away) == len(set(given_away))
    assert len({grant.lease_id for grant in grants}) == len(grants)
    known = {lease.id: lease for lease in leases}
    for grant in grants:
        lease = known[grant.lease_id]
        chosen = [nodes[node_id] for node_id in grant.node_ids]
        primaries = [node for node in chosen if node.primary is None]
        assert lease.state is LeaseState.WAITING
        assert all(node.state is NodeState.READY and node.label == lease.label for node in chosen)
        assert len(primaries) == lease.count
        assert {sub for node in primaries for sub in node.subnodes} == {node.id for node in chosen if node.primary}


@given(pools())
def test_nobody_is_overtaken_and_nobody_waits_for_nothing(
    pool: tuple[dict[str, Node], list[Lease], set[str]],
) -> None:
    """Those served are the front of their label's queue, and the next one wants more than is left."""
    nodes, leases, waiters = pool
    served = {grant.lease_id for grant in handout(nodes, leases, waiters, NOW)}
    for label in ("debian-12", "rdo"):
        line = [lease for lease in queue(leases, waiters, NOW) if lease.label == label]
        front = [lease for lease in line if lease.id in served]
        assert front == line[: len(front)]
        left = len(free_sets(nodes).get(label, ())) - sum(lease.count for lease in front)
        assert left >= 0
        if len(front) < len(line):
            assert line[len(front)].count > left


def test_position_counts_within_the_label() -> None:
    """The place in the queue ignores other labels and those who are not in it."""
    first, second = make_lease("a", order=1), make_lease("b", order=5)
    others = [make_lease("c", order=2, label="rdo"), make_lease("away", order=3)]
    everybody = [second, *others, first]
    assert position(first, everybody, "abc", NOW) == 1
    assert position(second, everybody, "abc", NOW) == 2
    assert position(others[1], everybody, "abc", NOW) == 0


def test_a_client_that_is_away_for_long_loses_its_lease() -> None:
    """Its end comes 15 seconds after it was last seen, whoever looks and however often."""
    lease = make_lease("a")
    seen = attendance([lease], {"a"}, {}, NOW)
    assert list(abandoned([lease], {"a"}, seen, NOW)) == []
    seen = attendance([lease], (), seen, NOW + 5)
    seen = attendance([lease], (), seen, NOW + 10)
    (ending,) = abandoned([lease], (), seen, NOW + 10)
    assert ending == Ending(NOW + UNATTENDED, "a", "cancelled: the client that waited for it is gone")


def test_a_launcher_that_has_just_started_gives_every_client_the_full_grace() -> None:
    """A lease that was not known before counts as seen now."""
    lease = make_lease("a", since=NOW - 900)
    assert attendance([lease], (), {}, NOW) == {"a": NOW}


def test_a_client_that_came_back_is_forgiven() -> None:
    """Its absence starts anew the next time."""
    lease = make_lease("a")
    seen = attendance([lease], {"a"}, {"a": NOW}, NOW + 14)
    assert attendance([lease], (), seen, NOW + 20) == {"a": NOW + 14}


def test_a_wait_ends_when_its_time_is_over() -> None:
    """One without such a time ends only when its client is gone."""
    limited, patient = make_lease("a", wait_until=NOW + 60), make_lease("b")
    (ending,) = abandoned([limited, patient], "ab", {}, NOW)
    assert (ending.lease_id, ending.at) == ("a", NOW + 60)


def test_an_active_lease_ends_with_its_lifetime() -> None:
    """Waiting and ended leases do not expire."""
    leases = [
        make_lease("a", state=LeaseState.ACTIVE, expires=NOW + 10),
        make_lease("b"),
        make_lease("c", state=LeaseState.ENDED, expires=NOW),
    ]
    assert list(expired_leases(leases)) == [Ending(NOW + 10, "a", "expired: its lifetime is over")]


@pytest.mark.parametrize(
    ("state", "over"),
    [
        *((state, False) for state in (NodeState.PREPARING, NodeState.READY, NodeState.IN_USE, NodeState.HOLD)),
        *((state, True) for state in (NodeState.FAILED, NodeState.DELETING)),
    ],
)
def test_a_lease_ends_when_none_of_its_nodes_is_left(state: NodeState, *, over: bool) -> None:
    """A held node still is the lease's, and one that is not taken yet is an older view of it; one that failed is not.

    One whose record is gone never was.
    """
    lease = make_lease("a", state=LeaseState.ACTIVE, nodes=(ONE, TWO))
    nodes = by_id([make_node(1, state=state, lease="a")])
    assert [ending.lease_id for ending in bereft_leases([lease], nodes)] == (["a"] if over else [])


def test_certificates_are_due_until_they_last_as_long_as_the_lease() -> None:
    """A lease without a key needs none; an extended one needs new ones."""
    active: dict[str, Any] = {"state": LeaseState.ACTIVE, "expires": NOW + 10}
    leases = [
        make_lease("none", **active),
        make_lease("new", public_key="ssh-ed25519 AAAA", **active),
        make_lease("good", public_key="ssh-ed25519 AAAA", certified_until=NOW + 10, **active),
        make_lease("extended", public_key="ssh-ed25519 AAAA", certified_until=NOW + 5, **active),
        make_lease("waiting", public_key="ssh-ed25519 AAAA"),
    ]
    assert [lease.id for lease in unsigned_leases(leases)] == ["new", "extended"]
