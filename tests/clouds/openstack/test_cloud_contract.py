"""The contract of every driver, on a real OpenStack: the same tests that hold the simulated cloud to it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import openstack
import pytest

from nodepool_lite.clouds.driver import Driver, Server, ServerSpec, ServerState
from nodepool_lite.config.settings import PoolLabel, ProviderPool
from nodepool_lite.testing import FakeClock
from tests.clouds import test_contract, test_contract_troubles
from tests.clouds.openstack.conftest import Door, clean, gone, listed
from tests.clouds.troubles import Troubles
from tests.clouds.worlds import World

pytestmark = pytest.mark.cloud

OTHERWISE = {
    "test_an_image_stays_while_a_server_needs_it": "Glance deletes an image whatever was made from it",
    "test_use_counts_what_servers_take": "others use the quota of this project at the same time",
    "test_a_label_that_does_not_say_takes_one_core_and_a_gibibyte": "here a flavor says what a server takes",
}
"""Tests of the contract that say nothing about OpenStack, and why."""
CONTRACT: dict[str, object] = {**vars(test_contract), **vars(test_contract_troubles)}
globals().update({name: test for name, test in CONTRACT.items() if name.startswith("test_") and name not in OTHERWISE})


class RealWorld(World):
    """A real cloud: its time is everybody's, and its pools are this test's alone."""

    def __init__(self, door: Door, member: openstack.connection.Connection, directory: Path) -> None:
        super().__init__(FakeClock(), directory, self._driver, member.compute.stop_server)
        self._door = door

    def pool(self, name: str) -> str:
        """Return an id that no other test has: the door's own, and one that begins with it."""
        return self._door.pool_id if name == "pool-1" else f"{self._door.pool_id}-{name}"

    def seen(self, driver: Driver, server_id: str, state: ServerState) -> Server:
        """Return the server as soon as a list has it in that state, with an address."""
        return listed(driver, server_id, lambda each: each.state is state and each.private_address)

    def gone(self, driver: Driver) -> None:
        """Wait until no list has a server of ours."""
        for server in driver.list_servers():
            gone(driver, server.id)

    def is_now(self, moment: float | None) -> bool:
        """Tell whether that was within the last minutes."""
        return moment is not None and abs(time.time() - moment) < 300

    def _driver(self, pool: str) -> Driver:
        label = {"name": "debian-12", "cloud-image": None, "diskimage": "tiny"}
        return self._door.driver(pool_id=self.pool(pool), label=label)


class RealTroubles(Troubles):
    """A real cloud: the second project is small, and servers on the private network are reached by floating IPs."""

    pool = ProviderPool(networks=("private",))
    label = PoolLabel(name="web", flavor_name="tiny")

    def __init__(self, door: Door, admin: openstack.connection.Connection) -> None:
        self._door = door
        self._admin = admin

    def small(self) -> Driver:
        """Open the second project."""
        return self._door.driver(cloud="two")

    def outside(self) -> Driver:
        """Open a pool on the private network."""
        return self._door.driver(pool={"networks": list(self.pool.networks)})

    def ordinary(self) -> Driver:
        """Open a pool on a network without a router."""
        return self._door.driver()

    def spec(self, number: int = 1) -> ServerSpec:
        """Return what is asked for a node, with a new mark for each attempt."""
        return self._door.spec(number)

    def break_server(self, server_id: str) -> None:
        """Do what only the administrator may."""
        self._admin.compute.reset_server_state(server_id, "error")

    def listed(self, driver: Driver, server_id: str, wanted: Callable[[Server], object]) -> Server:
        """Return the server as soon as a list has it so."""
        return listed(driver, server_id, wanted)

    def gone(self, driver: Driver, server_id: str) -> None:
        """Wait until no list has it."""
        gone(driver, server_id)


@pytest.fixture
def troubles(door: Door, admin: openstack.connection.Connection) -> Troubles:
    """Give the real cloud."""
    return RealTroubles(door, admin)


@pytest.fixture
def world(door: Door, member: openstack.connection.Connection, tmp_path: Path) -> Iterator[World]:
    """Give the real cloud; what its second pool made there is removed at the end, as the door's is."""
    made = RealWorld(door, member, tmp_path)
    yield made
    clean(member, made.pool("pool-2"))
