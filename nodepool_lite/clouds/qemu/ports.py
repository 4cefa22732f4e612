"""Ports on loopback for the guests' SSH servers."""

import socket
import zlib
from collections.abc import Container

from nodepool_lite.model.errors import CapacityError

ADDRESS = "127.0.0.1"
FIRST, COUNT = 20000, 10000
"""Below the ports that Linux gives to outgoing connections by default (32768 and up, ip_local_port_range)."""


def choose(server_id: str, taken: Container[int]) -> int:
    """Return a port that is not in `taken` and that nothing on this host listens on.

    Each server starts to look at another place, so that a port is not used again soon after a deletion: an SSH client
    that still has the old address would meet the wrong machine.

    Raises:
        CapacityError: all ports are taken.
    """
    start = zlib.crc32(server_id.encode())
    for step in range(COUNT):
        port = FIRST + (start + step) % COUNT
        if port not in taken and is_free(port):
            return port
    raise CapacityError(f"all ports from {FIRST} to {FIRST + COUNT - 1} on {ADDRESS} are taken")


def is_free(port: int) -> bool:
    """Return whether QEMU could listen on the port now; like QEMU, past connections do not count (SO_REUSEADDR)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            return False
    return True
