"""Exponential back-off as a pure function: from one record to the next."""

from enum import Enum, auto

from nodepool_lite.model.pool import Backoff

BUILD_FIRST, BUILD_LIMIT = 60.0, 3600.0
LAUNCH_FIRST, LAUNCH_LIMIT = 10.0, 3600.0
PROVIDER_FIRST, PROVIDER_LIMIT = 5.0, 300.0
CAPACITY_LIMIT = 300.0
"""A provider that was full may have room at any time."""


class Wait(Enum):
    """When a label is tried again after a failure."""

    AFTER_RETRIES = auto()
    """The provider's `launch-retries` are free, then the wait grows."""
    AT_ONCE = auto()
    """The wait begins with this failure: the same again will fail the same way."""
    FOR_ROOM = auto()
    """The wait begins with this failure and stays short: room may come any time."""


def grown(
    before: Backoff | None,
    name: str,
    error: str,
    now: float,
    *,
    fingerprint: str,
    first: float,
    limit: float,
    free: int = 0,
    began: float | None = None,
) -> Backoff:
    """Return the back-off after one more failure.

    Args:
        before: The present record; one about another fingerprint starts anew.
        name: The id of the record.
        error: The reason of this failure.
        now: Epoch seconds.
        fingerprint: The configuration that failed.
        first: Seconds to wait after the first failure that is not free; doubled with each further one.
        limit: The longest wait, in seconds.
        free: Failures in a row that are tried again at once.
        began: When the failed attempt began. One that began before the latest counted failure ran beside it and
            tells nothing new: the reason is kept, the wait does not grow.
    """
    fresh = before is None or before.fingerprint != fingerprint
    base = Backoff(id=name, failures=0, error="", since=now, last=0, next_try=now) if before is None else before
    if fresh:
        base = base.but(failures=0, since=now, last=0.0)
    elif began is not None and began < base.last:
        return base.but(error=error)
    failures = base.failures + 1
    exponent = min(failures - free - 1, 30)
    wait = 0.0 if failures <= free else min(first * 2.0**exponent, limit)
    return base.but(
        failures=failures, error=error, last=now, next_try=now + wait, fingerprint=fingerprint, looked=False
    )
