"""From the configuration to a store."""

from nodepool_lite.config.settings import Config
from nodepool_lite.store._access import OPEN, Access
from nodepool_lite.store._place import Place
from nodepool_lite.store.zookeeper import ZooKeeperStore

TICKS_SHORTER = 0.8
PATIENCE = 4.0
"""Seconds for which a command looks for ZooKeeper: with Python's start, a user knows within 5."""


def open_store(config: Config, *, watch: bool, timeout: float = PATIENCE) -> ZooKeeperStore:
    """Return a connected store: the ZooKeeper that the configuration names, or the running daemon's own.

    Raises:
        ConfigError: a file that `zookeeper-tls` names is missing or is not what it should be.
        StoreUnavailableError: there is none, it could not be reached within `timeout` seconds, or it refuses us.
    """
    return ZooKeeperStore.connect(
        hosts(config, timeout),
        access=access(config),
        timeout=timeout,
        session_timeout=session_timeout(config),
        watch=watch,
    )


def session_timeout(config: Config) -> float:
    """Return the seconds of silence after which ZooKeeper is to end our session.

    It does so at its next tick (2 s by default). With that a process that dies is replaced within `zookeeper-timeout`.
    """
    return config.zookeeper_timeout * TICKS_SHORTER


def access(config: Config) -> Access:
    """Return how to get at the servers that the configuration names; the embedded one's way is in its address."""
    return Access(config.zookeeper_tls, config.zookeeper_auth) if config.zookeeper_servers else OPEN


def hosts(config: Config, timeout: float = PATIENCE) -> str:
    """Return where ZooKeeper is, as kazoo takes it: `host:port,host:port/chroot`. Raises StoreUnavailableError."""
    if not config.zookeeper_servers:
        return Place(config.state_dir.absolute()).find(timeout)
    servers = (
        f"[{each.host}]:{each.port}" if ":" in each.host else f"{each.host}:{each.port}"
        for each in config.zookeeper_servers
    )
    chroot = next((each.chroot.strip("/") for each in config.zookeeper_servers if each.chroot.strip("/")), "")
    return ",".join(servers) + (f"/{chroot}" if chroot else "")
