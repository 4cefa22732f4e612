"""What services find around them in the cloud's namespaces: a host name, mounts, interfaces, kernel settings."""

import socket
import subprocess
from pathlib import Path

from .place import API_WIRE, WIRES, CloudError, Place

HOSTNAME = "nodepool-lite-cloud"
"""The same on every host: Nova's records of a hypervisor bear it, and they outlive the cloud in its dumps."""


def prepare(place: Place) -> None:
    """Make all of it; a second time changes nothing."""
    socket.sethostname(HOSTNAME)
    # The host's /sys shows the host's interfaces, whatever the namespace of who looks.
    mount(place, Path("/sys"), "-t", "sysfs", "sysfs")
    # Sockets and named network namespaces (of routers and DHCP) are nobody else's.
    mount(place, Path("/run"), "-t", "tmpfs", "-o", "mode=755", "tmpfs")
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "addr", "replace", f"{API_WIRE.inside_address}/24", "dev", API_WIRE.inside)
    for wire in WIRES:
        _run("ip", "link", "set", wire.inside, "up")
    for family in ("iptables", "ip6tables", "arptables"):
        # Bridges pass packets as bridges do, without a detour through the rules for routed ones.
        switch = Path("/proc/sys/net/bridge", f"bridge-nf-call-{family}")
        if switch.exists():
            switch.write_text("0")


def mount(place: Place, target: Path, *what: str) -> None:
    """Mount something over a path, once in the life of these namespaces (and of the directory `run`)."""
    mark = place.run / f"mounted{str(target).replace('/', '-')}"
    if not mark.exists():
        target.mkdir(parents=True, exist_ok=True)
        _run("mount", *what, str(target))
        mark.touch()


def _run(*command: str) -> None:
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise CloudError(f"{' '.join(command)}: {done.stderr.strip()}")
