"""A real ZooKeeper ensemble of three, each server on a host of its own."""

import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from nodepool_lite.store import _java
from tests.chaos.kept import Kept
from tests.chaos.network import QUORUM, RECORDS, add_host, on

NUMBERS = {"zk-1": 11, "zk-2": 12, "zk-3": 13}
PORT = 2181
TICK = 0.5
"""Seconds; ZooKeeper ends sessions at multiples of it."""
CONFIG = """\
tickTime={tick}
initLimit=20
syncLimit=6
dataDir={data}
clientPort={port}
clientPortAddress={address}
admin.enableServer=false
4lw.commands.whitelist=srvr
preAllocSize=1024
"""


def make_servers(directory: Path) -> Sequence[Kept]:
    """Return the servers, with their hosts, not started yet."""
    peers = "".join(f"server.{number}={QUORUM.address(number)}:2888:3888\n" for number in NUMBERS.values())
    return [_server(directory / name, name, number, peers) for name, number in NUMBERS.items()]


def address(name: str) -> str:
    """Return where clients find a server."""
    return RECORDS.address(NUMBERS[name])


def modes() -> Mapping[str, str]:
    """Return what each server that serves says of itself: `leader` or `follower`."""
    found = {name: re.search(r"^Mode: (\w+)", _status(name), re.MULTILINE) for name in NUMBERS}
    return {name: mode[1] for name, mode in found.items() if mode}


def is_whole() -> bool:
    """Whether all serve, so that one of them may be lost."""
    return sorted(modes().values()) == ["follower", "follower", "leader"]


def _server(home: Path, name: str, number: int, peers: str) -> Kept:
    add_host(name, number, {QUORUM: "quorum", RECORDS: "records"})
    data = home / "data"
    data.mkdir(parents=True)
    (data / "myid").write_text(f"{number}\n")
    config = home / "zoo.cfg"
    form = CONFIG.format(tick=round(TICK * 1000), data=data, port=PORT, address=RECORDS.address(number))
    config.write_text(form + peers)
    return Kept(name, on(name, *_java.command(config)), home / "log", {})


def _status(name: str) -> str:
    try:
        with socket.create_connection((address(name), PORT), timeout=0.5) as connection:
            connection.sendall(b"srvr")
            return b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    except OSError:
        return ""
