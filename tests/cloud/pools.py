"""Pools on the real cloud, each a daemon of its own; nothing of them is left there, however a test ends."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from openstack.connection import Connection

from nodepool_lite.actions.teardown import pool_id_file
from tests.clouds.openstack.conftest import clean, eventually
from tests.machine.pool import RealPool

GONE_WITHIN = 120.0
"""Seconds in which servers that were deleted at the end must have gone."""


@contextmanager
def running(config: Path, clouds_yaml: Path, members: Iterable[Connection]) -> Iterator[RealPool]:
    """Run a pool with this configuration; then end it, and remove what it made in the projects of `members`."""
    pool = RealPool(config, {"OS_CLIENT_CONFIG_FILE": str(clouds_yaml)})
    try:
        with closing(pool):
            pool.start()
            yield pool
            pool.stop()
    finally:
        file = pool_id_file(pool.config.state_dir)
        for member in members if file.exists() else ():
            remove(member, file.read_text().strip())


def remove(member: Connection, pool_id: str) -> None:
    """Remove all that carries a pool's mark from a project, and wait until its servers have gone."""
    clean(member, pool_id)
    eventually(lambda: not servers_of(member, pool_id), GONE_WITHIN)
    clean(member, pool_id)


def servers_of(member: Connection, pool_id: str) -> list[str]:
    """Return the ids of a pool's servers in a project."""
    return [each.id for each in member.compute.servers() if each.metadata.get("nodepool_pool_id") == pool_id]
