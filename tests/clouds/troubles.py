"""A cloud with little room, or whose servers break or need an address, whichever driver talks to it."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from nodepool_lite.clouds.driver import Driver, Server, ServerSpec
from nodepool_lite.clouds.simulated import SimulatedCloud, SimulatedDriver, SimulatedOptions
from nodepool_lite.config.settings import PoolLabel, ProviderPool
from nodepool_lite.testing import FakeClock
from tests.clouds.worlds import spec

ROOM = 3
"""Servers that a small project may have."""


class Troubles(ABC):
    """One cloud, and what a test may want of it."""

    pool: ProviderPool
    """A pool whose servers need an address, and its label."""
    label: PoolLabel

    @abstractmethod
    def small(self) -> Driver:
        """Open a project with room for three servers."""

    @abstractmethod
    def outside(self) -> Driver:
        """Open a provider whose servers cannot be reached without an address of their own."""

    @abstractmethod
    def ordinary(self) -> Driver:
        """Open a provider with nothing special."""

    @abstractmethod
    def spec(self, number: int = 1) -> ServerSpec:
        """Return what is asked for a node."""

    @abstractmethod
    def break_server(self, server_id: str) -> None:
        """Put a server into ERROR, behind the driver's back."""

    @abstractmethod
    def listed(self, driver: Driver, server_id: str, wanted: Callable[[Server], object]) -> Server:
        """Return a server as the list has it once it is as wanted, for which it has time enough."""

    @abstractmethod
    def gone(self, driver: Driver, server_id: str) -> None:
        """Return when no list has a server any more, for which there is time enough."""


class SimulatedTroubles(Troubles):
    """The simulated cloud; its time passes when it is waited for."""

    pool = ProviderPool()
    label = PoolLabel(name="web")

    def __init__(self) -> None:
        self._clock = FakeClock()
        self._cloud = SimulatedCloud(self._clock, SimulatedOptions(boot_time=5, images=("img",)))

    def small(self) -> Driver:
        """Open it with a limit."""
        return self._with(max_servers=ROOM)

    def outside(self) -> Driver:
        """Open it as a cloud that gives addresses only when asked."""
        return self._with(floating_addresses=True)

    def ordinary(self) -> Driver:
        """Open it as it is."""
        return self._with()

    def spec(self, number: int = 1) -> ServerSpec:
        """Return what is asked for a node."""
        return spec("img", number)

    def break_server(self, server_id: str) -> None:
        """Say that there was no host."""
        self._cloud.break_server(server_id)

    def listed(self, driver: Driver, server_id: str, wanted: Callable[[Server], object]) -> Server:
        """Let ten seconds pass."""
        self._clock.advance(10)
        found = next(each for each in driver.list_servers() if each.id == server_id)
        assert wanted(found), found
        return found

    def gone(self, driver: Driver, server_id: str) -> None:
        """Let ten seconds pass."""
        self._clock.advance(10)
        assert server_id not in {each.id for each in driver.list_servers()}

    def _with(self, **options: object) -> Driver:
        self._cloud.options = SimulatedOptions(boot_time=5, images=("img",), **options)  # type: ignore[arg-type]
        return SimulatedDriver(self._cloud, "pool-1")
