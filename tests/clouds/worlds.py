"""A cloud as the contract's tests see it, whichever driver talks to it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodepool_lite.clouds.driver import Driver, ImageSpec, Server, ServerSpec, ServerState
from nodepool_lite.clouds.qemu import QemuDriver, process
from nodepool_lite.clouds.simulated import SimulatedCloud, SimulatedDriver, SimulatedOptions
from nodepool_lite.testing import FakeClock

from . import guests

PROVIDER = "local"


@dataclass
class World:
    """One cloud that any number of drivers can be opened on."""

    clock: FakeClock
    directory: Path
    open: Callable[[str], Driver]
    stop: Callable[[str], None]
    """Let a server's machine end, behind the driver's back."""

    def pool(self, name: str) -> str:
        """Return the id of a pool of this test."""
        return name

    def spec(self, image_id: str, number: int = 1, *, pool: str = "pool-1", **fields: Any) -> ServerSpec:
        """Return what is asked for node `number`."""
        return spec(image_id, number, pool_id=self.pool(pool), **fields)

    def image(self, driver: Driver, name: str = "tiny", pool: str = "pool-1") -> str:
        """Upload an image and return its id."""
        return driver.upload_image(self.file(name, pool), lambda _: None)

    def file(self, name: str = "tiny", pool: str = "pool-1") -> ImageSpec:
        """Return an image that can be uploaded."""
        return guests.image(self.directory, name=name, pool_id=self.pool(pool))

    def seen(self, driver: Driver, server_id: str, state: ServerState) -> Server:
        """Return the server once it is in that state, for which it has time enough."""
        self.clock.advance(10)
        found = next(each for each in driver.list_servers() if each.id == server_id)
        assert found.state is state
        return found

    def gone(self, driver: Driver) -> None:
        """See that no server is left, for which there is time enough."""
        assert not driver.list_servers()

    def is_now(self, moment: float | None) -> bool:
        """Tell whether that is the present, as far as this cloud's clock can be trusted."""
        return moment == self.clock.now()


def spec(image_id: str, number: int = 1, **fields: Any) -> ServerSpec:
    """Return what is asked for node `number`."""
    values: dict[str, Any] = {
        "pool_id": "pool-1",
        "node_id": f"{number:010}",
        "attempt": f"attempt-{number}",
        "name": f"debian-12-{number:010}",
        "label": "debian-12",
        "generation": "g1",
        "ram": 64,
    }
    return ServerSpec(image_id=image_id, **(values | fields))


@contextmanager
def simulated(directory: Path) -> Iterator[World]:
    """Yield a simulated cloud whose servers boot for five seconds."""
    clock = FakeClock()
    cloud = SimulatedCloud(clock, SimulatedOptions(boot_time=5))
    yield World(clock, directory, lambda pool_id: SimulatedDriver(cloud, pool_id), cloud.stop)


@contextmanager
def qemu(directory: Path) -> Iterator[World]:
    """Yield this host as a cloud; its machines end with the block."""
    clock = FakeClock()
    root = directory / "state" / "qemu"

    def open_driver(pool_id: str) -> QemuDriver:
        return QemuDriver(root, PROVIDER, pool_id=pool_id, clock=clock, acceleration="tcg")

    servers = root / PROVIDER / "servers"
    try:
        yield World(clock, directory, open_driver, lambda server_id: process.kill(servers / server_id))
    finally:
        for each in servers.glob("*"):
            process.kill(each)
