"""Durations as people write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodepool_lite.config.duration import LONGEST, seconds, spoken


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90),
        (90, 90),
        (1.5, 1.5),
        ("1.5", 1.5),
        ("90s", 90),
        ("15m", 900),
        ("8h", 28800),
        ("1d", 86400),
        ("1w", 604800),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        (" 2 H ", 7200),
        ("0", 0),
    ],
)
def test_a_duration_is_seconds(text: object, expected: float) -> None:
    """Bare numbers are seconds; units may be joined."""
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "wrong", ["", "soon", "-1", "1x", "m", "1h-", "nan", "inf", "1e999", -1, True, None, [1], float("inf")]
)
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    """Anything else says what was expected."""
    with pytest.raises(ValueError, match="expected a duration such as 90, 90s, 15m, 8h or 1d"):
        seconds(wrong)


@pytest.mark.parametrize("wrong", ["100001d", "9" * 5000 + "s", 1e300, 10**11, "1e12"])
def test_a_duration_beyond_all_dates_is_refused(wrong: object) -> None:
    """What ends so late has no date that could be shown."""
    with pytest.raises(ValueError, match="expected a duration such as"):
        seconds(wrong)


@settings(derandomize=True)
@given(st.floats(0, LONGEST) | st.integers(0, LONGEST))
def test_a_duration_that_is_spoken_is_the_same_again(duration: float) -> None:
    """The short form loses nothing."""
    assert seconds(spoken(duration)) == duration


def test_the_largest_unit_that_fits_is_spoken() -> None:
    """5400 seconds are 90 minutes, and nothing is 0."""
    assert [spoken(each) for each in (5400, 86400, 90, 0, 0.5)] == ["90m", "1d", "90", "0", "0.5"]
