"""Pools in which everything goes wrong in random order; each seed is one story, told when it fails.

`./run-tests` runs hundreds more of them by `python -m tests.simulation`.
"""

import pytest

from tests.simulation.run import run

pytestmark = pytest.mark.uncounted
SEEDS = 20


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_promises_hold_whatever_happens(seed: int) -> None:
    """At every moment, and once all trouble is over the pool is as it should be."""
    told = run(seed)
    assert not told.broken, f"{told.story}\n{told.broken}\nagain: python -m tests.simulation --seed {seed} --story"
