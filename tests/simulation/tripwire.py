"""A process that dies at a chosen instruction: between any two calls to the store, the cloud and the nodes."""

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
        return _Wired(thing, self)

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


class _Wired:
    def __init__(self, thing: Any, wire: Tripwire) -> None:
        self._thing = thing
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._thing, name)
        if not callable(value) or name in QUIET:
            return value
        return lambda *args, **kwargs: self._wire.cross(name, lambda: value(*args, **kwargs))
