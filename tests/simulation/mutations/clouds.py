"""Mistakes about servers: which is whose, when it is there, and when it is gone."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest.mock import patch

from nodepool_lite.actions.context import Context
from nodepool_lite.clouds.driver import Server
from nodepool_lite.clouds.simulated import SimulatedDriver
from nodepool_lite.clouds.simulated import driver as simulated
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.plan import launch, plan
from nodepool_lite.plan.actions import Action
from nodepool_lite.plan.progress import _Steps
from nodepool_lite.plan.view import CloudView
from tests.simulation.mutations.kit import mutation, nothing, replaced

Patch = AbstractContextManager[Any]


@mutation
def the_sweep_ignores_whose_a_server_is() -> Patch:
    """Neither the list nor the deletion looks at the pool's id."""

    def everybodys(self: SimulatedDriver) -> list[Server]:
        with self.cloud.call("list_servers"):
            return [self._seen(each) for each in self.cloud.servers().values()]

    stack = ExitStack()
    stack.enter_context(patch.object(SimulatedDriver, "list_servers", everybodys))
    stack.enter_context(patch.object(simulated, "_must_be_ours", nothing))
    return stack


@mutation
def aliens_are_left_alone() -> Patch:
    """What came of a lost request stays for ever."""
    return replaced((plan, "aliens"), by=nothing)


@mutation
def servers_are_adopted_by_node_alone() -> Patch:
    """Whichever attempt they came of."""

    def server_of(self: CloudView, node: Node) -> Server | None:
        own = [each for each in self.servers.values() if each.node_id == node.id]
        return max(own, key=lambda each: each.id, default=None)

    return replaced((CloudView, "server_of"), by=server_of)


@mutation
def a_record_is_forgotten_before_its_server_is_gone() -> Patch:
    """The end was asked for, and that is taken for the end."""

    def removal(self: _Steps, node: Node, gone: Action) -> Iterator[Action]:
        server = self.cloud.server_of(node)
        if server is None or server.id in self.cloud.ending:
            yield gone
        else:
            yield from _REMOVAL(self, node, gone)

    return replaced((_Steps, "_removal"), by=removal)


@mutation
def max_servers_is_not_looked_at() -> Patch:
    """Whatever is wanted is made."""

    def requests(self: _Steps, nodes: Iterable[Node]) -> Iterator[Action]:
        for node in nodes:
            whole = self.cloud.listed_at is not None and self.view.set_is_whole(node)
            if whole and node.state is NodeState.BUILDING and node.asked is None:
                yield self._creation(node, self.now, "the node is wanted")

    stack = replaced((_Steps, "_requests"), by=requests)
    stack.enter_context(replaced((launch, "full"), by=lambda *_arguments: ""))
    return stack


@mutation
def a_request_is_repeated_under_the_same_mark() -> Patch:
    """Two servers of one attempt cannot be told apart."""
    return replaced((Context, "new_attempt"), by=property(lambda _self: lambda: "always-the-same", lambda *_: None))


_REMOVAL = _Steps._removal
