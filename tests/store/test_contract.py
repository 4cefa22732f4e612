"""What every store promises, on the in-memory twin and on a real ZooKeeper alike."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import pytest

from nodepool_lite.model.errors import StoreConflictError, StoreUnavailableError
from nodepool_lite.model.image import Build
from nodepool_lite.model.lease import Lease, Waiter
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.pool import Backoff, Leader, Member, Pool, Request, RequestKind
from nodepool_lite.model.record import Record
from nodepool_lite.store.base import PATHS, Store, Write
from nodepool_lite.testing import make_build, make_lease, make_node, make_upload

from .conftest import Connect
from .waiting import until_seen

MEMBER = Member(id="launcher-a-1", role="launcher", host="a", pid=1, started=1.0, software="0")


def test_a_created_record_is_found_by_every_client(connect: Connect) -> None:
    """A new record has version 0 and looks the same to its maker, to the others and to those who come later."""
    alice, bob = connect(), connect()
    node = alice.create(make_node(7))
    assert (node.id, node.version) == ("0000000007", 0)
    assert until_seen(bob, lambda seen: node.id in seen.nodes).nodes == {node.id: node}
    assert connect().snapshot().nodes[node.id] == node


def test_what_was_stored_is_what_was_meant(store: Store) -> None:
    """Apart from the id, the version and the order, nothing of a record changes on the way."""
    meant = make_node(1, state=NodeState.HOLD, hold_reason="to look at", hold_until=3.5, subnodes=("a", "b"))
    assert store.create(meant).but(version=-1, order=0) == meant


def test_a_record_of_every_kind_can_be_kept(store: Store) -> None:
    """Each kind comes back as itself, whether its id has slashes or not."""
    records: list[Record] = [
        Pool(id="self", pool_id="p", created=1.0),
        MEMBER,
        Leader(id="provider/local", holder="me"),
        make_node(1),
        make_lease("abc"),
        Waiter(id="abc", host="a", pid=1),
        make_build(1),
        make_upload(1),
        Backoff(id="launch/debian-12@local", failures=1, error="no room", since=1.0, last=1.0, next_try=2.0),
        Request(id="build/debian-12", kind=RequestKind.BUILD, diskimage="debian-12", created=1.0),
    ]
    assert {type(each) for each in records} == set(PATHS)
    stored = [store.create(each) for each in records]
    view = store.snapshot()
    assert [getattr(view, PATHS[type(each)])[each.id] for each in records] == stored
    assert store.read() == view


def test_one_record_is_found_as_the_view_has_it(store: Store) -> None:
    """The present one after every write of ours; none before it is made, after it is gone, or of another kind."""
    assert store.find(Node, "0000000001") is None
    node = store.create(make_node(1))
    assert store.find(Node, node.id) == node == store.snapshot().nodes[node.id]
    changed = store.update(node.noted(1.0, "seen"))
    assert store.find(Node, node.id) == changed
    assert store.find(Lease, node.id) is None
    store.delete(changed)
    assert store.find(Node, node.id) is None


def test_an_id_is_taken_once(connect: Connect) -> None:
    """A second record with the same id is refused, and the first one stays."""
    first = connect().create(make_node(1))
    other = connect()
    with pytest.raises(StoreConflictError, match="nodes/0000000001 exists already"):
        other.create(make_node(1, label="other"))
    assert other.read(Node).nodes == {first.id: first}


def test_each_update_makes_a_new_version(store: Store) -> None:
    """Versions count up, and the order of creation stays."""
    made = store.create(make_node(1))
    changed = store.update(made.noted(1.0, "one"))
    again = store.update(changed.noted(2.0, "two"))
    assert (again.version, again.order) == (2, made.order)
    assert store.snapshot().nodes == {made.id: again}


def test_an_update_of_what_somebody_else_changed_is_refused(connect: Connect) -> None:
    """The version that was read must still be there; otherwise nothing is changed."""
    alice, bob = connect(), connect()
    made = alice.create(make_node(1))
    changed = alice.update(made.noted(1.0, "first"))
    with pytest.raises(StoreConflictError, match="nodes/0000000001 changed"):
        bob.update(made.noted(2.0, "late"))
    assert bob.read(Node).nodes[made.id] == changed


def test_an_update_of_what_is_gone_is_refused(store: Store) -> None:
    """A record that was deleted does not come back through an update."""
    made = store.create(make_node(1))
    store.delete(made)
    with pytest.raises(StoreConflictError):
        store.update(made)
    assert not store.snapshot().nodes


@pytest.mark.parametrize("there", [True, False])
def test_a_record_that_was_never_stored_can_be_neither_updated_nor_deleted(store: Store, *, there: bool) -> None:
    """Without a version nothing is overwritten blindly."""
    made = store.create(make_node(1)) if there else None
    with pytest.raises(StoreConflictError):
        store.update(make_node(1))
    with pytest.raises(StoreConflictError):
        store.delete(make_node(1))
    assert store.read(Node).nodes == ({made.id: made} if made else {})


def test_a_delete_of_what_somebody_else_changed_is_refused(connect: Connect) -> None:
    """A record is removed only as it was seen."""
    alice, bob = connect(), connect()
    made = alice.create(make_node(1))
    changed = alice.update(made.noted(1.0, "x"))
    with pytest.raises(StoreConflictError):
        bob.delete(made)
    bob.delete(changed)
    until_seen(alice, lambda seen: not seen.nodes)


def test_numbers_have_ten_digits_and_never_come_back(store: Store) -> None:
    """Each new number is above all earlier ones, even when their records are gone."""
    first = store.create_numbered(make_node())
    second = store.create_numbered(make_node())
    store.delete(first)
    store.delete(second)
    third = store.create_numbered(make_node())
    assert first.id < second.id < third.id
    assert [len(each.id) for each in (first, second, third)] == [10, 10, 10]


def test_a_number_that_was_taken_by_name_is_passed_over(store: Store) -> None:
    """Numbers count all that was made in a folder; a record that was given such a name itself is in nobody's way."""
    named = [store.create(make_node(number, label="named")) for number in (2, 3)]
    numbered = [store.create_numbered(make_node()) for _ in range(2)]
    assert store.read(Node).nodes == {each.id: each for each in (*named, *numbered)} == store.snapshot().nodes
    assert all(each.id > named[-1].id for each in numbered)


