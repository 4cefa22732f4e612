"""Leases from the hand-out to the end."""

import threading
from collections.abc import Callable, Mapping

import pytest
from msgspec.structs import replace

from nodepool_lite.config.settings import Config
from nodepool_lite.model.clock import SystemClock
from nodepool_lite.model.errors import NodepoolError, NoSuchThingError, StoreConflictError, WaitTimeoutError
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.record import Record
from nodepool_lite.service import leases
from nodepool_lite.store.base import NO_SAMPLE, Snapshot
from nodepool_lite.store.memory import MemoryServer, MemoryStore
from nodepool_lite.testing import NOW, FakeClock, make_lease, make_node, numbered

ONE, TWO, THREE = numbered(1), numbered(2), numbered(3)
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHYV/xlA+rA/+hBMvAfYGcvSFWupmbH+23e2+E5zHG1Y"


def active(store: MemoryStore, *nodes: Node, **fields: object) -> Lease:
    """Store nodes in use and the lease that has them; return the lease."""
    lease = make_lease(state=LeaseState.ACTIVE, nodes=tuple(node.id for node in nodes), **fields)
    for node in nodes:
        store.create(node.but(lease=lease.id, state=NodeState.IN_USE if node.state is NodeState.READY else node.state))
    return store.create(lease)


def states(records: Snapshot) -> dict[str, NodeState]:
    """Return the state of each node."""
    return {node.id: node.state for node in records.nodes.values()}


def test_giving_makes_the_lease_active_and_its_nodes_in_use(store: MemoryStore, config: Config) -> None:
    """Both records say who, for how long, and why."""
    node = store.create(make_node(1))
    waiting = store.create(make_lease(reason="bug 7"))
    lease = leases.give(store, config, waiting, [node], NOW + 5)
    assert (lease.state, lease.nodes, lease.expires) == (LeaseState.ACTIVE, (ONE,), NOW + 5 + 14400)
    taken = store.snapshot().nodes[ONE]
    assert (taken.state, taken.lease) == (NodeState.IN_USE, lease.id)
    assert taken.history[-1].reason == f"taken by alice with lease {lease.id}: bug 7"


def test_a_lost_race_for_a_node_changes_nothing(store: MemoryStore, config: Config) -> None:
    """The lease goes on waiting when one of its nodes was taken since it was read."""
    stale, other = store.create(make_node(1)), store.create(make_node(2))
    store.update(stale.noted(NOW, "somebody was here"))
    waiting = store.create(make_lease(count=2))
    with pytest.raises(StoreConflictError):
        leases.give(store, config, waiting, [other, stale], NOW)
    assert store.snapshot().leases[waiting.id].state is LeaseState.WAITING
    assert states(store.snapshot()) == {ONE: NodeState.READY, TWO: NodeState.READY}


def test_the_end_of_a_lease_deletes_its_nodes_but_not_one_on_hold(store: MemoryStore) -> None:
    """What an operator keeps stays, whatever happens to the lease."""
    lease = active(store, make_node(1), make_node(2, state=NodeState.HOLD))
    leases.end(store, lease, "expired: its lifetime is over", NOW + 9)
    records = store.snapshot()
    assert states(records) == {ONE: NodeState.DELETING, TWO: NodeState.HOLD}
    ended = records.leases[lease.id]
    assert (ended.state, ended.end_reason) == (LeaseState.ENDED, "expired: its lifetime is over")
    assert "expired" in records.nodes[ONE].history[-1].reason


def test_the_end_of_a_lease_leaves_alone_what_is_not_its_own_any_more(store: MemoryStore) -> None:
    """A node that failed or is being deleted keeps its state, and one that is gone is not missed."""
    lease = active(store, make_node(1, state=NodeState.FAILED), make_node(2, state=NodeState.DELETING))
    lease = store.update(lease.but(nodes=(*lease.nodes, THREE)))
    leases.end(store, lease, "released: by alice", NOW)
    assert states(store.snapshot()) == {ONE: NodeState.FAILED, TWO: NodeState.DELETING}


def test_releasing_a_lease_names_the_nodes_that_go(store: MemoryStore) -> None:
    """The answer tells the lease, its nodes, and that it is over."""
    lease = active(store, make_node(1), make_node(2))
    assert leases.release(store, lease.id, "alice", NOW) == leases.Released(lease.id, (ONE, TWO), ended=True)
    assert store.snapshot().leases[lease.id].end_reason == "released: by alice"


