"""When something that recurs is due: a cron expression in this host's local time, or a number of seconds."""

from datetime import datetime
from functools import lru_cache

from croniter import croniter
from dateutil.tz import tzlocal


@lru_cache(maxsize=8192)  # reading an expression takes longer than all the rest of a plan
def next_time(cron: str, interval: float, last: float) -> float:
    """Return the epoch second after `last` at which it is due: by `cron` (five fields) if given, else `interval`."""
    if cron:
        return float(croniter(cron, datetime.fromtimestamp(last, tzlocal())).get_next(float))
    return last + interval
