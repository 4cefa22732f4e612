"""How ZooKeeper is reached: the settings of its servers, of TLS and of who we are."""

from typing import Annotated, Literal

from msgspec import Meta

from nodepool_lite.config.section import Section
from nodepool_lite.config.texts import Chroot, Host, Location, Name, Port


class ZooKeeperServer(Section):
    """One member of the ensemble."""

    host: Host
    """Name or address of the server."""
    port: Port = 2181
    """Its client port."""
    chroot: Chroot = ""
    """A path to keep everything below, so that several pools can share an ensemble; the same for all servers."""


class ZooKeeperTls(Section):
    """How connections to the servers of `zookeeper-servers` are encrypted; without it they are not."""

    ca: Location
    """PEM file of the authority, or authorities, that sign the servers' certificates. No other is trusted."""
    cert: Location | None = None
    """PEM file with our own certificate, for servers that ask for one."""
    key: Location | None = None
    """PEM file with its private key, without a passphrase; by default it is in the file of `cert`."""
    check_hostname: bool = True
    """Whether a server's certificate must be for the name, or the address, that `zookeeper-servers` gives."""


class ZooKeeperAuth(Section):
    """Who the pool is to the servers of `zookeeper-servers`. With it, nobody else may read or change its records."""

    scheme: Literal["digest", "sasl"] = "digest"
    """`digest` sends user and password to any server; `sasl` (DIGEST-MD5) proves the password to one that knows it."""
    username: Name
    """The user; with `sasl`, one that the servers know."""
    password: Annotated[str, Meta(min_length=1)]
    """The password; best in the file that `$NODEPOOL_LITE_SECURE` names."""

    def __repr__(self) -> str:
        """What a log or a traceback may show: not the password."""
        return f"{type(self).__name__}(scheme={self.scheme!r}, username={self.username!r})"
