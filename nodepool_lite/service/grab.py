"""Asking for nodes: at once if they are there, else in the label's queue."""

import os
import random
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from msgspec import Struct, field
from msgspec.structs import replace

from nodepool_lite.config.duration import spoken
from nodepool_lite.config.settings import Config
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import (
    NodepoolError,
    StoreConflictError,
    StoreUnavailableError,
    WaitTimeoutError,
)
from nodepool_lite.model.lease import Lease, LeaseState, Waiter
from nodepool_lite.model.node import PENDING, Node
from nodepool_lite.model.record import Event, Record
from nodepool_lite.plan.handout import handout, position, spare
from nodepool_lite.service import leases
from nodepool_lite.service.attempts import settled
from nodepool_lite.service.names import the_label
from nodepool_lite.store.base import NO_SAMPLE, Snapshot, Store, Write

LETTERS = "abcdefghjkmnpqrstuvwxyz"
ALPHABET = LETTERS + "23456789"
"""Without what is mistaken for something else when read aloud or from paper: 0, 1, i, l and o."""

SAMPLE = 8
"""So many nodes, chosen at random, are looked at first for each that is wanted; all, if they do not do. Most nodes of a
pool are ready, and reading many takes longer than all the rest."""

CROWD = 8
"""Of the free nodes in view, one of the eighth that are ready longest is taken: of up to 15 the very first."""


def new_lease_id() -> str:
    """Return eight random characters that begin with a letter, so that it is never taken for a node's number."""
    return secrets.choice(LETTERS) + "".join(secrets.choice(ALPHABET) for _ in range(7))


class Wish(Struct, frozen=True):
    """What a user asks for. `lifetime` and `wait` are seconds; None takes the pool's lifetime, and waits for ever."""

    label: str
    owner: str
    count: int = 1
    lifetime: float | None = None
    reason: str = ""
    wait: float | None = None
    public_key: str | None = None
    lease_id: str = field(default_factory=new_lease_id)
    """The id that its lease will have."""


