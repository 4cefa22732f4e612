"""What only the store in ZooKeeper has to show: few operations, garbage, broken connections, expired sessions."""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from nodepool_lite.model.errors import StoreConflictError, StoreUnavailableError
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.pool import Member
from nodepool_lite.store import _link
from nodepool_lite.store._link import Link, Reply, Request
from nodepool_lite.store.base import Write
from nodepool_lite.store.embedded import EmbeddedZooKeeper
from nodepool_lite.store.zookeeper import ZooKeeperStore
from nodepool_lite.testing import make_build, make_lease, make_node, make_upload

from .waiting import PATIENCE, until, until_seen

pytestmark = pytest.mark.zookeeper

Zk = Callable[..., ZooKeeperStore]
MEMBER = Member(id="launcher-a-1", role="launcher", host="a", pid=1, started=1.0, software="0")


@pytest.fixture
def raw(zookeeper_hosts: str) -> Iterator[KazooClient]:
    """Give a plain client, for what our own does not do."""
    client = KazooClient(zookeeper_hosts)
    client.start()
    yield client
    client.stop()
    client.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedZooKeeper]:
    """Give a server that a test may hurt."""
    server = EmbeddedZooKeeper(tmp_path)
    yield server
    server.stop()


def cut(store: ZooKeeperStore) -> None:
    """Break the connection under the store, unless it is broken already."""
    with suppress(OSError):
        store._feed.link._client._connection._socket.shutdown(socket.SHUT_RDWR)


def test_a_node_costs_at_most_ten_operations_in_its_life(zk: Zk) -> None:
    """From the wish to the end, with the hand-out to a lease, nothing is read: our own events cost nothing."""
    store = zk()
    store.delete(store.create_numbered(make_node()))  # makes the folder, once
    lease = store.create(make_lease("a"))
    before = store.operations
    node = store.create_numbered(make_node(state=NodeState.BUILDING))
    node = store.update(node.noted(1.0, "asked", asked=1.0))
    node = store.update(node.to(NodeState.TESTING, 2.0, "it runs"))
    node = store.update(node.to(NodeState.PREPARING, 3.0, "it answers"))
    node = store.update(node.to(NodeState.READY, 4.0, "the script is done"))
    results = store.transact([Write("update", node.to(NodeState.IN_USE, 5.0, "taken")), Write("update", lease)])
    assert isinstance(results[0], Node)
    node = store.update(results[0].to(NodeState.DELETING, 6.0, "released"))
    store.delete(node)
    store.read()  # its answer comes after all events, so no reads for these are still to come
    life = store.operations
    store.read()
    reading = store.operations - life
    assert life - before - reading == 9
    assert not store.snapshot().nodes


def test_a_burst_of_foreign_changes_is_read_in_few_operations(zk: Zk) -> None:
    """A client that cannot keep up reads the last state only."""
    alice, bob = zk(), zk()
    node = alice.create(make_node(1))
    until_seen(bob, lambda seen: bool(seen.nodes))
    before = bob.operations
    for i in range(50):
        node = alice.update(node.noted(float(i), "again"))
    until_seen(bob, lambda seen: seen.nodes[node.id] == node)
    assert bob.operations - before <= 50


