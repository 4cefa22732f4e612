"""Times as people read them."""

from datetime import UTC, datetime

_LAST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()
MINUTE, HOUR, DAY = 60, 3600, 86400


def age(seconds: float) -> str:
    """Return an age as DD:HH:MM:SS."""
    whole = max(0, int(seconds))
    return f"{whole // DAY:02d}:{whole % DAY // HOUR:02d}:{whole % HOUR // MINUTE:02d}:{whole % MINUTE:02d}"


def short(seconds: float) -> str:
    """Return a span in its two largest units: `45s`, `12m`, `3h05m`, `2d04h`."""
    whole = max(0, round(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m{whole % MINUTE:02d}s"
    if whole < DAY:
        return f"{whole // HOUR}h{whole % HOUR // MINUTE:02d}m"
    return f"{whole // DAY}d{whole % DAY // HOUR:02d}h"


def stamp(moment: float | None) -> str | None:
    """Return a moment as ISO 8601 in UTC, for machines."""
    return None if moment is None else _date(moment).isoformat().replace("+00:00", "Z")


def local(moment: float) -> str:
    """Return a moment in this host's time, for people."""
    return _date(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def when(moment: float, now: float) -> str:
    """Return when something is tried again, for people."""
    return "now" if moment <= now else f"in {short(moment - now)}, at {local(moment)}"


def _date(moment: float) -> datetime:
    """Return a date; the nearest one that there is for what somebody wrote into a record."""
    return datetime.fromtimestamp(round(min(max(moment, 0.0), _LAST)), UTC)
