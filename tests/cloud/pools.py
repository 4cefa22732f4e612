"""Pools of fake machines whose way to the real cloud leads through the proxy that breaks what a test says."""

from collections.abc import Callable, Iterator
from contextlib import closing

import openstack
import pytest

from tests.cloud.conftest import Cloud
from tests.clouds.openstack.conftest import Door, clean, door, endpoints, members
from tests.machine.pool import RealPool

__all__ = ["door", "endpoints", "members", "start"]

PATIENCE = 300.0
"""Seconds for what takes a few on an idle machine: cloud and tests may share two cores with much else."""
FAKES = """
state-dir: {base}/state
labels:
  - {{name: fake, min-ready: {count}}}
providers:
  - name: cloud
    driver: openstack
    cloud: one
    login-test: false
    max-concurrency: 20
    launch-retries: 9
    rate: 0.01
    cloud-images: [{{name: empty}}]
    pools:
      - networks: [bulk]
        availability-zones: [fake]
        labels: [{{name: fake, cloud-image: empty, flavor-name: tiny}}]
"""
"""One label of `count` nodes."""


class FakePool(RealPool):
    """A pool of servers that are no machines."""

    def configure(self, old: str, new: str) -> None:
        """Change a word of the configuration; the daemon reads it again by itself."""
        text = self.config_path.read_text()
        assert old in text
        self.config_path.write_text(text.replace(old, new))

    @property
    def pool_id(self) -> str:
        """The mark of all that is ours in the cloud."""
        return (self.config.state_dir / "pool-id").read_text().strip()

    def servers_in(self, connection: openstack.connection.Connection) -> list[tuple[str, str]]:
        """Return the node ids and the ids of our servers in a project, as Nova has them."""
        listed = connection.compute.servers()
        ours = [each for each in listed if each.metadata.get("nodepool_pool_id") == self.pool_id]
        return sorted((each.metadata["nodepool_node_id"], each.id) for each in ours)


@pytest.fixture
def start(
    door: Door, cloud: Cloud, members: list[openstack.connection.Connection]
) -> Iterator[Callable[..., FakePool]]:
    """Give a function that runs a pool with this configuration, behind the proxy, until the test ends."""
    pools: list[FakePool] = []

    def started(text: str = FAKES, **values: object) -> FakePool:
        config = door.directory / "nodepool.yaml"
        config.write_text(text.format(base=door.directory, **values))
        pool = FakePool(config, {})
        pools.append(pool)
        pool.start()
        return pool

    yield started
    door.proxy.clear()
    for pool in pools:
        with closing(pool):
            pool.stop()
        for connection in members:
            clean(connection, pool.pool_id)
