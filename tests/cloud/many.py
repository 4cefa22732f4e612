"""Many servers on fake hypervisors, and what a pool asks of the cloud and of ZooKeeper for them.

The ways to both are counted, so nothing depends on what the pool says of itself.
"""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
import yaml
from openstack.connection import Connection

from nodepool_lite.actions.teardown import pool_id_file
from nodepool_lite.clouds.openstack.rows import POOL
from nodepool_lite.model.node import NodeState
from tests.cloud.proxy import FaultProxy
from tests.cloud.way import UPSTREAMS, Tally, entry_through
from tests.machine.pool import RealPool
from tests.meter import Mark, Meter
from tests.zookeeper import open_zookeeper

CONFIG = """
state-dir: {directory}/state
zookeeper-servers: [{{host: 127.0.0.1, port: {port}, chroot: {chroot}}}]
labels:
  - {{name: fake, min-ready: {count}}}
providers:
  - name: cloud
    driver: openstack
    cloud: one
    login-test: false
    max-concurrency: 1000
    rate: 0
    cloud-images: [{{name: empty}}]
    pools:
      - max-servers: 1000
        networks: [bulk]
        availability-zones: [fake]
        auto-floating-ip: false
        labels: [{{name: fake, cloud-image: empty, flavor-name: tiny}}]
"""
QUIET = 10.0
"""Seconds without a call after which a pool has come to rest: just after its start it looks around more often."""
SECONDS_A_SERVER = 5.0
"""The slowest that such a cloud may be on a busy machine."""


