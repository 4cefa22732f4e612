"""A real ZooKeeper that wants certificates on one port and knows a user on both, as an operator would set it up."""

import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from nodepool_lite.config.zookeeper import ZooKeeperAuth, ZooKeeperTls
from nodepool_lite.store import _java
from nodepool_lite.store.embedded import _free_port
from tests.authority import Authority, Files

USERNAME, PASSWORD = "nodepool", "öffne dich, Sesam"
PATIENCE = 60.0

_CONFIG = """\
tickTime=500
dataDir={directory}/data
clientPort={port}
clientPortAddress=127.0.0.1
secureClientPort={secure_port}
secureClientPortAddress=127.0.0.1
maxClientCnxns=500
admin.enableServer=false
4lw.commands.whitelist=srvr
preAllocSize=1024
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
ssl.keyStore.type=PEM
ssl.keyStore.location={keystore}
ssl.trustStore.type=PEM
ssl.trustStore.location={truststore}
authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider
"""
_JAAS = """\
Server {{
  org.apache.zookeeper.server.auth.DigestLoginModule required
  user_{username}="{password}";
}};
"""
_NETTY = [Path(f"/usr/share/java/netty-{part}.jar") for part in ("codec", "resolver", "transport-native-unix-common")]
"""Debian's ZooKeeper leaves those parts of Netty out of its manifest that TLS needs."""


@dataclass(frozen=True)
class Secured:
    """Where the server is, and what lets a client in. Its certificate is for `localhost` and for nothing else."""

    authority: Authority
    client: Files
    port: int
    secure_port: int

    @property
    def plain(self) -> str:
        """The address without TLS, as kazoo takes it."""
        return f"localhost:{self.port}"

    @property
    def encrypted(self) -> str:
        """The address with TLS."""
        return f"localhost:{self.secure_port}"

    @property
    def tls(self) -> ZooKeeperTls:
        """Settings that the server takes."""
        return ZooKeeperTls(ca=self.authority.ca, cert=self.client.cert, key=self.client.key)


def auth(scheme: str, username: str = USERNAME, password: str = "") -> ZooKeeperAuth:
    """Return settings to say who we are: with `sasl` the server's own user, with `digest` another."""
    chosen = password or (PASSWORD if scheme == "sasl" else "open sesame")
    return ZooKeeperAuth(scheme=scheme, username=username, password=chosen)


def start(directory: Path, *, users: bool = True) -> tuple[Secured, "subprocess.Popen[bytes]"]:
    """Start the server, with its data and certificates in `directory`; return once it answers on both ports."""
    authority = Authority(directory / "certificates")
    server, client = authority.sign("server", "localhost"), authority.sign("client")
    secured = Secured(authority, client, _free_port(None), _free_port(None))
    config = directory / "zoo.cfg"
    config.write_text(
        _CONFIG.format(
            directory=directory,
            port=secured.port,
            secure_port=secured.secure_port,
            keystore=server.both.rename(server.both.with_suffix(".pem")),
            truststore=authority.ca,
        )
    )
    jaas = directory / "jaas.conf"
    jaas.write_text(_JAAS.format(username=USERNAME, password=PASSWORD), encoding="utf-8")
    command = _java.command(config)
    command[command.index("-cp") + 1] += "".join(f":{each}" for each in _NETTY if each.exists())
    options = f"-Djava.security.auth.login.config={jaas}" if users else ""
    with (directory / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "JAVA_TOOL_OPTIONS": options})
    deadline = time.monotonic() + PATIENCE
    while not all(_listens(port) for port in (secured.port, secured.secure_port)):
        assert process.poll() is None, (directory / "server.log").read_text()
        assert time.monotonic() < deadline, (directory / "server.log").read_text()
        time.sleep(0.05)
    return secured, process


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server."""
    process.kill()
    process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
