"""That the simulation bites: each mistake that is made on purpose is found."""

import pytest

from tests.simulation.mutations import MUTATIONS, found_in
from tests.simulation.promises import UNFORESEEN

pytestmark = pytest.mark.mutation
SEEDS = 200


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_is_found(name: str) -> None:
    """Within two hundred seeds, and in most cases within a few; by a promise that it breaks, not by an accident."""
    told = found_in(name, range(SEEDS))
    assert told is not None, f"{name}: not found in {SEEDS} seeds"
    assert UNFORESEEN not in told.broken
