"""The contract of every driver, on a real OpenStack: the same tests that hold the simulated cloud to it."""

import time
from collections.abc import Iterator
from pathlib import Path

import openstack
import pytest

from nodepool_lite.clouds.driver import Driver, Server, ServerState
from nodepool_lite.testing import FakeClock
from tests.clouds import test_contract
from tests.clouds.openstack.conftest import Door, clean, gone, listed
from tests.clouds.worlds import World

pytestmark = pytest.mark.cloud

OTHERWISE = {
    "test_an_image_stays_while_a_server_needs_it": "Glance deletes an image whatever was made from it",
    "test_use_counts_what_servers_take": "others use the quota of this project at the same time",
    "test_a_label_that_does_not_say_takes_one_core_and_a_gibibyte": "here a flavor says what a server takes",
}
"""Tests of the contract that say nothing about OpenStack, and why."""
globals().update(
    {name: test for name, test in vars(test_contract).items() if name.startswith("test_") and name not in OTHERWISE}
)


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


@pytest.fixture
def world(door: Door, member: openstack.connection.Connection, tmp_path: Path) -> Iterator[World]:
    """Give the real cloud; what its second pool made there is removed at the end, as the door's is."""
    made = RealWorld(door, member, tmp_path)
    yield made
    clean(member, made.pool("pool-2"))
