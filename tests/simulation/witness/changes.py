"""What is different between two moments."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from nodepool_lite.model.record import Record
from nodepool_lite.store.base import Snapshot

if TYPE_CHECKING:
    from tests.simulation.universe import Universe

R = TypeVar("R", bound=Record)
NEWS = 30.0
"""Seconds for which what a process does may still be right by what it knew: its view, its configuration, its calls."""


class Watcher:
    """Somebody who looks at one kind of thing."""

    def __init__(self, universe: "Universe", complain: Callable[[str], None]) -> None:
        self.universe = universe
        self.complain = complain

    def look(self, before: Snapshot, after: Snapshot) -> None:
        """Look at what has changed."""
        raise NotImplementedError

    @property
    def now(self) -> float:
        """The simulation's time."""
        return self.universe.schedule.now()

    def tell(self, kind: str, was: Any, record: Any) -> None:
        """Put a change of state into the story."""
        before = "" if was is None else f"{was.state} -> "
        reason = record.history[-1].reason if record.history else ""
        self.universe.story.tell("store", f"{kind} {record.id}: {before}{record.state}", reason=reason)


def changes(after: Mapping[str, R], before: Mapping[str, R]) -> Iterator[tuple[R, R | None]]:
    """Yield the records that are new or changed, with what they were before."""
    if after is not before:
        for key, record in after.items():
            was = before.get(key)
            if was is not record:
                yield record, was


def entered(after: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the records that have entered another state, or are new."""
    for record, was in changes(after, before):
        if was is None or was.state is not record.state:
            yield record, was
