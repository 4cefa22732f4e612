"""The private network of a node set: a second interface of each of its machines, and who has which address on it.

Ethernet frames go as multicast over this host's loopback, to a group and port that follow from the pool and the set: no
process, no bridge and no root is needed, and nothing has to be remembered or cleaned up. Any process of this host could
join in, as it could reach the machines' forwarded ports; nothing of it leaves the host.
"""

import hashlib

from nodepool_lite.clouds.qemu.records import ServerRecord

PREFIX = 16
"""Bits of the network part of 198.19.0.0, half of what is set aside for tests between devices (RFC 2544).

So no real network is hidden by it.
"""
_FIRST_PORT, _PORTS = 10000, 10000
"""Below those of the guests' SSH servers."""


def address(record: ServerRecord) -> str | None:
    """Return the server's address on its set's network; None for one that stands alone.

    Ids of nodes are numbers that count up, so the members of a set never have the same.
    """
    if not record.set_id:
        return None
    number = int(record.node_id) if record.node_id.isdecimal() else _digest(record.node_id, "node")
    host = number % 65534 + 1
    return f"198.19.{host >> 8}.{host & 255}"


def mac(record: ServerRecord) -> str:
    """Return the hardware address of the second interface, which is like no first one's (those begin with 52:54:00)."""
    tail = hashlib.sha256(record.id.encode()).digest()[:3]
    return "52:54:01:" + ":".join(f"{each:02x}" for each in tail)


def arguments(record: ServerRecord) -> list[str]:
    """Return QEMU's arguments for the second interface; none for a server that stands alone."""
    if not record.set_id:
        return []
    number = _digest(record.pool_id, record.set_id)
    group = f"239.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    port = _FIRST_PORT + (number >> 24) % _PORTS
    return [
        *("-netdev", f"socket,id=set,mcast={group}:{port},localaddr=127.0.0.1"),
        *("-device", f"virtio-net-pci,netdev=set,mac={mac(record)}"),
    ]


def _digest(*words: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:6])
