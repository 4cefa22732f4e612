"""The pool, broken on purpose: each mutation is one mistake that somebody might make, and that must be found.

Every function here returns a patch of the product; the simulation itself stays as it is.
"""

from collections.abc import Iterable

from tests.simulation.mutations import clouds, decisions, writes
from tests.simulation.mutations.kit import MUTATIONS
from tests.simulation.run import Told, run

__all__ = ["MUTATIONS", "clouds", "decisions", "found_in", "writes"]


def found_in(name: str, seeds: Iterable[int]) -> Told | None:
    """Return what the first seed tells in which a mutation breaks a promise; None when there is none."""
    with MUTATIONS[name]():
        return next((told for told in map(run, seeds) if told.broken), None)
