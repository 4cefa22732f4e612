"""Standing between a process and what it calls (store, cloud, nodes): to kill it there, or to let others act."""

from collections.abc import Callable
from typing import Any

QUIET = frozenset({"snapshot", "subscribe", "needed", "problems", "close"})
"""Calls that reach nobody outside of the process."""


class Killed(BaseException):
    """SIGKILL: nothing in the product may catch it."""


class Tripwire:
    """Counts the calls that leave the process and kills it at one of them: just before it, or just after."""

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.calls: list[str] = []
        self._at = at
        self._after = after

    def __call__(self, thing: Any) -> Any:
        """Return `thing` with the wire across every call."""
        return Wired(thing, self.cross)

    def cross(self, name: str, call: Callable[[], Any]) -> Any:
        """Make the call, or die."""
        self.calls.append(name)
        fatal = self._at is not None and len(self.calls) == self._at
        if fatal and not self._after:
            raise Killed(f"just before call {self._at}, {name}")
        result = call()
        if fatal:
            raise Killed(f"just after call {self._at}, {name}")
        return result


class Wired:
    """Something with `around` between it and whoever calls it: that gets the call's name and makes the call."""

    def __init__(self, thing: Any, around: Callable[[str, Callable[[], Any]], Any]) -> None:
        self._thing = thing
        self._around = around

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._thing, name)
        if not callable(value) or name in QUIET:
            return value
        return lambda *args, **kwargs: self._around(name, lambda: value(*args, **kwargs))
