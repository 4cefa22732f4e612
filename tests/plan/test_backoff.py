"""Back-off: how the wait grows from one failure to the next."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodepool_lite.model.pool import Backoff
from nodepool_lite.plan.actions import ForgetBackoff
from nodepool_lite.plan.backoff import grown
from nodepool_lite.plan.generation import sources
from nodepool_lite.testing import LABEL, NOW, PROVIDER, make_config
from tests.plan.views import make_backoff, make_view, planned


def fail(before: Backoff | None, now: float = NOW, *, free: int = 0, fingerprint: str = "x", **more: float) -> Backoff:
    """Return the back-off after one more failure; the first wait is 10 s, the longest 100 s."""
    return grown(before, "b", "no luck", now, fingerprint=fingerprint, first=10, limit=100, free=free, **more)


@pytest.mark.parametrize(
    ("free", "waits"),
    [(0, [10, 20, 40, 80, 100, 100]), (3, [0, 0, 0, 10, 20, 40])],
)
def test_the_wait_doubles_up_to_its_limit_after_the_free_tries(free: int, waits: list[float]) -> None:
    """Counted from each failure."""
    states = list(accumulate(range(5), lambda before, _: fail(before, free=free), initial=fail(None, free=free)))
    assert [state.next_try - NOW for state in states] == waits
    assert [state.failures for state in states] == [1, 2, 3, 4, 5, 6]


def test_another_configuration_starts_anew() -> None:
    """What failed is not what is tried now; the record is the same one."""
    before = fail(fail(fail(None))).but(version=7)
    after = fail(before, NOW + 500, fingerprint="y")
    assert (after.failures, after.since, after.version) == (1, NOW + 500, 7)


def test_failures_side_by_side_count_once() -> None:
    """An attempt that began before the latest failure tells nothing new."""
    before = fail(None, NOW + 50)
    assert fail(before, NOW + 60, began=NOW) == before.but(error="no luck")
    assert fail(before, NOW + 90, began=NOW + 55).failures == 2


@given(st.lists(st.floats(0, 10_000), max_size=40), st.integers(0, 5))
def test_the_wait_never_shrinks_and_never_exceeds_its_limit(pauses: list[float], free: int) -> None:
    """However the failures come."""
    state, now, last = None, NOW, 0.0
    for pause in pauses:
        now += pause
        state = fail(state, now, free=free)
        wait = state.next_try - now
        assert last - 1e-3 <= wait <= 100 + 1e-3
        last = wait


def test_thousands_of_failures_do_not_overflow() -> None:
    """Two to the power of ten thousand is no number of seconds."""
    state = fail(None).but(failures=10_000)
    assert fail(state).next_try == NOW + 100


@pytest.mark.parametrize(
    ("name", "fingerprint", "leads", "void"),
    [
        (f"build/{LABEL}", "recipe-1", "builder", False),
        (f"build/{LABEL}", "recipe-0", "builder", True),
        (f"build/{LABEL}", "recipe-0", "planner", False),
        ("build/gone", "recipe-1", "builder", True),
        (f"launch/{LABEL}@{PROVIDER}", "LAUNCH", "planner", False),
        (f"launch/{LABEL}@{PROVIDER}", "other", "planner", True),
        (f"launch/{LABEL}@{PROVIDER}", "other", "builder", False),
        (f"launch/{LABEL}@gone", "LAUNCH", "planner", True),
        (f"provider/{PROVIDER}", "PROVIDER", "planner", False),
        (f"provider/{PROVIDER}", "other", "planner", True),
        ("provider/gone", "PROVIDER", "planner", True),
    ],
)
def test_a_back_off_about_something_no_longer_configured_is_forgotten(
    name: str, fingerprint: str, leads: str, void: bool
) -> None:
    """On the word of whoever knows the configuration that it speaks of."""
    config = make_config()
    (way,) = sources(make_view(config=config))
    marks = {"LAUNCH": way.fingerprint, "PROVIDER": config.providers[0].fingerprint}
    backoff = make_backoff(name, fingerprint=marks.get(fingerprint, fingerprint))
    assert bool(planned(make_view(backoff, config=config, leads=[leads]), ForgetBackoff)) is void
