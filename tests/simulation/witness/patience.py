"""Back-offs: each failure in a row makes the wait longer, and nothing is tried before the wait is over."""

from nodepool_lite.model.image import BuildState
from nodepool_lite.model.pool import Backoff
from nodepool_lite.store.base import Snapshot
from tests.simulation.witness.changes import NEWS, Watcher, changes

WAITS = {"build": (60.0, 3600.0), "upload": (60.0, 3600.0), "launch": (10.0, 300.0), "provider": (5.0, 300.0)}
"""What a back-off is about -> its first wait, and what its wait may be limited to, in seconds; as the documents say."""


class Patience(Watcher):
    """Looks at back-offs, and at what is begun in spite of them."""

    def look(self, before: Snapshot, after: Snapshot) -> None:
        """Look at what has changed."""
        for backoff, was in changes(after.backoffs, before.backoffs):
            counted = was is None or was.failures != backoff.failures or was.fingerprint != backoff.fingerprint
            if counted and not backoff.looked:
                self._grows(backoff)
        for node, known in changes(after.nodes, before.nodes):
            if known is None and node.primary is None:
                self._begins(f"launch/{node.label}@{node.provider}", after)
        for build, known in changes(after.builds, before.builds):
            asked_for = f"build/{build.diskimage}" in before.requests
            if known is None and build.state is BuildState.BUILDING and not asked_for:
                self._begins(f"build/{build.diskimage}", after, build.fingerprint)

    def _grows(self, backoff: Backoff) -> None:
        kind, _, what = backoff.id.partition("/")
        first, limit = WAITS[kind]
        free = self.universe.most_retries(what.rpartition("@")[2]) if kind == "launch" else 0
        wait = backoff.next_try - backoff.last
        least = 0.0 if backoff.failures <= free else min(first * 2.0 ** (backoff.failures - free - 1), limit)
        self.universe.story.tell(
            "store", f"{backoff.id} backs off", failures=backoff.failures, wait=wait, error=backoff.error
        )
        if wait < least:
            self.complain(f"{backoff.id}: after {backoff.failures} failures it waits {wait:.0f} s, not {least:.0f}")
        if not backoff.error:
            self.complain(f"{backoff.id} backs off, and nobody knows why")

    def _begins(self, name: str, records: Snapshot, fingerprint: str | None = None) -> None:
        backoff = records.backoffs.get(name)
        if backoff is None or backoff.looked or (fingerprint is not None and backoff.fingerprint != fingerprint):
            return
        unheard = backoff.last > self.now - NEWS
        if not unheard and not self.universe.changed_lately() and backoff.next_try > self.now:
            self.complain(f"{name} is tried {backoff.next_try - self.now:.0f} s before its back-off ends")
