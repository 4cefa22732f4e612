"""What every contender can be asked to do, so that all are measured by the same story."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tests.meter import Mark


class Running(Protocol):
    """One contender at work, with nothing asked of it yet."""

    pause: float
    """Seconds between two looks at it, at least: looks at records cost little, looks at a cloud do not."""

    @property
    def pid(self) -> int | None:
        """Its process; None when it has none of its own."""

    def mark(self) -> Mark:
        """Note what it has asked until now."""

    def want(self, count: int) -> Mark:
        """Have it make so many nodes, and keep them; return the moment from which it knew, with what was asked then."""

    def ready(self) -> Collection[str]:
        """Return the nodes that are ready."""

    def lose(self) -> Mark | None:
        """End a ready node as a user would, to be replaced; None from a contender that replaces nothing."""

    def end(self) -> Mark:
        """Have all nodes deleted and not replaced; return the moment from which they were to go."""

    def left(self) -> int:
        """Return how many nodes are not gone yet."""


@dataclass(frozen=True)
class Contender:
    """One line of the table."""

    name: str
    run: Callable[[], AbstractContextManager[Running]]
