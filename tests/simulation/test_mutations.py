"""That the simulation bites: each mistake that is made on purpose is found."""

import pytest

from tests.simulation.mutations import MUTATIONS
from tests.simulation.run import run

pytestmark = pytest.mark.mutation
SEEDS = 200


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_is_found(name: str) -> None:
    """Within two hundred seeds, and in most cases within a few; by a promise that it breaks, not by an accident."""
    with MUTATIONS[name]():
        broken = next((told.broken for told in map(run, range(SEEDS)) if told.broken), "")
    assert broken, f"{name}: not found in {SEEDS} seeds"
    assert "unforeseen" not in broken
