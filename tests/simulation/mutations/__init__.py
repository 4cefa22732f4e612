"""The pool, broken on purpose: each mutation is one mistake that somebody might make, and that must be found.

Every function here returns a patch of the product; the simulation itself stays as it is.
"""

from tests.simulation.mutations import clouds, decisions, writes
from tests.simulation.mutations.kit import MUTATIONS

__all__ = ["MUTATIONS", "clouds", "decisions", "writes"]