@pytest.mark.parametrize("name", ["1", ONE, "debian-12-0000000001", "server-0000000001"])
def test_a_lease_can_be_released_by_any_name_of_its_node(store: MemoryStore, name: str) -> None:
    """Id with or without zeros, host name, server id."""
    lease = active(store, make_node(1))
    assert leases.release(store, name, "alice", NOW).lease == lease.id
    assert states(store.snapshot()) == {ONE: NodeState.DELETING}


def test_releasing_one_node_of_several_keeps_the_lease_for_the_rest(store: MemoryStore) -> None:
    """It ends with the last one."""
    lease = active(store, make_node(1), make_node(2))
    assert not leases.release(store, "1", "alice", NOW).ended
    assert store.snapshot().leases[lease.id].nodes == (TWO,)
    assert leases.release(store, "2", "alice", NOW).ended
    assert states(store.snapshot()) == {ONE: NodeState.DELETING, TWO: NodeState.DELETING}


def test_releasing_a_node_takes_its_sub_nodes_along(store: MemoryStore) -> None:
    """A set is one thing, by whichever of its nodes it is named."""
    active(store, make_node(1, subnodes=(TWO,)), make_node(2, primary=ONE))
    assert leases.release(store, "2", "alice", NOW).nodes == (ONE, TWO)


def test_releasing_a_held_node_frees_the_lease_and_keeps_the_node(store: MemoryStore) -> None:
    """The operator's hold is stronger than the user's leave."""
    lease = active(store, make_node(1, state=NodeState.HOLD))
    assert leases.release(store, "1", "alice", NOW) == leases.Released(lease.id, (), ended=True)
    assert states(store.snapshot()) == {ONE: NodeState.HOLD}


def test_releasing_a_waiting_lease_cancels_it(store: MemoryStore) -> None:
    """It leaves the queue."""
    lease = store.create(make_lease())
    leases.release(store, lease.id, "bob", NOW)
    assert store.snapshot().leases[lease.id].end_reason == "cancelled: by bob"


def test_releasing_twice_says_how_it_ended(store: MemoryStore) -> None:
    """The second time is an error with the first one's reason."""
    lease = active(store, make_node(1))
    leases.release(store, lease.id, "alice", NOW)
    with pytest.raises(NodepoolError, match=r"ended already \(released: by alice\)"):
        leases.release(store, lease.id, "alice", NOW)


def test_releasing_what_nobody_took_points_to_delete(store: MemoryStore) -> None:
    """A ready node has no lease."""
    store.create(make_node(1))
    with pytest.raises(NodepoolError, match="nobody has taken it"):
        leases.release(store, "1", "alice", NOW)


def test_releasing_what_does_not_exist(store: MemoryStore) -> None:
    """Exit status 3 in the end."""
    with pytest.raises(NoSuchThingError, match="no lease nosuch1"):
        leases.release(store, "nosuch1", "alice", NOW)


def test_extending_moves_the_end(store: MemoryStore, config: Config) -> None:
    """The new time counts from the old end, and the history tells who did it."""
    lease = active(store, make_node(1))
    longer = leases.extend(store, config, lease.id, 7200, who="bob", now=NOW + 60)
    assert (longer.expires, longer.lifetime) == (NOW + 14400 + 7200, 14400 + 7200)
    assert longer.history[-1].reason == "extended by 2h by bob"


def test_extending_what_is_overdue_counts_from_now(store: MemoryStore, config: Config) -> None:
    """A lease that no launcher has ended yet is really longer by what was asked."""
    lease = active(store, make_node(1), expires=NOW - 600)
    assert leases.extend(store, config, lease.id, 60, who="bob", now=NOW).expires == NOW + 60


@pytest.mark.parametrize("state", [LeaseState.WAITING, LeaseState.ENDED])
def test_only_an_active_lease_can_be_extended(store: MemoryStore, config: Config, state: LeaseState) -> None:
    """The error says what it is instead."""
    store.create(make_lease(state=state))
    with pytest.raises(NodepoolError, match=f"is {state}"):
        leases.extend(store, config, "abcd2345", 60, who="bob", now=NOW)