def grab_now(store: Store, config: Config, clock: Clock, wish: Wish) -> Lease | None:
    """Return an active lease if the nodes are there and nobody is ahead, in one transaction; else None.

    Raises:
        NoSuchThingError: there is no such label.
        NodepoolError: it can never have as many nodes.
    """
    lease = new_lease(config, clock, wish)
    overtaken = False

    def attempt(records: Snapshot) -> Lease | None:
        nonlocal overtaken
        now = clock.now()
        # Only those who wait matter, and whoever waits has a waiter: ended leases may be many.
        waiting = store.look_up(Lease, records.waiters)
        free = spare(records.nodes, waiting.values(), records.waiters, lease.label, now)
        if len(free) < lease.count:
            return None
        # Many who all want the one that is ready longest would hold each other up.
        near = len(free) if overtaken else max(lease.count, len(free) // CROWD)
        chosen = random.sample(free[:near], lease.count)
        overtaken = True
        return leases.give(store, config, lease, [node for each in chosen for node in each], now)

    def among(sample: Mapping[type[Record], int]) -> Lease | None:
        return settled(lambda: store.read(Node, Waiter, sample=sample), attempt)

    one_by_one = the_label(config, wish.label).size == 1  # else a sample would hardly have all nodes of a set
    try:
        return (among({Node: SAMPLE * lease.count}) if one_by_one else None) or among(NO_SAMPLE)
    except StoreUnavailableError as error:
        raise StoreUnavailableError(
            f"{error}\nIf the request got through, lease {lease.id} holds the node: see `nodepool-lite leases`"
        ) from None


def grab(store: Store, config: Config, clock: Clock, wish: Wish, tell: Callable[[str], None]) -> Lease:
    """Queue up, wait, and return the active lease. `store` must watch; `tell` hears how it stands, when that changes.

    The lease is cancelled when the wait is interrupted from the keyboard or by a signal's exception.

    Raises:
        NoSuchThingError: there is no such label.
        NodepoolError: it can never have as many nodes, or somebody cancelled the lease.
        WaitTimeoutError: `wish.wait` is over.
    """
    lease = new_lease(config, clock, wish)
    try:
        store.transact([Write("create", lease), Write("create", new_waiter(lease.id))])
        return Waiting(store, config, clock, lease, tell).done()
    except (KeyboardInterrupt, SystemExit):
        with suppress(StoreUnavailableError):  # then the waiter's end will tell the launchers
            withdraw(store, clock, lease.id, f"cancelled: by {wish.owner}, who waited no longer", keep=False)
        raise


class Waiting:
    """One client waiting for one lease. All is done in the caller's thread; the store's thread only wakes it."""

    def __init__(self, store: Store, config: Config, clock: Clock, lease: Lease, tell: Callable[[str], None]) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._lease = lease
        self._tell = tell
        self._told = ""

    def done(self) -> Lease:
        """Return the lease once it is active."""
        changed = threading.Event()
        until = self._lease.wait_until
        with self._store.subscribe(changed.set):
            while True:
                changed.clear()
                left = None if until is None else until - self._clock.now()
                if left is not None and left <= 0:
                    return self.time_is_over()
                found = self.look()
                if found is not None:
                    return found
                changed.wait(left)

    def look(self) -> Lease | None:
        """Return the lease if it is active by now, or can be made so; raises as `done`."""
        if not self._store.connected:
            self._say("ZooKeeper cannot be reached at the moment; waiting for it to come back")
            return None
        try:
            return self._decide(self._store.snapshot(), self._clock.now())
        except (StoreConflictError, StoreUnavailableError):
            return None  # a change of the view or of the connection is about to wake us

    def _decide(self, records: Snapshot, now: float) -> Lease | None:
        lease = records.leases.get(self._lease.id)
        if lease is None:
            raise NodepoolError(f"lease {self._lease.id} was removed while it waited")
        if lease.state is LeaseState.ACTIVE:
            return lease
        if lease.state is LeaseState.ENDED:
            failure = WaitTimeoutError if lease.end_reason.startswith("expired") else NodepoolError
            raise failure(f"lease {lease.id} for {lease.label} ended while it waited ({lease.end_reason})")
        if lease.id not in records.waiters:
            self._store.create(new_waiter(lease.id))  # the session in which it was made has expired
            return None
        waiting = list(records.leases.values())
        for grant in handout(records.nodes, waiting, records.waiters, now):
            if grant.lease_id == lease.id:
                nodes = [records.nodes[each] for each in grant.node_ids]
                return leases.give(self._store, self._config, lease, nodes, now)
        self._say(outlook(records, lease, now))
        return None

    def _say(self, sentence: str) -> None:
        if sentence != self._told:
            self._told = sentence
            self._tell(sentence)

    def time_is_over(self) -> Lease:
        """End the wait; raises WaitTimeoutError, unless the nodes came in this moment."""
        wait = spoken(round((self._lease.wait_until or 0) - self._lease.created, 3))
        reason = f"expired: no node became free within {wait}"
        lease = withdraw(self._store, self._clock, self._lease.id, reason, keep=True)
        if lease is not None and lease.state is LeaseState.ACTIVE:
            return lease
        raise WaitTimeoutError(f"{self._lease.label}: no node became free within {wait} ({self._told})")


def outlook(records: Snapshot, lease: Lease, now: float) -> str:
    """Return in one sentence how a waiting lease stands, and what keeps its label's nodes from coming."""
    place = position(lease, records.leases.values(), records.waiters, now)
    primaries = (node for node in records.nodes.values() if node.label == lease.label and node.primary is None)
    coming = sum(1 for node in primaries if node.state in PENDING)
    sentence = f"place {place} in the queue for {lease.label}, {coming} on their way"
    failing = [each for each in records.backoffs.values() if each.id.startswith(f"launch/{lease.label}@")]
    return "; ".join([sentence, *(f"the last launch failed: {each.error}" for each in failing)])


def new_lease(config: Config, clock: Clock, wish: Wish) -> Lease:
    """Return the lease of a wish, waiting and not recorded yet; raises as `grab_now`."""
    label = the_label(config, wish.label)
    most = _capacity(config, label.name, label.size)
    if most is not None and wish.count > most:
        raise NodepoolError(
            f"label {label.name} can have {most} nodes at most (max-servers), {wish.count} are too many"
        )
    if wish.public_key is not None:
        from nodepool_lite.access.certificates import check_public_key  # noqa: PLC0415 - slow to import

        wish = replace(wish, public_key=check_public_key(wish.public_key))
    now = clock.now()
    return Lease(
        id=wish.lease_id,
        label=label.name,
        count=wish.count,
        owner=wish.owner,
        reason=wish.reason,
        state=LeaseState.WAITING,
        state_since=now,
        created=now,
        history=(Event(time=now, state=LeaseState.WAITING, reason=f"asked for by {wish.owner}"),),
        lifetime=config.lease_lifetime if wish.lifetime is None else wish.lifetime,
        wait_until=None if wish.wait is None else now + wish.wait,
        public_key=wish.public_key,
    )


def _capacity(config: Config, label: str, set_size: int) -> int | None:
    """Return how many node sets of a label all pools together can have; None is unlimited."""
    pools = [pool for provider in config.providers for pool in provider.pools]
    limits = [pool.max_servers for pool in pools if any(used.name == label for used in pool.labels)]
    known = [limit for limit in limits if limit is not None]
    return sum(limit // set_size for limit in known) if len(known) == len(limits) else None


def new_waiter(lease_id: str) -> Waiter:
    """Return the record that says that this process waits for a lease."""
    return Waiter(id=lease_id, host=socket.gethostname(), pid=os.getpid())


def withdraw(store: Store, clock: Clock, lease_id: str, reason: str, *, keep: bool) -> Lease | None:
    """End the lease if it still waits; if it was served meanwhile, `keep` it or give its nodes back."""

    def attempt(records: Snapshot) -> Lease | None:
        lease = records.leases.get(lease_id)
        if lease is None or lease.state is LeaseState.ENDED or (keep and lease.state is LeaseState.ACTIVE):
            return lease
        return leases.end(store, lease, reason, clock.now(), records.nodes)

    return settled(lambda: store.read(Lease, Node), attempt)