def test_numbers_are_counted_below_each_parent(store: Store) -> None:
    """The builds of one diskimage have numbers of their own."""
    debian, again = (store.create_numbered(make_build(), "debian-12") for _ in range(2))
    centos = store.create_numbered(make_build(), "centos-9")
    assert debian.id.startswith("debian-12/")
    assert debian.number == centos.number < again.number
    assert store.snapshot().builds == {each.id: each for each in (debian, again, centos)}


def test_the_order_tells_which_record_was_made_first(connect: Connect) -> None:
    """The order is the server's, so it holds between clients and whatever the ids are."""
    alice, bob = connect(), connect()
    first = alice.create(make_lease("zzz"))
    second = bob.create(make_lease("aaa"))
    alice.update(first.but(reason="changed later"))
    third = alice.create(make_lease("mmm"))
    orders = {key: lease.order for key, lease in connect().snapshot().leases.items()}
    assert orders == {"zzz": first.order, "aaa": second.order, "mmm": third.order}
    assert first.order < second.order < third.order


def test_a_transaction_does_all(connect: Connect) -> None:
    """Node and lease change together, and the results come in the order of the writes."""
    store, other = connect(), connect()
    node, lease, old = store.create(make_node(1)), store.create(make_lease("a")), store.create(make_node(2))
    result = store.transact(
        [
            Write("update", node.to(NodeState.IN_USE, 1.0, "handed out", lease="a")),
            Write("delete", old),
            Write("update", lease.but(nodes=(node.id,))),
            Write("create", make_lease("b")),
        ]
    )
    taken, gone, active, waiting = result
    assert isinstance(taken, Node)
    assert isinstance(active, Lease)
    assert (taken.state, taken.version, active.nodes, gone) == (NodeState.IN_USE, 1, (node.id,), old)
    assert store.snapshot().nodes == {node.id: taken}
    assert store.snapshot().leases == {"a": active, "b": waiting}
    until_seen(other, lambda seen: seen.nodes == {node.id: taken} and seen.leases == {"a": active, "b": waiting})


