"""Stores to test: clients of one pool, in memory and in a real ZooKeeper."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from nodepool_lite.store.base import Store
from nodepool_lite.store.memory import MemoryServer
from nodepool_lite.store.zookeeper import ZooKeeperStore

Connect = Callable[[], Store]


@pytest.fixture(params=["memory", pytest.param("zookeeper", marks=pytest.mark.zookeeper)])
def connect(request: pytest.FixtureRequest, zookeeper_root: str) -> Iterator[Connect]:
    """Give a function that connects one more client to the pool of this test."""
    if request.param == "memory":
        server = MemoryServer()

        def new() -> Store:
            return server.connect()
    else:
        hosts = request.getfixturevalue("zookeeper_hosts")

        def new() -> Store:
            return ZooKeeperStore.connect(hosts, root=zookeeper_root, watch=True)

    with ExitStack() as stack:

        def connected() -> Store:
            store = new()
            stack.callback(store.close)
            return store

        yield connected


@pytest.fixture
def store(connect: Connect) -> Store:
    """Give one client."""
    return connect()


@pytest.fixture
def zk(zookeeper_hosts: str, zookeeper_root: str) -> Iterator[Callable[..., ZooKeeperStore]]:
    """Give a function that connects one more client to the real server, with a view unless told otherwise."""
    with ExitStack() as stack:

        def connected(*, watch: bool = True) -> ZooKeeperStore:
            store = ZooKeeperStore.connect(zookeeper_hosts, root=zookeeper_root, watch=watch)
            stack.callback(store.close)
            return store

        yield connected
