"""Asking for nodes: at once, or in the queue."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from nodepool_lite.config.settings import Config, Label
from nodepool_lite.model.clock import SystemClock
from nodepool_lite.model.errors import (
    NodepoolError,
    NoSuchThingError,
    PublicKeyError,
    StoreUnavailableError,
    WaitTimeoutError,
)
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.pool import Backoff
from nodepool_lite.model.record import Record
from nodepool_lite.service import leases
from nodepool_lite.service.grab import LETTERS, SAMPLE, Wish, grab, grab_now, new_lease_id
from nodepool_lite.store.base import NO_SAMPLE, Snapshot
from nodepool_lite.store.memory import MemoryServer, MemoryStore
from nodepool_lite.testing import NOW, FakeClock, make_config, make_lease, make_node, make_waiter, numbered

ONE, TWO = numbered(1), numbered(2)
PATIENCE = 20.0


class Client:
    """A grab that waits in a thread of its own, with a connection of its own."""

    def __init__(self, server: MemoryServer, config: Config, wish: Wish) -> None:
        self.store = server.connect()
        self.said: list[str] = []
        self._spoke = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self.result: Future[Lease] = self._pool.submit(grab, self.store, config, SystemClock(), wish, self._hear)

    def _hear(self, sentence: str) -> None:
        self.said.append(sentence)
        self._spoke.set()

    def lease(self) -> Lease:
        """Return what it got, in the end."""
        try:
            return self.result.result(PATIENCE)
        finally:
            self._pool.shutdown()
            self.store.close()

    def queued(self) -> "Client":
        """Return once it has said that it waits."""
        assert self._spoke.wait(PATIENCE)
        return self


def wait_for(store: MemoryStore, condition: Callable[[], bool]) -> None:
    """Return when the condition holds, looking again after each change."""
    changed = threading.Event()
    with store.subscribe(changed.set):
        while not condition():
            assert changed.wait(PATIENCE)
            changed.clear()


def test_a_warm_grab_takes_a_ready_node_at_once(store: MemoryStore, config: Config, clock: FakeClock) -> None:
    """The lease is active and the node in use, with no launcher anywhere."""
    store.create(make_node(1))
    lease = grab_now(store, config, clock, Wish("debian-12", "alice", lifetime=60, reason="demo"))
    assert lease is not None
    assert (lease.state, lease.nodes, lease.owner, lease.expires) == (LeaseState.ACTIVE, (ONE,), "alice", NOW + 60)
    assert store.snapshot().nodes[ONE].lease == lease.id
    assert [event.reason for event in lease.history] == ["asked for by alice", f"given {ONE}"]


def test_a_warm_grab_is_one_write(server: MemoryServer, config: Config, clock: FakeClock) -> None:
    """Lease and nodes change in a single transaction."""
    transactions = []

    class Counting(MemoryStore):
        """A client whose transactions are counted."""

        def transact(self, writes):  # noqa: ANN001, ANN202
            transactions.append(len(writes))
            return super().transact(writes)

    client = Counting(server)
    client.create(make_node(1))
    client.create(make_node(2))
    transactions.clear()
    grab_now(client, config, clock, Wish("debian-12", "alice", count=2))
    assert transactions == [3]


def test_nothing_ready_gives_nothing_and_queues_nothing(store: MemoryStore, config: Config, clock: FakeClock) -> None:
    """What `--no-wait` relies on."""
    store.create(make_node(1, state=NodeState.PREPARING))
    assert grab_now(store, config, clock, Wish("debian-12", "alice")) is None
    assert not store.snapshot().leases


def test_a_warm_grab_does_not_overtake_the_queue(store: MemoryStore, config: Config, clock: FakeClock) -> None:
    """The only ready node belongs to whoever waits already; a second one is free to take."""
    store.create(make_node(1))
    store.create(make_lease(order=1))
    store.create(make_waiter())
    assert grab_now(store, config, clock, Wish("debian-12", "bob")) is None
    store.create(make_node(2))
    lease = grab_now(store, config, clock, Wish("debian-12", "bob"))
    assert lease is not None
    assert lease.nodes == (TWO,)


def test_few_nodes_are_handed_out_in_the_order_in_which_they_became_ready(
    store: MemoryStore, config: Config, clock: FakeClock
) -> None:
    """The oldest first, so that none grows old unused."""
    for number in (3, 1, 2):
        store.create(make_node(number, since=NOW - 10 * number))
    leases = [grab_now(store, config, clock, Wish("debian-12", "alice")) for _ in range(3)]
    assert [lease.nodes for lease in leases if lease] == [(numbered(3),), (TWO,), (ONE,)]


def test_a_warm_grab_looks_at_few_of_many_nodes(server: MemoryServer, config: Config, clock: FakeClock) -> None:
    """How many nodes a pool has does not matter; the one that is ready is found all the same."""
    looks = []

    class Counting(MemoryStore):
        """A client that counts the nodes that it is shown."""

        def read(self, *kinds: type[Record], sample: Mapping[type[Record], int] = NO_SAMPLE) -> Snapshot:
            records = super().read(*kinds, sample=sample)
            if Node in kinds:
                looks.append(len(records.nodes))
            return records

    client = Counting(server)
    for number in range(1, 61):
        client.create(make_node(number))
    assert grab_now(client, config, clock, Wish("debian-12", "alice")) is not None
    assert looks == [SAMPLE]
    for node in client.snapshot().nodes.values():
        client.delete(node)
        client.create(make_node(int(node.id), state=NodeState.PREPARING))
    client.create(make_node(61))
    lease = grab_now(client, config, clock, Wish("debian-12", "alice"))
    assert lease is not None
    assert lease.nodes == (numbered(61),)


def test_a_grab_that_was_overtaken_takes_another_node(store: MemoryStore, config: Config, clock: FakeClock) -> None:
    """Somebody took the chosen one between reading and writing: any other free one is as good, and no one waits."""
    for number in (1, 2):
        store.create(make_node(number))
    read = store.read
    rivals = [Wish("debian-12", "bob")]

    def overtaken(*kinds: type[Record], sample: Mapping[type[Record], int] = NO_SAMPLE) -> Snapshot:
        seen = read(*kinds, sample=sample)
        if rivals:
            assert grab_now(store, config, clock, rivals.pop()) is not None
        return seen

    store.read = overtaken  # type: ignore[method-assign]  # another client, between two calls of ours
    lease = grab_now(store, config, clock, Wish("debian-12", "alice"))
    assert lease is not None
    assert lease.nodes == (TWO,)


def test_a_label_that_does_not_exist_is_told_at_once(store: MemoryStore, config: Config, clock: FakeClock) -> None:
    """With the one that was probably meant."""
    with pytest.raises(NoSuchThingError, match="did you mean `debian-12`"):
        grab_now(store, config, clock, Wish("debian12", "alice"))


def test_more_than_there_can_ever_be_is_told_at_once(store: MemoryStore, clock: FakeClock) -> None:
    """Sub-nodes count against the servers too."""
    config = make_config([Label(name="debian-12", subnodes=1)], max_servers=5)
    with pytest.raises(NodepoolError, match="2 nodes at most"):
        grab_now(store, config, clock, Wish("debian-12", "alice", count=3))


def test_a_private_key_is_refused(store: MemoryStore, config: Config, clock: FakeClock) -> None:
    """A key that cannot be certified is an error before anything is taken."""
    store.create(make_node(1))
    with pytest.raises(PublicKeyError):
        grab_now(store, config, clock, Wish("debian-12", "alice", public_key="-----BEGIN OPENSSH PRIVATE KEY-----"))
    assert store.snapshot().nodes[ONE].state is NodeState.READY


def test_an_unclear_outcome_names_the_lease(store: MemoryStore, config: Config, clock: FakeClock) -> None:
    """When the answer is lost, the user can find out what became of it."""
    store.create(make_node(1))
    store.lose_reply()
    with pytest.raises(StoreUnavailableError, match=r"If the request got through, lease [a-z2-9]{8} holds"):
        grab_now(store, config, clock, Wish("debian-12", "alice"))


def test_a_client_takes_its_node_itself_when_it_comes(server: MemoryServer, store: MemoryStore, config: Config) -> None:
    """No launcher is needed to be served."""
    client = Client(server, config, Wish("debian-12", "alice")).queued()
    assert client.said == ["place 1 in the queue for debian-12, 0 on their way"]
    store.create(make_node(1))
    assert client.lease().nodes == (ONE,)


def test_clients_are_served_in_the_order_in_which_they_came(
    server: MemoryServer, store: MemoryStore, config: Config
) -> None:
    """The first gets the first node, all or nothing, and nobody slips past."""
    first = Client(server, config, Wish("debian-12", "alice", count=2)).queued()
    second = Client(server, config, Wish("debian-12", "bob")).queued()
    assert second.said[0].startswith("place 2 in the queue")
    for number in (1, 2, 3):
        store.create(make_node(number))
    assert first.lease().nodes == (ONE, TWO)
    assert second.lease().nodes == (numbered(3),)


def test_a_launcher_may_serve_a_waiting_client(server: MemoryServer, store: MemoryStore, config: Config) -> None:
    """Whoever is quicker; the client just finds its lease active."""
    client = Client(server, config, Wish("debian-12", "alice")).queued()
    client.store.disconnect()
    (waiting,) = store.snapshot().leases.values()
    leases.give(store, config, waiting, [store.create(make_node(1))], NOW)
    client.store.reconnect()
    assert client.lease().nodes == (ONE,)


def test_the_wait_ends_in_time(server: MemoryServer, store: MemoryStore, config: Config) -> None:
    """The lease ends as expired, and the message says what was in the way."""
    store.create(Backoff(id="launch/debian-12@local", failures=2, error="no such network", since=0, last=0, next_try=9))
    with pytest.raises(WaitTimeoutError, match=r"no node became free within 0\.05.*no such network"):
        Client(server, config, Wish("debian-12", "alice", wait=0.05)).lease()
    (lease,) = store.snapshot().leases.values()
    assert (lease.state, lease.end_reason) == (LeaseState.ENDED, "expired: no node became free within 0.05")


def test_a_client_that_gives_up_leaves_the_queue(server: MemoryServer, store: MemoryStore, config: Config) -> None:
    """Ctrl-C cancels the lease before the interruption goes on."""

    def interrupted(_sentence: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grab(store, config, SystemClock(), Wish("debian-12", "alice"), interrupted)
    (lease,) = store.snapshot().leases.values()
    assert lease.end_reason == "cancelled: by alice, who waited no longer"


def test_a_client_whose_lease_is_cancelled_says_by_whom(
    server: MemoryServer, store: MemoryStore, config: Config
) -> None:
    """Releasing a waiting lease ends the wait at once."""
    client = Client(server, config, Wish("debian-12", "alice")).queued()
    (waiting,) = store.snapshot().leases
    leases.release(store, waiting, "bob", NOW)
    with pytest.raises(NodepoolError, match="cancelled: by bob"):
        client.lease()


def test_a_client_comes_back_after_its_session_expired(
    server: MemoryServer, store: MemoryStore, config: Config
) -> None:
    """It shows again that it is there, keeps its place and is served."""
    client = Client(server, config, Wish("debian-12", "alice")).queued()
    client.store.expire()
    wait_for(store, lambda: bool(store.snapshot().waiters))
    store.create(make_node(1))
    assert client.lease().nodes == (ONE,)


def test_a_client_waits_out_a_broken_connection(server: MemoryServer, store: MemoryStore, config: Config) -> None:
    """It says so, and takes what came meanwhile once it can."""
    client = Client(server, config, Wish("debian-12", "alice")).queued()
    client.store.disconnect()
    store.create(make_node(1))
    client.store.reconnect()
    assert client.lease().nodes == (ONE,)


def test_racing_clients_share_nothing(server: MemoryServer, store: MemoryStore, config: Config) -> None:
    """Eight clients, eight nodes, all at once: each gets one of its own."""
    start = threading.Barrier(8)

    def race(number: int) -> Lease | None:
        client = server.connect()
        start.wait(PATIENCE)
        return grab_now(client, config, SystemClock(), Wish("debian-12", f"user-{number}"))

    for number in range(8):
        store.create(make_node(number))
    with ThreadPoolExecutor(8) as pool:
        taken = [lease.nodes for lease in pool.map(race, range(8)) if lease is not None]
    assert sorted(node for nodes in taken for node in nodes) == [numbered(number) for number in range(8)]


def test_lease_ids_are_easy_to_read_and_no_numbers() -> None:
    """Nobody mistakes one for a node's number, or a character for another."""
    ids = {new_lease_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(len(each) == 8 and each[0] in LETTERS and not set(each) & set("01ilo") for each in ids)