@dataclass(frozen=True)
class Stage:
    """A cloud behind a counting proxy, and a ZooKeeper: pools are run here one after the other."""

    directory: Path
    proxy: FaultProxy
    zookeeper: str
    """`127.0.0.1:PORT`."""
    entry: Mapping[str, Any]
    """How clouds.yaml says that project `one` is reached, without the proxy."""

    def tally(self, since: Mark, until: Mark | None = None) -> Tally:
        """Count the calls since a moment."""
        with self.proxy.lock:
            return Tally.of(self.proxy.calls[since.calls : None if until is None else until.calls])

    def connect(self) -> Connection:
        """Return a way to the cloud past the proxy."""
        config = openstack.config.OpenStackConfig(load_yaml_config=False, load_envvars=False)
        return Connection(config=config.get_one(**self.entry))

    def sweep(self, key: str, value: str) -> None:
        """Delete all servers with this in their metadata: what is left of whoever made them."""
        with closing(self.connect()) as member:
            for server in _servers(member):
                if server.metadata.get(key) == value:
                    member.compute.delete_server(server)

    def wait_for_rest(self, since: int, seconds: float = 60.0) -> None:
        """Wait until more than `since` calls were made, and then none for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            calls = self.proxy.calls
            if len(calls) > since and time.monotonic() - calls[-1].at > QUIET:
                return
            time.sleep(0.1)
        raise TimeoutError(f"a pool did not come to rest within {seconds:g} s")


@contextmanager
def stage(directory: Path, clouds_yaml: Path) -> Iterator[Stage]:
    """Give a stage in an empty directory during this block."""
    entry = yaml.safe_load(clouds_yaml.read_text())["clouds"]["one"]
    with FaultProxy(UPSTREAMS).running() as proxy, open_zookeeper(directory / "server") as zookeeper:
        yield Stage(directory, proxy, zookeeper, entry)


class CountedPool:
    """A pool of fake servers on a stage; at first it wants none."""

    def __init__(self, place: Stage, meter: Meter, directory: Path) -> None:
        self._stage = place
        self._meter = meter
        self._values = {"directory": directory, "port": meter.port, "chroot": f"/{directory.name}"}
        config, clouds = directory / "nodepool.yaml", directory / "clouds.yaml"
        clouds.write_text(yaml.safe_dump({"clouds": {"one": entry_through(place.proxy, place.entry)}}))
        config.write_text(CONFIG.format(**self._values, count=0))
        hosts = f"{place.zookeeper}/{directory.name}"
        self.pool = RealPool(config, {"OS_CLIENT_CONFIG_FILE": str(clouds)}, hosts)

    @property
    def pool_id(self) -> str:
        """The mark of all that it makes."""
        return pool_id_file(self.pool.config.state_dir).read_text().strip()

    def mark(self) -> Mark:
        """Note what was asked until now."""
        return Mark(len(self._stage.proxy.calls), self._meter.operations, time.monotonic())

    def want(self, count: int) -> Mark:
        """Have the pool keep so many nodes ready; return the moment before it knew."""
        before = self.mark()
        self.pool.reconfigure(CONFIG.format(**self._values, count=count))
        return before


@contextmanager
def counted_pool(place: Stage) -> Iterator[CountedPool]:
    """Run a pool on a stage during this block; it has come to rest when the block begins."""
    directory = place.directory / f"lite-{uuid.uuid4().hex[:8]}"
    directory.mkdir()
    with ExitStack() as stack:
        meter = stack.enter_context(Meter(place.zookeeper).running())
        made = CountedPool(place, meter, directory)
        stack.callback(lambda: place.sweep(POOL, made.pool_id))
        stack.enter_context(closing(made.pool))
        before = len(place.proxy.calls)
        made.pool.start()
        place.wait_for_rest(before)
        yield made
        made.pool.stop()


@dataclass(frozen=True)
class Life:
    """What it took until all nodes were ready, and gone again."""

    count: int
    ready: float
    gone: float
    """Seconds, each from being told to the last node."""
    tally: Tally
    operations: int
    """Of ZooKeeper."""
    left: tuple[str, ...]
    """What is still there of what the pool made, one sentence each."""

    @property
    def calls_a_node(self) -> float:
        """Calls of the cloud that are no lists of servers."""
        return self.tally.calls / self.count

    @property
    def operations_a_node(self) -> float:
        """Operations of ZooKeeper."""
        return self.operations / self.count

    def __str__(self) -> str:
        calls = ", ".join(f"{number} {kind}" for kind, number in self.tally.kinds.most_common())
        return (
            f"{self.count} nodes: all ready after {self.ready:.1f} s, all gone after {self.gone:.1f} s; "
            f"{self.calls_a_node:.2f} calls a node ({calls}) and {self.tally.polls} lists of servers; "
            f"{self.operations_a_node:.2f} operations of ZooKeeper a node"
        )


def come_and_go(place: Stage, count: int) -> Life:
    """Have a pool make so many nodes, and end them; raises AssertionError when they do not become ready or go."""
    with counted_pool(place) as made, closing(place.connect()) as member:
        wait, patience = made.pool.wait, 60 + SECONDS_A_SERVER * count
        began = made.want(count)
        wait(lambda records: sum(n.state is NodeState.READY for n in records.nodes.values()) == count, patience)
        ready = made.mark()
        before = Belongings.of(member, made.pool_id)
        assert len(before.servers) == count, f"{count} nodes are ready, and Nova has {len(before.servers)} servers"
        told = made.want(0)
        wait(lambda records: not records.nodes, patience)
        gone = made.mark()
        life = (place.tally(began), gone.operations - began.operations)
        left = tuple(before.left(member, made.pool_id))
        return Life(count, ready.at - began.at, gone.at - told.at, *life, left)


@dataclass(frozen=True)
class Belongings:
    """What a pool has in a cloud at one moment, by id."""

    servers: frozenset[str]
    ports: frozenset[str]

    @classmethod
    def of(cls, member: Connection, pool_id: str) -> "Belongings":
        """Ask Nova for the servers with a pool's mark, and Neutron for the ports of these."""
        servers = frozenset(each.id for each in _servers(member) if each.metadata.get(POOL) == pool_id)
        ports = frozenset(each.id for each in member.network.ports() if each.device_id in servers)
        return cls(servers, ports)

    def left(self, member: Connection, pool_id: str) -> Iterator[str]:
        """Yield a sentence for each thing that is there now: one of these, or anything else with the pool's mark."""
        for server in _servers(member):
            if server.id in self.servers or server.metadata.get(POOL) == pool_id:
                yield f"server {server.id} ({server.status})"
        for port in member.network.ports():
            if port.id in self.ports or port.device_id in self.servers:
                yield f"port {port.id} of server {port.device_id}"
        for address in member.network.ips():
            if f"pool={pool_id} " in (address.description or ""):
                yield f"floating IP {address.floating_ip_address}"
        for image in member.image.images(tag=f"nodepool-{pool_id}"):
            yield f"image {image.name}"


def _servers(member: Connection) -> Iterator[Any]:
    yield from member.compute.servers()
