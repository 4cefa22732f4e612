"""What users were given, by their own account."""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.journal import Journal


@dataclass
class Book:
    """What users have on paper, whatever the records say."""

    journal: Journal
    owners: dict[str, str] = field(default_factory=dict)
    """Node id -> the lease with which a user got it."""
    deleted: set[str] = field(default_factory=set)
    """Nodes that a person deleted, or was about to."""
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def got(self, lease: str, nodes: Iterable[str]) -> None:
        """Write down that a user was given nodes."""
        with self.lock:
            for node in nodes:
                other = self.owners.setdefault(node, lease)
                if other != lease:
                    self.journal.accuse(f"users were given node {node} with the leases {other} and {lease}")

    def count(self, what: str) -> None:
        """Count something that users did or met."""
        with self.lock:
            self.counts[what] += 1