def test_two_thousand_nodes_are_read_in_batches(zk: Zk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large pools load through few requests, by a one-off read and by a new view alike."""
    sent: list[Request] = []
    real = Link.send

    def send(link: Link, request: Request, then: Callable[[Reply], None]) -> Reply:
        sent.append(request)
        return real(link, request, then)

    store = zk()
    for start in range(0, 2000, 200):
        store.transact([Write("create", make_node(i)) for i in range(start, start + 200)])
    reader = zk(watch=False)
    monkeypatch.setattr(Link, "send", send)
    found = reader.read(Node).nodes
    assert len(sent) < 100
    assert sum(request.size for request in sent) >= 2000
    assert found == store.snapshot().nodes == zk().snapshot().nodes
    assert len(found) == 2000


def test_two_writers_in_turns_always_see_the_latest(zk: Zk) -> None:
    """Own and foreign changes of one record mix, refused ones too, and both views end up equal."""
    alice, bob = zk(), zk()
    node = alice.create(make_node(1))
    for i in range(40):
        writer = (alice, bob)[i % 2]
        seen = until_seen(writer, lambda seen: bool(seen.nodes)).nodes[node.id]
        try:
            node = writer.update(seen.noted(float(i), "turn"))
        except StoreConflictError:
            continue
    for store in (alice, bob):
        until_seen(store, lambda seen: seen.nodes[node.id] == node)


@pytest.mark.parametrize("data", [b"\0\xff garbage", b"{}", b"[1]", b'{"label": "x"}'])
def test_garbage_is_named_and_left_alone(zk: Zk, raw: KazooClient, zookeeper_root: str, data: bytes) -> None:
    """A znode that is no record is shown with the reason; the rest of the view does not suffer, and nor does it."""
    store = zk()
    good = store.create(make_node(1))
    path = f"{zookeeper_root}/nodes/0000000002"
    raw.create(path, data)
    seen = until_seen(store, lambda seen: bool(seen.garbage))
    assert list(seen.garbage) == ["nodes/0000000002"]
    assert seen.garbage["nodes/0000000002"]
    assert seen.nodes == {good.id: good}
    assert store.read().garbage == zk().snapshot().garbage == seen.garbage
    assert raw.get(path)[0] == data
    raw.delete(path)
    until_seen(store, lambda seen: not seen.garbage)


def test_garbage_is_logged_once(
    zk: Zk, raw: KazooClient, zookeeper_root: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the znode once, however often it is touched."""
    store = zk()
    store.create(make_node(1))
    path = f"{zookeeper_root}/nodes/0000000002"
    raw.create(path, b"{}")
    until_seen(store, lambda seen: bool(seen.garbage))
    raw.set(path, b"{} ")
    store.update(store.create(make_node(3)))
    until_seen(store, lambda seen: len(seen.nodes) == 2)
    assert sum("store.garbage" in each.message for each in caplog.records) == 1


def test_a_record_that_turns_to_garbage_and_back(zk: Zk, raw: KazooClient, zookeeper_root: str) -> None:
    """A damaged record leaves the view, and is back when it was mended."""
    store = zk()
    node = store.create(make_node(1))
    path = f"{zookeeper_root}/nodes/{node.id}"
    good = raw.get(path)[0]
    raw.set(path, b"?")
    until_seen(store, lambda seen: bool(seen.garbage) and not seen.nodes)
    raw.set(path, good)
    seen = until_seen(store, lambda seen: bool(seen.nodes) and not seen.garbage)
    assert seen.nodes[node.id].version == 2


def test_folders_of_uploads_go_but_those_that_number_stay(
    server: EmbeddedZooKeeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server clears away a folder that only groups; one that counts is kept, and no number comes twice."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dznode.container.checkIntervalMs=100")
    hosts = server.start()
    store = ZooKeeperStore.connect(hosts)
    first = store.create_numbered(make_build(), "debian-12")
    store.delete(first)
    upload = store.create(make_upload(1))
    store.delete(upload)
    secret = (tmp_path / "zookeeper" / "secret").read_text().strip()
    raw = KazooClient(hosts.partition("?")[0], auth_data={("digest", f"pool:{secret}")})
    raw.start()
    gone = threading.Event()
    if raw.exists("/nodepool-lite/uploads/debian-12", watch=lambda _event: gone.set()):
        assert gone.wait(PATIENCE)
    assert raw.get_children("/nodepool-lite/builds") == ["debian-12"]
    assert raw.get_children("/nodepool-lite/uploads") == []
    assert store.create(upload).id == upload.id
    assert store.create_numbered(make_build(), "debian-12").id > first.id
    raw.stop()
    raw.close()
    store.close()


def test_what_others_keep_below_the_root_is_not_ours(zk: Zk, raw: KazooClient, zookeeper_root: str) -> None:
    """Unknown folders are neither read nor called garbage."""
    store = zk()
    raw.create(f"{zookeeper_root}/other/thing", b"?", makepath=True)
    store.create(make_node(1))
    assert not store.snapshot().garbage
    assert store.read() == store.snapshot() == zk().snapshot()


def test_a_pool_lives_below_a_chroot(zookeeper_hosts: str, zookeeper_root: str, raw: KazooClient) -> None:
    """The chroot of the connection string comes before the root, and is made when it is missing."""
    store = ZooKeeperStore.connect(f"{zookeeper_hosts}{zookeeper_root}/deep", root="/pool", watch=True)
    node = store.create_numbered(make_node())
    assert store.snapshot().nodes == {node.id: node}
    assert raw.exists(f"{zookeeper_root}/deep/pool/nodes/{node.id}")
    store.close()


def test_a_store_without_a_watch_has_no_view(zk: Zk) -> None:
    """It reads and writes, and says how to read when a view is asked for."""
    store = zk(watch=False)
    node = store.create(make_node(1))
    assert store.read(Node).nodes == {node.id: node}
    with pytest.raises(RuntimeError, match="use read"):
        store.snapshot()


def test_nobody_at_the_address_is_said_at_once() -> None:
    """A server that does not run is named with what to do, within the time that was given."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=f"{address} could not be reached within 0.5 s.*zookeeper-serv"):
            ZooKeeperStore.connect(address, timeout=0.5)
    assert time.monotonic() - began < 3.0


def test_a_server_that_is_silent_is_not_waited_for() -> None:
    """A host that takes the connection and never answers holds nobody up."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            ZooKeeperStore.connect(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.5)
        assert time.monotonic() - began < 3.0


def test_an_expired_session_loses_its_ephemeral_records(
    zk: Zk, zookeeper_hosts: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store goes on with a new session and a fresh view, and others see its members gone."""
    store, other = zk(), zk()
    store.create(MEMBER)
    node = store.create(make_node(1))
    until_seen(other, lambda seen: bool(seen.members))
    old = store.session
    thief = KazooClient(zookeeper_hosts, client_id=store._feed.link._client.client_id)
    thief.start()
    thief.stop()
    thief.close()
    until_seen(other, lambda seen: not seen.members)
    seen = until_seen(store, lambda _seen: store.session != old)
    assert (seen.members, seen.nodes) == ({}, {node.id: node})
    store.create(MEMBER)
    until_seen(other, lambda seen: bool(seen.members))
    assert capsys.readouterr() == ("", "")


def test_a_killed_server_fails_calls_at_once_and_heals(server: EmbeddedZooKeeper) -> None:
    """While the server is away nothing is queued; when it is back the view holds what happened meanwhile."""
    hosts = server.start()
    store = ZooKeeperStore.connect(hosts, watch=True)
    node = store.create(make_node(1))
    store.create(MEMBER)
    session, pid = store.session, server.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    until(store, lambda: not store.connected)
    began = time.monotonic()
    for call in (store.snapshot, store.read, lambda: store.create(make_node(2)), lambda: store.update(node)):
        with pytest.raises(StoreUnavailableError, match=r"no connection to ZooKeeper at 127\.0\.0\.1:"):
            call()
    assert time.monotonic() - began < 1.0
    until(store, lambda: store.connected)
    assert server.pid != pid
    assert store.session == session
    assert store.snapshot() == store.read()
    assert store.snapshot().nodes == {node.id: node}
    assert list(store.snapshot().members) == [MEMBER.id]
    other = ZooKeeperStore.connect(hosts)
    changed = other.update(node.noted(1.0, "after"))
    until_seen(store, lambda seen: seen.nodes == {node.id: changed})
    other.close()
    store.close()


def test_an_event_after_the_end_of_the_connection_is_no_mistake(
    zk: Zk, zookeeper_root: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What it tells of cannot be read any more, and everything is read anew with the next connection."""
    store = zk(watch=True)
    link = store._feed.link
    link.close()
    link.heard(f"{zookeeper_root}/nodes/0000000001", deleted=False)
    store._feed._link_changed(live=True)
    assert not [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]


def test_changes_while_a_client_was_cut_off_are_seen_when_it_is_back(server: EmbeddedZooKeeper) -> None:
    """What was changed, made and removed before the watch was set again is read anew."""
    hosts = server.start()
    store, other = (ZooKeeperStore.connect(hosts, watch=watch) for watch in (True, False))
    first, second = (store.create(make_node(i)) for i in (1, 2))
    late: list[Node] = []
    link = store._feed.link
    mend = link._client._connection._connect

    def meanwhile(*args: object) -> object:
        if not late:
            other.delete(first)
            late.extend([other.update(second.noted(1.0, "meanwhile")), other.create(make_node(3))])
        return mend(*args)

    link._client._connection._connect = meanwhile
    cut(store)
    seen = until_seen(store, lambda seen: first.id not in seen.nodes)
    assert seen.nodes == {each.id: each for each in late}
    other.close()
    store.close()


@pytest.mark.parametrize("seed", range(3))
def test_views_agree_after_any_tumult(zk: Zk, seed: int) -> None:
    """Clients that write at random to few records, while connections break, all end up with what is on the server."""
    stores = [zk() for _ in range(3)]

    def rage(number: int) -> None:
        chance = random.Random(seed * 10 + number)
        for step in range(120):
            store = stores[number]
            with suppress(StoreConflictError, StoreUnavailableError):
                if chance.random() < 0.02:
                    cut(store)
                until(store, lambda: stores[number].connected)
                nodes = list(store.snapshot().nodes.values())
                chosen = chance.choice(nodes) if nodes else None
                match chance.randrange(6) if chosen else 0:
                    case 0 if len(nodes) < 8:
                        store.create_numbered(make_node())
                    case 1:
                        store.create(make_node(chance.choice("abc")))
                    case 2 if chosen:
                        store.delete(chosen)
                    case 3 if len(nodes) > 1:
                        store.transact([Write("delete", nodes[0]), Write("update", nodes[1])])
                    case _ if chosen:
                        store.update(chosen.noted(float(step), str(number)))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(rage, range(3)))
    truth = zk(watch=False).read()
    for store in stores:
        assert until_seen(store, lambda seen: seen == truth) == truth


def _stopped(pid: int) -> bool:
    """Tell whether each thread of a process has stopped: on a busy machine that takes a moment."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return all((each / "stat").read_text().rpartition(")")[2].split()[0] == "T" for each in threads)


def test_a_hung_server_is_given_up_in_time(server: EmbeddedZooKeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call returns within its time-out and says that the outcome is unknown; the truth is in the view afterwards."""
    monkeypatch.setattr(_link, "CALL_TIMEOUT", 0.5)
    store = ZooKeeperStore.connect(server.start(), watch=True)
    node = store.create(make_node(1))
    assert server.pid
    os.kill(server.pid, signal.SIGSTOP)
    while not _stopped(server.pid):
        time.sleep(0.01)
    try:
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="unknown whether it was done"):
            store.update(node.noted(1.0, "x"))
        assert time.monotonic() - began < 3.0
    finally:
        os.kill(server.pid, signal.SIGCONT)
    until_seen(store, lambda seen: seen.nodes[node.id].version == 1)
    store.close()


def test_closing_does_not_wait_for_a_hung_server(server: EmbeddedZooKeeper) -> None:
    """A daemon that is told to stop has seconds in all, and its session ends by itself."""
    store = ZooKeeperStore.connect(server.start(), watch=True)
    assert server.pid
    os.kill(server.pid, signal.SIGSTOP)
    while not _stopped(server.pid):
        time.sleep(0.01)
    try:
        began = time.monotonic()
        store.close()
        assert time.monotonic() - began < 3.0
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_the_daemon_waits_for_a_server_that_comes_later(server: EmbeddedZooKeeper) -> None:
    """A store that was started before its server is connected once that runs."""
    address = server.start()
    server.stop()
    store = ZooKeeperStore(address)
    store.start()
    with pytest.raises(StoreUnavailableError):
        store.snapshot()
    directory = server._place.state_dir
    again = EmbeddedZooKeeper(directory)
    assert again.start() == address
    until(store, lambda: store.connected)
    store.close()
    again.stop()
