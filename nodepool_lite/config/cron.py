"""Cron expressions: whether one is good, and how long one may be silent. Imported only where one is used."""

import itertools

from croniter import CroniterError, croniter

_SOME_MONDAY = 1704067200.0
"""2024-01-01T00:00Z: a fixed day, so that the answer does not depend on when it is asked."""
_RUNS = 400


def check(expression: str) -> None:
    """Raise ValueError, with what was expected, when this is no cron expression of five fields."""
    fields = 5
    if len(expression.split()) != fields or not croniter.is_valid(expression):
        raise ValueError("expected a cron expression of five fields such as `*/15 * * * *`")


def longest_gap(expression: str) -> float:
    """Return the longest time, in seconds, between two runs that follow each other.

    Raises:
        ValueError: it is no cron expression of five fields, or it never runs.
    """
    check(expression)
    runs = croniter(expression, _SOME_MONDAY)
    try:
        times: list[float] = [runs.get_next(float) for _ in range(_RUNS)]
    except CroniterError as error:
        raise ValueError(f"`{expression}` never runs") from error
    return max(later - earlier for earlier, later in itertools.pairwise(times))
