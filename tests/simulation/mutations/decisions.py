"""Wrong decisions: who gets what, how many are made, and what is retired, tried again or waited for."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from nodepool_lite.actions import failures, images, providers
from nodepool_lite.daemon.engine import Engine
from nodepool_lite.daemon.leadership import Leadership
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import Node
from nodepool_lite.model.pool import Backoff
from nodepool_lite.plan import backoff, builds, handout, launch, plan, progress
from nodepool_lite.plan.actions import Action, ForgetNode, Placement
from nodepool_lite.plan.demand import Demand
from nodepool_lite.plan.generation import Source
from nodepool_lite.plan.progress import _Steps
from nodepool_lite.plan.view import View
from nodepool_lite.service import grab
from tests.simulation.mutations.kit import mutation, nothing, replaced

Patch = AbstractContextManager[Any]


@mutation
def min_ready_ignores_nodes_on_their_way() -> Patch:
    """What is asked for already is asked for again."""
    missing = property(lambda self: max(0, self.wanted + self.surge - len(self.ready)))
    return replaced((Demand, "missing"), by=missing)


@mutation
def a_surplus_stays() -> Patch:
    """Nodes beyond what is wanted are kept."""
    return replaced((plan, "surplus"), by=nothing)


@mutation
def outdated_nodes_are_replaced_all_at_once() -> Patch:
    """Not one after the other."""
    return replaced((Demand, "surge"), by=property(lambda self: len(self.renewals)))


@mutation
def back_offs_do_not_grow() -> Patch:
    """Every wait is the first one."""

    def grown(*arguments: Any, first: float, **more: Any) -> Backoff:
        after = backoff.grown(*arguments, first=first, **more)
        return after.but(next_try=min(after.next_try, after.last + first))

    return replaced((failures, "grown"), (images, "grown"), (providers, "grown"), by=grown)


@mutation
def back_offs_are_not_waited_for() -> Patch:
    """What failed is tried again at once, whatever is on record."""
    return replaced((launch, "_patience"), by=lambda *_arguments: "")


@mutation
def the_latest_lease_is_served_first() -> Patch:
    """The queue is a stack."""

    def queue(leases: Iterable[Lease], waiters: Iterable[str], now: float) -> list[Lease]:
        return sorted(_QUEUE(leases, waiters, now), key=lambda lease: (lease.label, -lease.order))

    return replaced((handout, "queue"), by=queue)


@mutation
def a_lease_is_given_a_part_of_what_it_asked_for() -> Patch:
    """Whatever is there goes to the first in line."""

    def part(nodes: Mapping[str, Node], leases: Iterable[Lease], waiters: Iterable[str], now: float) -> Any:
        known = list(leases)
        greedy = [lease.but(count=1) if lease.state is LeaseState.WAITING else lease for lease in known]
        return _HANDOUT(nodes, greedy, waiters, now)

    return replaced((handout, "handout"), (grab, "handout"), by=part)


@mutation
def leases_never_expire() -> Patch:
    """Their lifetime is for the record only."""
    return replaced((handout, "expired_leases"), by=nothing)


@mutation
def leases_of_clients_that_are_gone_are_kept() -> Patch:
    """Nobody cancels a lease for which nobody waits any more."""
    return replaced((handout, "abandoned"), by=nothing)


@mutation
def an_interrupted_build_is_waited_for() -> Patch:
    """Nobody notices that its builder is gone."""
    return replaced((builds, "interrupted"), by=nothing)


@mutation
def the_rest_of_a_broken_set_stays() -> Patch:
    """A node set of which one member is gone is kept, and can never be handed out."""
    return replaced((plan, "broken_sets"), by=nothing)


@mutation
def the_machines_of_a_set_are_all_made_alike() -> Patch:
    """As its primary, whatever the labels that it is made of."""

    def alike(source: Source) -> Placement:
        placement = _PLACEMENT(source)
        return replace(placement, machines=placement.machines[:1] * len(placement.machines))

    return replaced((launch, "_placement"), by=alike)


@mutation
def leadership_is_not_checked() -> Patch:
    """Everybody does what he stands for."""
    return replaced((Leadership, "held"), by=lambda self, _records: self._wanted())


@mutation
def nobody_stands_for_what_another_one_led() -> Patch:
    """A process takes what it finds free at its start, and nothing later."""
    campaign = Leadership.campaign
    stood = WeakSet[Leadership]()

    def once(self: Leadership) -> None:
        if self not in stood:
            stood.add(self)
            campaign(self)

    return replaced((Leadership, "campaign"), by=once)


@mutation
def the_loop_forgets_its_deadlines() -> Patch:
    """It wakes for changes only."""
    return replaced((Engine, "_deadline"), by=lambda *_arguments: None)


@mutation
def what_a_lost_host_holds_is_waited_for() -> Patch:
    """Nobody builds anew what nobody can upload."""
    return replaced((builds, "stranded"), by=lambda *_arguments: "")


@mutation
def checks_never_come() -> Patch:
    """A node that is ready is never logged in to again."""
    return replaced((plan, "checks"), by=nothing)


@mutation
def sweeps_come_ten_times_too_late() -> Patch:
    """Where nothing is expected, nobody looks for long."""

    def late(view: View, now: float) -> Iterator[Action]:
        return _ALL(replace(view, config=view.config.but(cleanup_interval=10 * view.config.cleanup_interval)), now)

    stack = replaced((plan, "_all"), by=late)
    stack.enter_context(replaced((progress, "IDLE_POLLS"), by=10 * progress.IDLE_POLLS))
    return stack


@mutation
def what_failed_is_never_forgotten() -> Patch:
    """Its record stays for people, for ever."""

    def failed(self: _Steps, node: Node) -> Iterator[Action]:
        return (action for action in _FAILED(self, node) if not isinstance(action, ForgetNode))

    return replaced((_Steps, "_failed"), by=failed)


@mutation
def nodes_are_made_for_min_ready_alone() -> Patch:
    """Who waits for more than that starves."""
    return replaced((Demand, "wanted"), by=property(lambda self: self.min_ready))


_QUEUE, _HANDOUT = handout.queue, handout.handout
_PLACEMENT, _ALL, _FAILED = launch._placement, plan._all, _Steps._failed
