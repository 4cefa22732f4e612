"""Asking for one node of each of several labels: each as soon as it is there, whatever becomes of the others."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from nodepool_lite.config.settings import Config
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import NodepoolError, StoreUnavailableError
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.service.grab import Waiting, Wish, grab_now, new_lease, new_waiter, withdraw
from nodepool_lite.store.base import Store, Write


@dataclass(frozen=True)
class Taken:
    """What became of one wish: an active lease, or why there is none."""

    label: str
    lease: Lease | None
    trouble: str = ""


def grab_each(
    store: Store, config: Config, clock: Clock, wishes: Sequence[Wish], tell: Callable[[str], None]
) -> Sequence[Taken]:
    """Take what is there, queue up for the rest until its time is over, and return what became of each wish.

    `store` must watch; `tell` hears how each stands. When the wait is interrupted, all that was taken is given back.

    Raises:
        NoSuchThingError: there is no such label; nothing was asked for.
        NodepoolError: a label can never have a node.
    """
    for wish in wishes:
        new_lease(config, clock, wish)  # raises before anything is asked for
    leases: list[Lease] = []
    try:
        for wish in wishes:
            at_once = grab_now(store, config, clock, replace(wish, wait=None))
            leases += [at_once or _queued(store, new_lease(config, clock, wish))]
        return _wait(store, config, clock, leases, tell)
    except (KeyboardInterrupt, SystemExit):
        for lease in leases:
            with suppress(StoreUnavailableError):  # then the waiter's end will tell the launchers
                withdraw(store, clock, lease.id, f"cancelled: by {lease.owner}, who waited no longer", keep=False)
        raise


def _queued(store: Store, lease: Lease) -> Lease:
    store.transact([Write("create", lease), Write("create", new_waiter(lease.id))])
    return lease


def _wait(
    store: Store, config: Config, clock: Clock, leases: Sequence[Lease], tell: Callable[[str], None]
) -> Sequence[Taken]:
    waiting = {lease.id: Waiting(store, config, clock, lease, partial(_tell, tell, lease.label)) for lease in leases}
    taken = {lease.id: Taken(lease.label, lease) for lease in leases if lease.state is LeaseState.ACTIVE}
    changed = threading.Event()
    with store.subscribe(changed.set):
        while True:
            changed.clear()
            for lease in leases:
                if lease.id not in taken:
                    found = _look(waiting[lease.id], lease, clock.now())
                    taken |= {} if found is None else {lease.id: found}
            if len(taken) == len(leases):
                return [taken[lease.id] for lease in leases]
            ends = [each.wait_until for each in leases if each.id not in taken and each.wait_until is not None]
            changed.wait(max(0.0, min(ends) - clock.now()) if ends else None)


def _look(waiting: Waiting, lease: Lease, now: float) -> Taken | None:
    try:
        late = lease.wait_until is not None and now >= lease.wait_until
        found = waiting.look() or (waiting.time_is_over() if late else None)
    except NodepoolError as error:
        return Taken(lease.label, None, str(error))
    return None if found is None else Taken(lease.label, found)


def _tell(tell: Callable[[str], None], label: str, sentence: str) -> None:
    tell(sentence if label in sentence else f"{label}: {sentence}")
