"""What is wanted and has no room: said to people, because nothing but they can change it."""

from collections.abc import Iterator

from nodepool_lite.plan.demand import Demand, demands
from nodepool_lite.plan.generation import Source, sources
from nodepool_lite.plan.launch import hindrance
from nodepool_lite.plan.room import Room, full, occupied
from nodepool_lite.plan.view import View


def standstill(view: View, now: float) -> str:
    """Return which labels cannot have the nodes they want, and the limit that is in the way; empty when all can.

    What failed, or waits for an image, is told by back-offs and builds, and is not said here again.
    """
    if "planner" not in view.leads:
        return ""
    ways = sources(view)
    lacking = [demand for demand in demands(view, ways, now) if demand.missing]
    if not lacking:
        return ""
    room = occupied(view, ways)
    return "; ".join(_sentences(view, ways, lacking, room, now))


def _sentences(view: View, ways: tuple[Source, ...], lacking: list[Demand], room: Room, now: float) -> Iterator[str]:
    for demand in lacking:
        able = [way for way in ways if way.label.name == demand.label and not hindrance(view, way, room, now)]
        limits = [full(view, way, room) for way in able]
        if limits and all(limits):
            why = ", ".join(dict.fromkeys(limits))
            if len(demand.ready) + len(demand.pending) >= demand.wanted:
                yield (
                    f"label {demand.label}: nodes to be renewed stay, because there is no room for the one that "
                    f"replaces the first ({why}): raise the limit, or delete one"
                )
            else:
                yield f"label {demand.label}: more nodes are wanted, and there is no room for them ({why})"