@pytest.mark.parametrize("wrong", ["exists", "changed", "gone"])
def test_a_transaction_with_one_conflict_does_nothing(store: Store, wrong: str) -> None:
    """Whatever stands in the way of one write stands in the way of all."""
    node, lease = store.create(make_node(1)), store.create(make_lease("a"))
    stale = node
    node = store.update(node.noted(1.0, "x"))
    conflicting = {
        "exists": Write("create", make_node(1)),
        "changed": Write("update", stale),
        "gone": Write("delete", make_node(9).but(version=0)),
    }[wrong]
    before = store.snapshot()
    with pytest.raises(StoreConflictError, match="nodes/"):
        store.transact([Write("create", make_lease("new")), conflicting, Write("delete", lease)])
    assert store.snapshot() == before == store.read()


def test_a_transaction_builds_on_its_own_earlier_writes(store: Store) -> None:
    """A record may be made and removed, or changed twice, in one go."""
    node = store.create(make_node(1))
    store.transact(
        [
            Write("update", node.noted(1.0, "one")),
            Write("update", node.noted(2.0, "two").but(version=1)),
            Write("create", make_node(2)),
            Write("delete", make_node(2).but(version=0)),
        ]
    )
    (left,) = store.read(Node).nodes.values()
    assert (left.version, left.history[-1].reason) == (2, "two")
    assert store.snapshot() == store.read()


def test_a_transaction_of_nothing_does_nothing(store: Store) -> None:
    """An empty list of writes is no error."""
    assert store.transact([]) == ()


def test_a_lost_race_changes_nothing(connect: Connect) -> None:
    """Of many clients that take the same node at the same moment, one gets it and the others are told."""
    clients = [connect() for _ in range(4)]
    node = clients[0].create(make_node(1))
    start = threading.Barrier(len(clients))

    def take(number: int) -> int | None:
        start.wait()
        try:
            clients[number].update(node.to(NodeState.IN_USE, 1.0, str(number)))
        except StoreConflictError:
            return None
        return number

    with ThreadPoolExecutor(len(clients)) as pool:
        winners = [each for each in pool.map(take, range(len(clients))) if each is not None]
    assert len(winners) == 1
    (left,) = connect().snapshot().nodes.values()
    assert (left.version, left.history[-1].reason) == (1, str(winners[0]))
    for client in clients:
        until_seen(client, lambda seen: seen.nodes == {left.id: left})


def test_numbers_are_unique_under_contention(connect: Connect) -> None:
    """Clients that number at the same time never get the same one, and all see all."""
    clients = [connect() for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda i: clients[i % 3].create_numbered(make_node()), range(30)))
    assert len({each.id for each in made}) == 30
    for client in clients:
        until_seen(client, lambda seen: seen.nodes == {each.id: each for each in made})


def test_ephemeral_records_end_with_their_session(connect: Connect) -> None:
    """Members, leaders and waiters vanish when their client closes; all else stays, and so do those of others."""
    alice, bob = connect(), connect()
    alice.create(MEMBER)
    alice.create(Leader(id="planner", holder="alice"))
    alice.create(make_node(1))
    other = bob.create(MEMBER.but(id="builder-b-2"))
    until_seen(bob, lambda seen: len(seen.members) == 2 and len(seen.leaders) == 1 and len(seen.nodes) == 1)
    alice.close()
    seen = until_seen(bob, lambda seen: not seen.leaders and len(seen.members) == 1)
    assert (seen.members, len(seen.nodes)) == ({other.id: other}, 1)


def test_sessions_have_ids_of_their_own(connect: Connect) -> None:
    """A session's id tells who holds an ephemeral record."""
    assert len({connect().session for _ in range(3)}) == 3


def test_subscribers_hear_of_changes_by_anyone(connect: Connect) -> None:
    """A change wakes its maker and the others, and nobody who stopped listening."""
    alice, bob = connect(), connect()
    heard: list[str] = []
    with alice.subscribe(lambda: heard.append("alice")), bob.subscribe(lambda: heard.append("bob")):
        node = alice.create(make_node(1))
        until_seen(bob, lambda seen: bool(seen.nodes))
        assert {"alice", "bob"} <= set(heard)
    heard.clear()
    alice.delete(node)
    until_seen(bob, lambda seen: not seen.nodes)
    assert heard == []


