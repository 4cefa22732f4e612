"""Mistakes in what is written, and when: before the deed and after it, and only over what was read."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from msgspec.structs import replace

from nodepool_lite.actions import dispatch, nodes, prepare
from nodepool_lite.actions.context import DONE, Context, Outcome
from nodepool_lite.config.settings import Config
from nodepool_lite.model.errors import CloudError
from nodepool_lite.model.lease import Lease
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.record import Record
from nodepool_lite.plan import actions
from nodepool_lite.service import leases
from nodepool_lite.store._memory_tree import Key, MemoryTree
from nodepool_lite.store.base import Store, Write
from tests.simulation.mutations.kit import mutation, replaced

Patch = AbstractContextManager[Any]


@mutation
def servers_are_recorded_after_they_were_asked_for() -> Patch:
    """So that a crash in between leaves a server that nobody knows."""

    def create(ctx: Context, action: actions.CreateServer) -> Outcome:
        node = nodes.current(ctx, action)
        if node is None:
            return DONE
        provider, _pool, settings = nodes._settings(ctx, node)
        name = nodes.hostname_of(provider, node)
        marked = node.but(attempt=ctx.new_attempt(), asked=ctx.clock.now(), tries=node.tries + 1, hostname=name)
        try:
            ctx.driver(node.provider).create_server(nodes._spec(ctx, marked, provider, settings, ""))
        except CloudError as error:
            ctx.notes[node.id] = str(error)
        ctx.store.update(marked)
        ctx.sightings.answer(node.id, ctx.clock.now())
        return DONE

    return replaced((dispatch, "EXECUTORS"), by={**dispatch.EXECUTORS, actions.CreateServer: create})


@mutation
def writes_are_not_compared_with_what_was_read() -> Patch:
    """The last one wins."""

    def stage(self: MemoryTree, write: Write, staged: dict[Key, Record | None]) -> Record:
        present = self._view.get(type(write.record), write.record.id)
        if write.action != "create" and present is not None:
            write = replace(write, record=write.record.but(version=present.version))
        return _STAGE(self, write, staged)

    return replaced((MemoryTree, "_stage"), by=stage)


@mutation
def nodes_are_given_without_their_version() -> Patch:
    """Whoever has taken one meanwhile loses it."""

    def give(store: Store, config: Config, lease: Lease, chosen: Sequence[Node], now: float) -> Lease:
        known = store.read(Node).nodes
        fresh = [node.but(version=known[node.id].version) for node in chosen if node.id in known]
        return _GIVE(store, config, lease, fresh, now)

    return replaced((leases, "give"), by=give)


@mutation
def nodes_go_back_to_the_pool() -> Patch:
    """What a user leaves is taken for new."""

    def ending(*arguments: Any) -> list[Write]:
        return [
            replace(write, record=write.record.but(state=NodeState.READY, lease=None))
            if isinstance(write.record, Node)
            else write
            for write in _ENDING(*arguments)
        ]

    return replaced((leases, "_ending"), by=ending)


@mutation
def a_node_is_ready_before_its_script_has_run() -> Patch:
    """A login is taken for enough."""

    def follow(ctx: Context, node: Node, run: Any) -> Outcome:
        ctx.reach(node).write_info(node, prepare._members(ctx, node))
        prepare._ready(ctx, node, f"not waiting for {run.name}")
        return DONE

    return replaced((prepare, "_follow"), by=follow)


_STAGE, _GIVE, _ENDING = MemoryTree._stage, leases.give, leases._ending
