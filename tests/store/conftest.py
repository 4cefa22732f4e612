"""Stores to test: clients of one pool, in memory and in a real ZooKeeper."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from nodepool_lite.store._access import OPEN, Access
from nodepool_lite.store.base import Store
from nodepool_lite.store.memory import MemoryServer
from nodepool_lite.store.zookeeper import ZooKeeperStore
from tests.secured import Secured, auth

Connect = Callable[[], Store]


KINDS = ("zookeeper", "tls-digest", "tls-sasl", "sasl")
"""ZooKeeper for everybody, and for those with a certificate, a password, or both."""


@pytest.fixture(params=["memory", *(pytest.param(each, marks=pytest.mark.zookeeper) for each in KINDS)])
def connect(request: pytest.FixtureRequest, zookeeper_root: str) -> Iterator[Connect]:
    """Give a function that connects one more client to the pool of this test."""
    if request.param == "memory":
        server = MemoryServer()

        def new() -> Store:
            return server.connect()
    else:
        hosts, access = _way(request, request.param)

        def new() -> Store:
            return ZooKeeperStore.connect(hosts, root=zookeeper_root, access=access, watch=True)

    with ExitStack() as stack:

        def connected() -> Store:
            store = new()
            stack.callback(store.close)
            return store

        yield connected


def _way(request: pytest.FixtureRequest, kind: str) -> tuple[str, Access]:
    if kind == "zookeeper":
        return request.getfixturevalue("zookeeper_hosts"), OPEN
    secured: Secured = request.getfixturevalue("secured_zookeeper")
    if kind == "sasl":
        return secured.plain, Access(auth=auth("sasl"))
    return secured.encrypted, Access(secured.tls, auth(kind.removeprefix("tls-")))


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