def test_a_subscriber_that_fails_harms_nobody(store: Store) -> None:
    """Its mistake is logged; the write succeeds and the other subscribers hear of it."""
    heard: list[int] = []

    def fail() -> None:
        raise RuntimeError("a mistake")

    with store.subscribe(fail), store.subscribe(lambda: heard.append(1)):
        store.create(make_node(1))
        store.create(make_node(2))
    assert heard
    assert len(store.snapshot().nodes) == 2


def test_a_view_stays_as_it_was(store: Store) -> None:
    """A snapshot does not change under its reader's hands, and it is the same object while nothing happens."""
    node = store.create(make_node(1))
    before = store.snapshot()
    assert store.snapshot() is before
    store.delete(node)
    assert before.nodes == {node.id: node}
    assert not store.snapshot().nodes
    with pytest.raises(TypeError):
        before.nodes["x"] = node  # type: ignore[index]


def test_only_what_is_asked_for_is_read(store: Store) -> None:
    """Reading some kinds leaves the others out; reading all gives all."""
    node, lease, build = store.create(make_node(1)), store.create(make_lease("a")), store.create(make_build(1))
    some = store.read(Node, Build)
    assert (some.nodes, some.builds, some.leases) == ({node.id: node}, {build.id: build}, {})
    assert store.read().leases == {"a": lease}


def test_a_few_of_many_records_are_read_at_random(store: Store) -> None:
    """So many as were asked for, or all if there are fewer; other kinds come whole."""
    nodes = {each.id: each for each in (store.create(make_node(number)) for number in range(1, 21))}
    lease = store.create(make_lease("a"))
    seen = [store.read(Node, Lease, sample={Node: 5}) for _ in range(3)]
    assert [(len(each.nodes), each.nodes.items() <= nodes.items(), each.leases) for each in seen] == [
        (5, True, {"a": lease})
    ] * 3
    assert len({frozenset(each.nodes) for each in seen}) > 1
    assert store.read(Node, sample={Node: 20}).nodes == nodes


def test_records_are_looked_up_by_their_names(connect: Connect) -> None:
    """From the server, by a client that has not heard of them; what is not there is left out."""
    store, other = connect(), connect()
    leases = {name: other.create(make_lease(name)) for name in ("a", "b", "c")}
    other.delete(leases["c"])
    assert store.look_up(Lease, ("a", "c", "d")) == {"a": leases["a"]}
    assert store.look_up(Lease, ()) == {}


def test_a_record_below_another_folder_goes_and_comes(store: Store) -> None:
    """Ids with slashes can be used again after their record was removed."""
    for _ in range(2):
        upload = store.create(make_upload(1))
        store.delete(upload)
    assert not store.read().uploads


def test_fields_of_a_newer_version_survive_an_update(store: Store) -> None:
    """What we do not know we keep."""
    newer = make_node(1, unknown=MappingProxyType({"invented": {"later": [1]}}))
    made = store.create(newer.but(id="x"))
    changed = store.update(made.noted(1.0, "seen by an older one"))
    assert changed.unknown == {"invented": {"later": [1]}}


@pytest.mark.parametrize("name", ["", "/", "a//b", "a/", "/a", ".", "a/../b", "nul\0"])
def test_an_id_that_names_no_znode_is_a_mistake(store: Store, name: str) -> None:
    """Such an id is a bug of the caller and is not sent anywhere."""
    with pytest.raises(ValueError, match="cannot be the id"):
        store.create(make_node(1).but(id=name))


def test_a_record_that_nobody_could_read_is_not_stored(store: Store) -> None:
    """A field of the wrong type is refused before it reaches the others."""
    with pytest.raises(ValueError, match="port"):
        store.create(make_node(1).but(port="none"))
    assert not store.read().nodes


def test_a_record_that_is_too_large_is_refused(store: Store) -> None:
    """The server would cut the connection; we say which record it is."""
    with pytest.raises(ValueError, match="0000000001"):
        store.create(make_node(1, error="x" * 600_000))
    assert store.connected


def test_a_closed_store_refuses(connect: Connect) -> None:
    """After the end every call says so at once."""
    store = connect()
    node = store.create(make_node(1))
    store.close()
    assert not store.connected
    for call in (store.snapshot, store.read, lambda: store.create(make_node(2)), lambda: store.update(node)):
        with pytest.raises(StoreUnavailableError):
            call()
    store.close()
