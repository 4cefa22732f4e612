"""Fixtures for every room: a real ZooKeeper server, started once for each test process."""

import uuid
from collections.abc import Iterator

import pytest

from nodepool_lite.store.embedded import EmbeddedZooKeeper


@pytest.fixture(scope="session")
def zookeeper_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real ZooKeeper on a free loopback port and give its `127.0.0.1:PORT`.

    Each pytest-xdist worker has its own. The kernel kills the server with the test process.
    """
    server = EmbeddedZooKeeper(tmp_path_factory.mktemp("zookeeper"))
    yield server.start()
    server.stop()


@pytest.fixture
def zookeeper_root() -> str:
    """Give a root path that no other test has, for stores of this test alone."""
    return f"/test-{uuid.uuid4().hex}"
