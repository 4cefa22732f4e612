"""Hundreds of pools in which everything goes wrong in random order; each seed is one story, told when it fails."""

import pytest

from tests.simulation.run import run

FEW, ALL = 20, 300
SEEDS = [*range(FEW), *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(FEW, ALL))]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_promises_hold_whatever_happens(seed: int) -> None:
    """At every moment, and once all trouble is over the pool is as it should be."""
    told = run(seed)
    assert not told.broken, f"{told.story}\n{told.broken}\nagain: python -m tests.simulation --seed {seed} --story"
