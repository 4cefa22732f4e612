"""Leases: a user's claim on one or more nodes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from msgspec import field

from nodepool_lite.model.errors import IllegalTransitionError
from nodepool_lite.model.record import Event, Record


class LeaseState(StrEnum):
    """Where a lease stands."""

    WAITING = "waiting"
    ACTIVE = "active"
    ENDED = "ended"


LEASE_TRANSITIONS: dict[LeaseState, frozenset[LeaseState]] = {
    LeaseState.WAITING: frozenset({LeaseState.ACTIVE, LeaseState.ENDED}),
    LeaseState.ACTIVE: frozenset({LeaseState.ENDED}),
    LeaseState.ENDED: frozenset(),
}


class Lease(Record):
    """A claim: waiting in its label's queue (ordered by `order`), active on `nodes`, or ended with a reason."""

    label: str
    count: int = 1
    owner: str
    reason: str = ""
    state: LeaseState
    state_since: float
    created: float
    history: tuple[Event, ...] = ()
    lifetime: float
    """Seconds from the hand-out to the end, as last extended."""
    expires: float | None = None
    wait_until: float | None = None
    """When a waiting lease gives up; None waits for ever."""
    nodes: tuple[str, ...] = ()
    public_key: str | None = None
    """The user's own public key; with it, access is by certificates that end with the lease."""
    certificates: Mapping[str, str] = field(default_factory=dict)
    """Node id -> OpenSSH user certificate for `public_key`; signed by whoever may read the pool's CA key."""
    certified_until: float | None = None
    """When the certificates end; unlike `expires` while an extended lease waits for new ones."""
    end_reason: str = ""
    """`released`, `expired`, `cancelled` or `failed`, then a colon and the sentence."""

    def to(self, state: LeaseState, now: float, reason: str, **changes: object) -> Self:
        """Return this lease in `state`; raises IllegalTransitionError when it cannot follow."""
        if state not in LEASE_TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"lease {self.id}: {self.state} cannot become {state}")
        event = Event(time=now, state=state, reason=reason)
        return self.but(state=state, state_since=now, history=(*self.history, event), **changes)


class Waiter(Record):
    """Ephemeral: the client that waits for the lease of the same id is alive.

    Made together with the lease: a waiting lease that has none is cancelled after a while.
    """

    host: str
    pid: int
