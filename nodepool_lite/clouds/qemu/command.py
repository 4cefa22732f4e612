"""The command line of one server's QEMU."""

import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path

from nodepool_lite.clouds.qemu import ports, setnet
from nodepool_lite.clouds.qemu.records import ServerRecord

OVERLAY = "disk.qcow2"
CONFIG_DRIVE = "config.img"
CONSOLE = "console.log"
PID_FILE = "qemu.pid"
GUEST_ADDRESS = "10.0.2.15"
"""What QEMU's own DHCP server gives to the first guest of each of its networks."""

_NAMESPACE = uuid.UUID("6f1c0d5e-5a0e-4b0b-9d6f-0d9f2f4f6a11")


def machine_uuid(server_id: str) -> str:
    """Return the UUID of the machine, the same in its firmware tables and in its metadata."""
    return str(uuid.uuid5(_NAMESPACE, server_id))


def arguments(record: ServerRecord, directory: Path, accel: Sequence[str], monitor: int) -> list[str]:
    """Return QEMU's arguments for the server in `directory`; `monitor` is the descriptor of its listening socket.

    Nothing may end up written to disk for its own sake (`cache=unsafe`): a node does not outlive its host's crash.
    The network is QEMU's own (user mode): the guest reaches out as this process would, and in comes only SSH. The
    machines of a node set have another one between them.
    """
    return [
        *("-name", f"guest={_escape(record.name)}"),
        *("-uuid", machine_uuid(record.id), "-pidfile", str(directory / PID_FILE)),
        *("-machine", "q35", *accel, "-smp", str(record.cores), "-m", f"{record.ram}M"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-rtc", "base=utc"),
        # A guest that breaks out of QEMU can neither start programs nor gain rights.
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
        *("-chardev", f"socket,id=qmp,fd={monitor},server=on,wait=off", "-mon", "chardev=qmp,mode=control"),
        *("-chardev", f"file,id=console,path={_escape(directory / CONSOLE)},append=on", "-serial", "chardev:console"),
        *("-drive", f"file={_escape(directory / OVERLAY)},if=virtio,format=qcow2,cache=unsafe,discard=unmap"),
        *("-drive", f"file={_escape(directory / CONFIG_DRIVE)},if=virtio,format=raw,readonly=on"),
        *("-netdev", f"user,id=net,ipv6=off,hostfwd=tcp:{ports.ADDRESS}:{record.port}-:22"),
        *("-device", f"virtio-net-pci,netdev=net,mac={mac(record.id)}"),
        *setnet.arguments(record),
        *("-device", "virtio-rng-pci"),
    ]


def mac(server_id: str) -> str:
    """Return the server's own hardware address, in the range that QEMU uses (52:54:00)."""
    tail = hashlib.sha256(server_id.encode()).digest()[:3]
    return "52:54:00:" + ":".join(f"{each:02x}" for each in tail)


def _escape(value: object) -> str:
    """Return the value with commas doubled, as QEMU's option lists want it."""
    return str(value).replace(",", ",,")
