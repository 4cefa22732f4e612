"""When it is enough to ask which of our servers are still being built, and need not be asked what changed.

For a list with details Nova asks Neutron about the ports of every server in it, and it is Neutron for which new servers
wait. Ids alone cost next to nothing. So while servers start, only the ids of those that are still being built are asked
for, and details of those that are not any more. Pure but for its own memory.
"""

from collections.abc import Collection

LOOK_EVERY = 30.0
"""Seconds between two lists of what changed: something may have become of servers that run, too."""
NEWS_WAIT = 3.0
"""Seconds for which a server that was built may wait for others before their details are asked for together."""
UNSURE = 8.0
"""Seconds after which a request whose answer nobody heard has come through, or never will."""


class Glances:
    """Not thread-safe: the driver guards it."""

    def __init__(self) -> None:
        self._looked_at: float | None = None
        self._unsure_until: float | None = None
        self._news_at = 0.0

    def doubt(self, now: float) -> None:
        """Note that a server was asked for and no answer came: only lists with details tell whose it is."""
        self._unsure_until = now + UNSURE

    def looked(self, at: float) -> None:
        """Note that what changed was asked for; after the first time there may be requests of a process before us."""
        self._looked_at = at
        if self._unsure_until is None:
            self._unsure_until = at + UNSURE

    def suffice(self, now: float) -> bool:
        """Tell whether ids are enough now."""
        if self._looked_at is None or self._unsure_until is None or self._looked_at < self._unsure_until:
            return False
        return 0.0 <= now - self._looked_at < LOOK_EVERY

    def news(self, starting: Collection[str], building: Collection[str], at: float) -> frozenset[str]:
        """Return the servers whose details are worth a request, when those `building` were asked for at `at`.

        They are all that have been built of those that were `starting`; or none, while more may follow soon.
        """
        built = frozenset(starting) - frozenset(building)
        if not built or (len(built) < len(starting) and 0.0 <= at - self._news_at < NEWS_WAIT):
            return frozenset()
        self._news_at = at
        return built
