"""Who calls: a process or a client, as its wires see it."""

from collections.abc import Callable
from typing import Protocol

from tests.simulation.weather import Weather


class Caller(Protocol):
    """A life as its wires see it."""

    weather: Weather

    def point(self, seconds: float) -> None:
        """Let that much time pass; or die here, now or while it passes."""

    def draw(self) -> float:
        """Return a random number from 0 to 1."""

    def tell(self, what: str, **details: object) -> None:
        """Add a line to the story."""

    def hurt_for(self, seconds: float) -> None:
        """Note that it cannot do its work for so long."""

    def later(self, seconds: float, work: Callable[[], object]) -> None:
        """Have something happen, whatever becomes of this life."""
