"""A real ZooKeeper for tests and benchmarks, which any client on this host may use."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kazoo.client import KazooClient
from kazoo.security import OPEN_ACL_UNSAFE

from nodepool_lite.store.embedded import EmbeddedZooKeeper


@contextmanager
def open_zookeeper(directory: Path) -> Iterator[str]:
    """Run one on a free loopback port during this block, and give its `127.0.0.1:PORT`.

    The kernel kills the server with this process.
    """
    server = EmbeddedZooKeeper(directory)
    address = server.start().partition("?")[0]
    secret = (directory / "zookeeper" / "secret").read_text().strip()
    client = KazooClient(address, auth_data={("digest", f"pool:{secret}")})
    client.start()
    client.set_acls("/", OPEN_ACL_UNSAFE)
    client.stop()
    client.close()
    try:
        yield address
    finally:
        server.stop()
