"""Durations as people write them: `90`, `90s`, `15m`, `8h`, `1d`, `1h30m`."""

import math
import re

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_WHOLE = re.compile(rf"(?:{_PART.pattern}\s*)+")

LONGEST = 100_000 * 86_400
"""Seconds of the longest duration: almost three hundred years."""
_LONG = 1e9
"""Beyond this many seconds units help nobody, and floats are no longer exact in them."""

EXPECTED = "a duration such as 90, 90s, 15m, 8h or 1d"


def seconds(value: object) -> float:
    """Return a duration in seconds; a bare number is seconds already.

    Raises:
        ValueError: it is not a duration, is negative or too long: what it is added to must still be a date.
    """
    if isinstance(value, str):
        text = value.strip().lower()
        if _WHOLE.fullmatch(text):
            value = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
        elif _NUMBER.fullmatch(text):
            value = float(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"expected {EXPECTED}")
    if value > LONGEST:
        raise ValueError(f"expected {EXPECTED}, and no more than {LONGEST // _UNITS['d']}d")
    return float(value)


def positive(value: object) -> float:
    """Return a duration above 0 in seconds; raises as `seconds`."""
    found = seconds(value)
    if not found:
        raise ValueError(f"expected {EXPECTED}, above 0")
    return found


def spoken(duration: float) -> str:
    """Return seconds the short way, in the largest unit that divides them: 5400 is `90m`."""
    for unit in ("d", "h", "m"):
        if 0 < duration < _LONG and duration % _UNITS[unit] == 0:
            return f"{duration / _UNITS[unit]:.0f}{unit}"
    return repr(float(duration)).removesuffix(".0")
