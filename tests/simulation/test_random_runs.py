"""Hundreds of pools in which everything goes wrong in random order; each seed is one story, told when it fails."""

from pathlib import Path

import pytest

from tests.simulation.universe import Universe

SEEDS = range(100)
MOMENTS = 150


@pytest.mark.parametrize("seed", SEEDS)
def test_the_promises_hold_whatever_happens(seed: int, tmp_path: Path) -> None:
    """At every moment, and once all trouble is over the pool is as it should be."""
    universe = Universe(seed, tmp_path)
    if seed % 3:
        universe.fill()
    universe.live(MOMENTS)
    universe.settle()
