"""Taking this host out of service: end the servers that run on it, and remove what builds left."""

from collections.abc import Iterator
from pathlib import Path

from nodepool_lite.actions.dib.sweep import sweep
from nodepool_lite.clouds.registry import open_driver
from nodepool_lite.config.settings import Config
from nodepool_lite.model.clock import Clock

LOCAL_DRIVERS = frozenset({"qemu"})
"""Drivers whose servers are processes of this host; a cloud's servers are not ours to stop from here."""


def pool_id_file(state_dir: Path) -> Path:
    """Return the file that tells the pool's id when ZooKeeper does not run."""
    return state_dir / "pool-id"


def stop_host(config: Config, clock: Clock) -> Iterator[str]:
    """Delete every server of the pool on this host; yields a sentence for each thing removed.

    The records stay: the next launcher finds that their servers are gone, and makes new nodes.

    Raises:
        CloudError: a server could not be deleted.
    """
    file = pool_id_file(config.state_dir)
    if file.exists():
        pool_id = file.read_text().strip()
        for provider in config.providers:
            if provider.driver not in LOCAL_DRIVERS:
                continue
            driver = open_driver(provider, config=config, pool_id=pool_id, clock=clock)
            try:
                for server in driver.list_servers():
                    driver.delete_server(server.id)
                    yield f"{provider.name}: server {server.id} of node {server.node_id}"
            finally:
                driver.close()
    yield from sweep(config.state_dir / "builds", config.images_dir)
