"""Pools on the real cloud, each a daemon of its own; nothing of them is left there, however a test ends."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from openstack.connection import Connection

from nodepool_lite.actions.teardown import pool_id_file
from tests.clouds.openstack.conftest import clean, eventually
from tests.machine.pool import RealPool

GONE_WITHIN = 120.0
"""Seconds in which servers that were deleted at the end must have gone."""


@contextmanager
def running(config: Path, environ: Mapping[str, str], members: Iterable[Connection]) -> Iterator[RealPool]:
    """Run a pool with this configuration; then end it, and remove what it made in the projects of `members`."""
    pool = RealPool(config, environ)
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