def test_certificates_are_signed_where_the_authority_is(store: MemoryStore, config: Config) -> None:
    """One for each node, ending with the lease; extending makes new ones."""
    from nodepool_lite.access.keys import ca_key  # noqa: PLC0415 - makes the authority of this test

    ca_key(config.state_dir)
    node = store.create(make_node(1))
    lease = leases.give(store, config, make_lease(public_key=PUBLIC_KEY), [node], NOW)
    assert lease.certificates[ONE].startswith("ssh-ed25519-cert-v01@openssh.com ")
    assert lease.certified_until == lease.expires
    longer = leases.extend(store, config, lease.id, 60, who="alice", now=NOW)
    assert longer.certified_until == longer.expires == NOW + 14460
    assert longer.certificates[ONE] != lease.certificates[ONE]


def test_a_client_without_the_authority_makes_none(store: MemoryStore, config: Config) -> None:
    """It leaves the signing to a launcher, which finds the lease unsigned."""
    node = store.create(make_node(1))
    lease = leases.give(store, config, make_lease(public_key=PUBLIC_KEY), [node], NOW)
    assert (lease.certificates, lease.certified_until) == ({}, None)
    assert not (config.state_dir / "ssh").exists()
    signed = leases.sign(store, config, lease)
    assert (set(signed.certificates), signed.certified_until) == ({ONE}, lease.expires)


def test_a_conflict_is_read_and_decided_anew(server: MemoryServer, store: MemoryStore) -> None:
    """Somebody writes between our reading and our writing, once: the release still comes out right."""
    lease = active(store, make_node(1))
    other = server.connect()

    class Overtaken(MemoryStore):
        """A client that is overtaken after its first read."""

        def read(self, *kinds: type[Record], sample: Mapping[type[Record], int] = NO_SAMPLE) -> Snapshot:
            records = super().read(*kinds, sample=sample)
            node = records.nodes.get(ONE)
            if node is not None and len(node.history) == 1:
                other.update(node.noted(NOW, "a note from another client"))
            return records

    assert leases.release(Overtaken(server), lease.id, "alice", NOW).nodes == (ONE,)


class Torn(MemoryStore):
    """A client whose first read is torn by a hand-out: one kind is from before it, the other from after it."""

    def __init__(self, server: MemoryServer, early: str, hand_out: Callable[[], object]) -> None:
        super().__init__(server)
        self._early = early
        self._hand_out: Callable[[], object] | None = hand_out

    def read(self, *kinds: type[Record], sample: Mapping[type[Record], int] = NO_SAMPLE) -> Snapshot:
        """Return the torn records once, and then as they are."""
        before = super().read(*kinds, sample=sample)
        if self._hand_out is None:
            return before
        self._hand_out()
        self._hand_out = None
        return replace(super().read(*kinds), **{self._early: getattr(before, self._early)})


@pytest.mark.parametrize(("early", "name"), [("nodes", "abcd2345"), ("leases", "abcd2345"), ("leases", ONE)])
def test_a_hand_out_between_two_reads_leaves_no_node_behind(
    server: MemoryServer, store: MemoryStore, config: Config, early: str, name: str
) -> None:
    """Whatever was read first, lease and node end together."""
    waiting, node = store.create(make_lease()), store.create(make_node(1))
    client = Torn(server, early, lambda: leases.give(store, config, waiting, [node], NOW))
    leases.release(client, name, "alice", NOW)
    records = store.snapshot()
    assert records.leases[waiting.id].state is LeaseState.ENDED
    assert states(records) == {ONE: NodeState.DELETING}


def test_waiting_for_a_signature(server: MemoryServer, store: MemoryStore) -> None:
    """It returns the lease when somebody has signed it, and gives up in time."""
    lease = active(store, make_node(1), public_key=PUBLIC_KEY)
    with pytest.raises(WaitTimeoutError, match="were not signed; is a launcher running"):
        leases.await_signature(store, FakeClock(), lease.id, 0)
    other = server.connect()
    signer = threading.Timer(0.05, other.update, [lease.but(certificates={ONE: "a certificate"})])
    signer.start()
    assert leases.await_signature(store, SystemClock(), lease.id, 20).certificates == {ONE: "a certificate"}
    signer.join()
