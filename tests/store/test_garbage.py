"""Znodes that somebody else spoiled: shown with the reason, left alone, in nobody's way; in memory and on a server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from kazoo.client import KazooClient

from nodepool_lite.model.errors import StoreConflictError
from nodepool_lite.model.image import Build
from nodepool_lite.model.node import Node
from nodepool_lite.store._codec import encode
from nodepool_lite.store.base import Store
from nodepool_lite.store.memory import MemoryServer
from nodepool_lite.store.zookeeper import ZooKeeperStore
from nodepool_lite.testing import make_node

from .waiting import until_seen


@dataclass
class Place:
    """A pool to connect to, and a way to put anything into it."""

    connect: Callable[[], Store]
    spoil: Callable[[str, bytes | None], None]


@pytest.fixture(params=["memory", pytest.param("zookeeper", marks=pytest.mark.zookeeper)])
def place(request: pytest.FixtureRequest, zookeeper_root: str) -> Iterator[Place]:
    """Give a pool in memory and one on a real server."""
    if request.param == "memory":
        server = MemoryServer()
        yield Place(server.connect, server.spoil)
        return
    hosts = request.getfixturevalue("zookeeper_hosts")
    raw, stores = KazooClient(hosts), []
    raw.start()

    def connect() -> Store:
        stores.append(ZooKeeperStore.connect(hosts, root=zookeeper_root, watch=True))
        return stores[-1]

    def spoil(path: str, data: bytes | None) -> None:
        full = f"{zookeeper_root}/{path}"
        if data is None:
            raw.delete(full)
        elif raw.exists(full):
            raw.set(full, data)
        else:
            raw.create(full, data, makepath=True)

    yield Place(connect, spoil)
    for store in stores:
        store.close()
    raw.stop()
    raw.close()


@pytest.mark.parametrize("data", [b"\0\xff garbage", b"", b"{}", b"[1]", b'{"label": "x"}', b'{"schema_version": 99}'])
def test_garbage_takes_its_name_and_nothing_else(place: Place, data: bytes) -> None:
    """What has that name cannot be made; all others can be read, made, changed and removed."""
    store, other = place.connect(), place.connect()
    good = store.create(make_node(1))
    place.spoil("nodes/0000000002", data)
    for client in (store, other):
        seen = until_seen(client, lambda seen: bool(seen.garbage) and bool(seen.nodes))
        assert seen.unreadable(Node) == {"0000000002"}
        assert seen.nodes == {good.id: good}
    with pytest.raises(StoreConflictError):
        store.create(make_node(2))
    changed = store.update(good.noted(1.0, "x"))
    assert store.create_numbered(make_node()).id not in {"0000000001", "0000000002"}
    store.delete(changed)
    assert store.read().unreadable(Node) == store.read(Node).unreadable(Node) == {"0000000002"}
    assert not store.read(Build).garbage
    place.spoil("nodes/0000000002", None)
    until_seen(other, lambda seen: not seen.garbage)


def test_a_record_that_was_spoiled_is_back_when_it_is_mended(place: Place) -> None:
    """Who still holds the old one cannot write it over the spoiled one."""
    store = place.connect()
    node = store.create(make_node(1))
    place.spoil("nodes/0000000001", b"?")
    until_seen(store, lambda seen: bool(seen.garbage) and not seen.nodes)
    with pytest.raises(StoreConflictError):
        store.update(node.noted(1.0, "as if nothing had happened"))
    place.spoil("nodes/0000000001", encode(node))
    seen = until_seen(store, lambda seen: bool(seen.nodes))
    assert not seen.garbage
    store.update(seen.nodes[node.id].noted(2.0, "all is well"))


def test_what_is_below_a_record_or_beside_all_kinds(place: Place) -> None:
    """A znode below a node is no node, an empty folder is nothing, and what is no kind of ours is not ours."""
    store = place.connect()
    node = store.create(make_node(1))
    place.spoil("nodes/0000000001/below", encode(node))
    place.spoil("uploads/debian-12", b"")
    place.spoil("inventions/1", b"?")
    seen = until_seen(store, lambda seen: bool(seen.garbage))
    assert list(seen.garbage) == ["nodes/0000000001/below"]
    assert seen.nodes == {node.id: node}
