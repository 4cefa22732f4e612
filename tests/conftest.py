"""Fixtures for every room: a real ZooKeeper server, started once for each test process."""

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings
from kazoo.client import KazooClient
from kazoo.security import OPEN_ACL_UNSAFE

from nodepool_lite.store.embedded import EmbeddedZooKeeper

settings.register_profile("busy", deadline=None)  # a test is not wrong because others use the processor
settings.load_profile("busy")


@pytest.fixture(scope="session")
def zookeeper_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real ZooKeeper on a free loopback port and give its `127.0.0.1:PORT`; any client may use it.

    Each pytest-xdist worker has its own. The kernel kills the server with the test process.
    """
    directory = tmp_path_factory.mktemp("zookeeper")
    server = EmbeddedZooKeeper(directory)
    address = server.start().partition("?")[0]
    secret = (directory / "zookeeper" / "secret").read_text().strip()
    client = KazooClient(address, auth_data={("digest", f"pool:{secret}")})
    client.start()
    client.set_acls("/", OPEN_ACL_UNSAFE)
    client.stop()
    client.close()
    yield address
    server.stop()


@pytest.fixture
def zookeeper_root() -> str:
    """Give a root path that no other test has, for stores of this test alone."""
    return f"/test-{uuid.uuid4().hex}"
