"""The OpenStack driver before a real cloud, with a proxy in between that breaks what a test says."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import openstack
import pytest
import yaml

from nodepool_lite.clouds.driver import Server, ServerSpec, ServerState
from nodepool_lite.clouds.openstack import OpenStackDriver
from nodepool_lite.config.settings import Provider
from nodepool_lite.config.values import read
from nodepool_lite.model.clock import Clock, SystemClock
from tests.cloud.conftest import Cloud, cloud, member
from tests.cloud.proxy import Call, FaultProxy
from tests.cloud.way import UPSTREAMS, entry_through, is_list
from tests.waiting import eventually

__all__ = ["cloud", "member"]

LABEL = "web"
BOOTS_WITHIN = 120.0
"""Seconds: the cloud shares two cores with whatever else runs."""


class Door:
    """The way to the cloud: drivers of pools of this test's own, and the proxy that they all go through."""

    def __init__(self, proxy: FaultProxy, entries: Mapping[str, Any], directory: Path) -> None:
        self.proxy = proxy
        self.entries = entries
        self.directory = directory
        self.pool_id = f"t{uuid.uuid4().hex[:8]}"
        self.drivers: list[OpenStackDriver] = []
        self.write_clouds()

    def write_clouds(self, password: str | None = None, **more: object) -> None:
        """Write a clouds.yaml whose entries lead through the proxy."""
        clouds = {name: self._entry(entry, password, more) for name, entry in self.entries.items()}
        (self.directory / "clouds.yaml").write_text(yaml.safe_dump({"clouds": clouds}))

    def _entry(self, entry: Mapping[str, Any], password: str | None, more: Mapping[str, object]) -> dict[str, Any]:
        auth = {**entry["auth"], "password": password or entry["auth"]["password"]}
        return entry_through(self.proxy, {**entry, "auth": auth}, **more)

    def driver(
        self,
        *,
        cloud: str = "one",
        pool: Mapping[str, Any] | None = None,
        label: Mapping[str, Any] | None = None,
        pool_id: str = "",
        clock: Clock | None = None,
        **provider: Any,
    ) -> OpenStackDriver:
        """Return a driver whose one label makes tiny servers on the network `bulk` of fake hypervisors."""
        labels = [{"name": LABEL, "cloud-image": "empty", "flavor-name": "tiny", **(label or {})}]
        part = {"networks": ["bulk"], "availability-zones": ["fake"], "labels": labels, **(pool or {})}
        values = {"name": "os", "cloud": cloud, "rate": 0, "cloud-images": [{"name": "empty"}], "pools": [part]}
        made = OpenStackDriver(
            read(Provider, {**values, **provider}),
            pool_id=pool_id or self.pool_id,
            clock=clock or SystemClock(),
            directory=self.directory,
        )
        self.drivers.append(made)
        return made

    def spec(self, node: int = 1, **fields: Any) -> ServerSpec:
        """Return what is asked for one node."""
        node_id = f"{node:010d}"
        values = {
            "pool_id": self.pool_id,
            "node_id": node_id,
            "attempt": uuid.uuid4().hex[:12],
            "name": f"{LABEL}-{node_id}",
            "label": LABEL,
            "generation": "g1",
            "image_id": "empty",
        }
        return ServerSpec(**{**values, **fields})

    def calls(self) -> list[Call]:
        """Return all calls that are neither lists of servers nor log-ins."""
        return [each for each in self.proxy.calls if not is_list(each) and each.service != "identity"]


@pytest.fixture(scope="session")
def members(cloud: Cloud) -> Iterator[list[openstack.connection.Connection]]:
    """Give a connection to each project that drivers of tests work in."""
    made = [cloud.connect("one"), cloud.connect("two")]
    yield made
    for connection in made:
        connection.close()


@pytest.fixture
def door(
    cloud: Cloud,
    members: list[openstack.connection.Connection],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Door]:
    """Give the way to the cloud; what the test's pool made there is removed at the end."""
    for name in ("OS_CLIENT_CONFIG_FILE", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    entries = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]
    with FaultProxy(UPSTREAMS).running() as proxy:
        made = Door(proxy, entries, tmp_path)
        yield made
        for driver in made.drivers:
            driver.close()
    used = {driver._provider.cloud for driver in made.drivers}
    for name, connection in zip(("one", "two"), members, strict=True):
        if name in used:
            clean(connection, made.pool_id)


@pytest.fixture
def admin(cloud: Cloud) -> Iterator[openstack.connection.Connection]:
    """Give a connection of the cloud's administrator."""
    with cloud.connect("admin") as connection:
        yield connection


@pytest.fixture
def neighbour(cloud: Cloud) -> Iterator[openstack.connection.Connection]:
    """Give a connection of somebody else in the same project."""
    with cloud.connect("neighbour") as connection:
        yield connection


def clean(connection: openstack.connection.Connection, pool_id: str) -> None:
    """Remove all that carries a pool's mark."""
    servers = [each for each in connection.compute.servers() if each.metadata.get("nodepool_pool_id") == pool_id]
    for server in servers:
        connection.compute.delete_server(server)
    for address in connection.network.ips():
        if f"pool={pool_id} " in (address.description or ""):
            connection.network.delete_ip(address)
    for image in connection.image.images(tag=f"nodepool-{pool_id}"):
        connection.image.delete_image(image)


def listed(
    driver: OpenStackDriver, server_id: str, wanted: Callable[[Server], object], within: float = BOOTS_WITHIN
) -> Server:
    """Return a server as soon as a list has it as wanted."""
    return eventually(
        lambda: next((each for each in driver.list_servers() if each.id == server_id and wanted(each)), None),
        within,
    )


def active(driver: OpenStackDriver, server_id: str) -> Server:
    """Return a server as soon as it runs and has an address or lacks one."""
    return listed(driver, server_id, lambda each: each.state is ServerState.ACTIVE and each.private_address)


def gone(driver: OpenStackDriver, server_id: str) -> None:
    """Wait until no list has a server any more."""
    eventually(lambda: server_id not in {each.id for each in driver.list_servers()}, BOOTS_WITHIN)
