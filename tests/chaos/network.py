"""Hosts that are network namespaces, on bridges whose ports can be shut: then a host is cut off, silently."""

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.chaos.enclosure import CLOUD_NAMESPACE
from tests.cloud.stack.place import API, BLOCK, CloudError

SHUT, OPEN = "0", "3"
"""Port states of a bridge (linux/if_bridge.h): disabled, forwarding."""


@dataclass(frozen=True)
class Bridge:
    """One network; its name is also that of the bridge."""

    name: str
    subnet: int
    """The third part of its addresses."""

    def address(self, number: int) -> str:
        """Return the address of the host with that number."""
        return f"{BLOCK}.{self.subnet}.{number}"

    def port(self, host: str) -> str:
        """Return the interface by which a host is attached."""
        return f"{host}.{self.name[0]}"


QUORUM = Bridge("quorum", 6)
"""ZooKeeper's servers among themselves."""
RECORDS = Bridge("records", 7)
"""ZooKeeper's servers and their clients."""
CLOUD = Bridge("cloud", 5)
"""Launchers and the cloud's APIs."""
GROUND = 1
"""The number of the namespace in which the bridges are, and users and witness."""
CLOUD_ITSELF = 2
WIRE = "npl-chaos"
"""Our interface in the cloud's network."""
KERNEL = 15.0
"""Seconds that the kernel may take to remove the interfaces of a run that has ended: it does so in the background."""


def lay() -> None:
    """Make the bridges, and lead one of them to the cloud.

    Raises:
        CloudError: another run does so already; their addresses would be the same.
    """
    end = time.monotonic() + KERNEL
    while _is_taken():
        if time.monotonic() > end:
            raise CloudError("another run uses the cloud; wait for its end")
        time.sleep(0.1)
    _ip("link", "set", "lo", "up")
    for bridge in (QUORUM, RECORDS, CLOUD):
        _ip("link", "add", "name", bridge.name, "type", "bridge", "forward_delay", "0")
        _ip("addr", "add", f"{bridge.address(GROUND)}/24", "dev", bridge.name)
        _ip("link", "set", bridge.name, "up")
    _attach(CLOUD, "wire.c", CLOUD_NAMESPACE, WIRE, CLOUD_ITSELF)
    _ip("route", "add", API, "via", CLOUD.address(CLOUD_ITSELF))


def _is_taken() -> bool:
    present = subprocess.check_output(["ip", "-n", CLOUD_NAMESPACE, "-o", "link"], text=True)
    return f"{WIRE}@" in present


def add_host(name: str, number: int, bridges: Mapping[Bridge, str]) -> None:
    """Make a host on these bridges; each is given the name of the interface inside."""
    _ip("netns", "add", name)
    _ip("-n", name, "link", "set", "lo", "up")
    for bridge, interface in bridges.items():
        _attach(bridge, bridge.port(name), name, interface, number)
    if CLOUD in bridges:
        _ip("-n", name, "route", "add", API, "via", CLOUD.address(CLOUD_ITSELF))


def on(host: str, *command: str) -> list[str]:
    """Return the command line that runs a command on a host, under the host's name, as the process that is started."""
    rename = 'hostname "$0" && exec "$@"'
    return ["nsenter", f"--net=/run/netns/{host}", "unshare", "--uts", "sh", "-c", rename, host, *command]


def cut(host: str, *bridges: Bridge) -> None:
    """Let nothing through between a host and these bridges, without telling either."""
    for bridge in bridges:
        _shift(bridge.port(host), SHUT)


def mend(host: str, *bridges: Bridge) -> None:
    """Undo `cut`."""
    for bridge in bridges:
        _shift(bridge.port(host), OPEN)


def _attach(bridge: Bridge, port: str, namespace: str, interface: str, number: int) -> None:
    _ip("link", "add", "name", port, "type", "veth", "peer", "name", interface, "netns", namespace)
    _ip("-n", namespace, "addr", "add", f"{bridge.address(number)}/24", "dev", interface)
    _ip("-n", namespace, "link", "set", interface, "up")
    _ip("link", "set", port, "master", bridge.name)
    _ip("link", "set", port, "up")


def _shift(port: str, state: str) -> None:
    subprocess.run(["bridge", "link", "set", "dev", port, "state", state], check=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
