"""The whole decision: all planners asked in turn, each for the part that this process leads."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from nodepool_lite.plan import builds, uploads
from nodepool_lite.plan.actions import Action
from nodepool_lite.plan.checks import alien_images, aliens, checks, leftovers
from nodepool_lite.plan.demand import demands
from nodepool_lite.plan.generation import sources
from nodepool_lite.plan.launch import crowded_out, launches
from nodepool_lite.plan.leases import leases
from nodepool_lite.plan.progress import progress
from nodepool_lite.plan.retire import broken_sets, futile, ownerless, releasable_holds, surplus
from nodepool_lite.plan.tidy import void_backoffs
from nodepool_lite.plan.view import View


def plan(view: View, now: float) -> list[Action]:
    """Return what is to be done, the most urgent first; what is not due yet is the next deadline.

    Of several actions with the same key only the first that is due may be carried out.
    """
    return sorted(_all(view, now), key=lambda action: action.at > now)


@dataclass(frozen=True)
class Plan:
    """What was planned, and for how long that is still the answer."""

    view: View
    actions: list[Action]
    until: float
    """When the first action that is not due yet will be."""

    @classmethod
    def made(cls, view: View, now: float) -> Self:
        """Return the plan of this moment."""
        actions = plan(view, now)
        return cls(view, actions, min((action.at for action in actions if action.at > now), default=math.inf))

    def holds(self, view: View, now: float) -> bool:
        """Tell whether planning anew would give the same: time alone changes nothing before the next deadline."""
        return now < self.until and view.shows_the_same(self.view)


def _all(view: View, now: float) -> Iterator[Action]:
    ways = sources(view)
    if "planner" in view.leads:
        wanted = demands(view, ways, now)
        yield from leases(view, now)
        yield from broken_sets(view)
        yield from releasable_holds(view)
        yield from futile(view, wanted)
        yield from surplus(wanted)
        yield from launches(view, ways, wanted, now)
        yield from crowded_out(view, ways, wanted, now)
        yield from ownerless(view)
    yield from void_backoffs(view)
    yield from progress(view, now)
    yield from aliens(view)
    yield from alien_images(view)
    yield from leftovers(view)
    yield from checks(view, now)
    yield from builds.interrupted(view)
    yield from builds.builds(view, now)
    yield from builds.outlived(view)
    yield from builds.removals(view, now)
    yield from uploads.interrupted(view)
    yield from uploads.lost(view)
    yield from uploads.uploads(view)
    yield from uploads.outlived(view)
    yield from uploads.removals(view, now)
