"""When something that recurs is due: a cron expression, or a number of seconds."""

from croniter import croniter


def next_time(cron: str, interval: float, last: float) -> float:
    """Return the epoch second after `last` at which it is due: by `cron` (five fields) if given, else `interval`."""
    if cron:
        return float(croniter(cron, last).get_next(float))
    return last + interval
