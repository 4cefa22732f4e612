"""Pools on the real cloud, each a daemon of its own; nothing of them is left there, however a test ends."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from openstack.connection import Connection

from nodepool_lite.actions.teardown import pool_id_file
from tests.clouds.openstack.conftest import Door, clean, door, members
from tests.machine.pool import RealPool
from tests.waiting import eventually

__all__ = ["FakePool", "door", "members", "pool_id", "running", "servers_of", "start"]

Kind = TypeVar("Kind", bound=RealPool)
GONE_WITHIN = 120.0
"""Seconds in which servers that were deleted at the end must have gone."""
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

    def servers_in(self, connection: Connection) -> list[tuple[str, str]]:
        """Return the node ids and the ids of our servers in a project, as Nova has them."""
        mark = pool_id(self)
        ours = [each for each in connection.compute.servers() if each.metadata.get("nodepool_pool_id") == mark]
        return sorted((each.metadata["nodepool_node_id"], each.id) for each in ours)


@pytest.fixture
def start(door: Door, members: list[Connection]) -> Iterator[Callable[..., FakePool]]:
    """Give a function that runs a pool of fakes, behind the proxy that breaks what a test says, until the test ends."""
    with ExitStack() as stack:

        def started(text: str = FAKES, **values: object) -> FakePool:
            config = door.directory / "nodepool.yaml"
            config.write_text(text.format(base=door.directory, **values))
            return stack.enter_context(running(config, {}, members, FakePool))

        yield started
        door.proxy.clear()


@contextmanager
def running(
    config: Path,
    environ: Mapping[str, str],
    members: Iterable[Connection],
    kind: type[Kind] = RealPool,  # type: ignore[assignment]
) -> Iterator[Kind]:
    """Run a pool with this configuration; then end it, and remove what it made in the projects of `members`."""
    pool = kind(config, environ)
    try:
        with closing(pool):
            pool.start()
            yield pool
            pool.stop()
    finally:
        known = pool_id_file(pool.config.state_dir).exists()
        for member in members if known else ():
            remove(member, pool_id(pool))


def pool_id(pool: RealPool) -> str:
    """Return by which mark the cloud's things are known as this pool's."""
    return pool_id_file(pool.config.state_dir).read_text().strip()


def remove(member: Connection, mark: str) -> None:
    """Remove all that carries a pool's mark from a project, and wait until its servers have gone."""
    clean(member, mark)
    eventually(lambda: not servers_of(member, mark), GONE_WITHIN)
    clean(member, mark)


def servers_of(member: Connection, mark: str) -> list[str]:
    """Return the ids of a pool's servers in a project."""
    return [each.id for each in member.compute.servers() if each.metadata.get("nodepool_pool_id") == mark]
