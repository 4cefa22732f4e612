"""Actions that only write records: small, quick, carried out by the loop itself."""

import shutil

from nodepool_lite.actions.context import DONE, Context, Outcome
from nodepool_lite.actions.nodes import current
from nodepool_lite.model.lease import Lease
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.pool import Backoff, Request
from nodepool_lite.plan.actions import (
    DropServer,
    EndLease,
    ForgetBackoff,
    ForgetLease,
    ForgetNode,
    Grant,
    Launch,
    LeaseAction,
    Machine,
    Placement,
    Retire,
    SignLease,
)
from nodepool_lite.plan.image_actions import DropRequest
from nodepool_lite.service import leases


def launch(ctx: Context, action: Launch) -> Outcome:
    """Record the new nodes; a node set is the primary's record followed by its sub-nodes' records."""
    for placement in action.placements:
        first, *others = placement.machines
        node = _new(ctx, placement, first, action.why)
        primary = ctx.store.create_numbered(node.but(set_size=len(placement.machines)) if others else node)
        if others:
            subs = [
                ctx.store.create_numbered(
                    _new(ctx, placement, each, f"sub-node of {primary.id}").but(primary=primary.id)
                )
                for each in others
            ]
            ctx.store.update(primary.but(subnodes=tuple(sub.id for sub in subs)))
        ctx.log.info("node.wanted", node=primary.id, label=placement.label, provider=placement.provider)
    return DONE


def retire(ctx: Context, action: Retire) -> Outcome:
    """Mark a node, and the rest of its set, for deletion; a lease that has nothing else left ends with it."""
    records = ctx.store.snapshot()
    node = current(ctx, action)
    if node is None:
        return DONE  # somebody took, held or deleted it meanwhile
    members = [node, *(records.nodes[sub] for sub in node.subnodes if sub in records.nodes)]
    live = [each for each in members if each.state not in {NodeState.DELETING, NodeState.FAILED}]
    ctx.store.transact(leases.departure(records, live, ctx.clock.now(), action.why))
    ctx.log.info("node.retired", node=node.id, label=node.label, reason=action.why)
    return DONE


def grant(ctx: Context, action: Grant) -> Outcome:
    """Give nodes to the lease at the head of its queue."""
    records = ctx.store.snapshot()
    lease = _current(ctx, action)
    nodes = [records.nodes[each] for each in action.nodes if each in records.nodes]
    if lease is not None and len(nodes) == len(action.nodes):
        leases.give(ctx.store, ctx.config(), lease, nodes, ctx.clock.now())
        ctx.log.info("lease.granted", lease=lease.id, nodes=action.nodes)
    return DONE


def end_lease(ctx: Context, action: EndLease) -> Outcome:
    """End a lease and mark its nodes for deletion."""
    lease = _current(ctx, action)
    if lease is not None:
        leases.end(ctx.store, lease, action.why, ctx.clock.now())
        ctx.log.info("lease.ended", lease=lease.id, reason=action.why)
    return DONE


def sign_lease(ctx: Context, action: SignLease) -> Outcome:
    """Sign the certificates that a lease still lacks."""
    lease = _current(ctx, action)
    if lease is not None:
        leases.sign(ctx.store, ctx.config(), lease)
    return DONE


def forget_lease(ctx: Context, action: ForgetLease) -> Outcome:
    """Remove the record of a lease that ended long ago."""
    lease = _current(ctx, action)
    if lease is not None:
        ctx.store.delete(lease)
    return DONE


def forget_node(ctx: Context, action: ForgetNode) -> Outcome:
    """Remove the record of a node whose server is gone."""
    node = current(ctx, action)
    if node is not None:
        _server_gone(ctx, node)
        ctx.store.delete(node)
        ctx.reach(node).forget(node.id)
        shutil.rmtree(ctx.node_logs(node.id), ignore_errors=True)
        ctx.log.info("node.gone", node=node.id, label=node.label, seconds=round(ctx.clock.now() - node.created, 3))
    return DONE


def drop_server(ctx: Context, action: DropServer) -> Outcome:
    """The server of a failed node is gone; its record stays for a while, for people."""
    node = current(ctx, action)
    if node is not None:
        _server_gone(ctx, node)
        ctx.store.update(
            node.noted(ctx.clock.now(), "its server was deleted", asked=None, attempt="", server_id=None, address=None)
        )
    return DONE


def _server_gone(ctx: Context, node: Node) -> None:
    if node.server_id is not None:
        ctx.sightings.gone(node.server_id)
        driver = ctx.drivers().get(node.provider)
        if driver is not None:  # else nobody drives its provider any more
            driver.note_gone(node.server_id)


def forget_backoff(ctx: Context, action: ForgetBackoff) -> Outcome:
    """Remove a back-off that speaks of a configuration that is gone."""
    backoff = ctx.store.find(Backoff, action.backoff)
    if backoff is not None:
        ctx.store.delete(backoff)
    return DONE


def drop_request(ctx: Context, action: DropRequest) -> Outcome:
    """Remove a person's wish that cannot or need not be fulfilled."""
    request = ctx.store.find(Request, action.request)
    if request is not None:
        ctx.store.delete(request)
        ctx.log.info("request.dropped", diskimage=request.diskimage, reason=action.why)
    return DONE


def _current(ctx: Context, action: LeaseAction) -> Lease | None:
    """Return the lease, if its record is still the one that the action was decided on."""
    lease = ctx.store.find(Lease, action.lease)
    return lease if lease is not None and lease.version == action.version else None


def _new(ctx: Context, placement: Placement, machine: Machine, why: str) -> Node:
    now = ctx.clock.now()
    node = Node(
        label=placement.label,
        provider=placement.provider,
        pool=placement.pool,
        state=NodeState.BUILDING,
        state_since=now,
        created=now,
        diskimage=machine.diskimage,
        build=machine.build,
        image_id=machine.image_id,
        username=machine.username,
        generation=placement.generation,
        member=machine.member,
    )
    return node.noted(now, why)
