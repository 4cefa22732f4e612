"""The plan of a run follows from its seed, and has something of everything."""

from collections import Counter

from tests.chaos.launchers import SESSION
from tests.chaos.plot import CUTS, PROCESSES, Kind, plot


def test_one_seed_is_one_plan() -> None:
    """And another seed is another one."""
    assert plot(7, 20) == plot(7, 20)
    assert plot(7, 20) != plot(8, 20)


def test_the_short_form_has_ten_kills_one_partition_and_one_stale_leader() -> None:
    """Whatever the seed."""
    for seed in range(20):
        kinds = Counter(deed.kind for deed in plot(seed, 10))
        assert (kinds[Kind.KILL], sum(kinds[each] for each in CUTS), kinds[Kind.FREEZE]) == (10, 1, 1)


def test_the_long_form_has_everything_and_every_process_is_killed() -> None:
    """A hundred kills, and each kind of partition."""
    deeds = plot(1, 100)
    assert {deed.kind for deed in deeds} == set(Kind)
    assert {deed.whom for deed in deeds if deed.kind is Kind.KILL} == set(PROCESSES)


def test_a_leader_is_stopped_for_longer_than_its_session_lasts() -> None:
    """Else nobody would take over, and it would not be stale."""
    assert all(deed.lasts > SESSION for deed in plot(1, 100) if deed.kind is Kind.FREEZE)
