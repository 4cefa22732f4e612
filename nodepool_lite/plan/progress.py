"""The way of one node from "wanted" to "gone", a step at a time, for the providers that this process leads."""

from collections.abc import Iterator

from nodepool_lite.clouds.driver import Server, ServerState
from nodepool_lite.config.settings import Provider
from nodepool_lite.model.node import PENDING, Node, NodeState
from nodepool_lite.plan.actions import (
    Action,
    CreateServer,
    DeleteServer,
    DropServer,
    FailNode,
    ForgetNode,
    ListServers,
    MarkBooted,
    Prepare,
    TestLogin,
)
from nodepool_lite.plan.view import SETTLE, CloudView, View

IDLE_POLLS = 30
"""While nothing is expected to change, a provider is listed this many times less often."""


def progress(view: View, now: float) -> Iterator[Action]:
    """Yield the next step of every node at the providers that this process leads."""
    for provider in view.config.providers:
        if f"provider/{provider.name}" not in view.leads:
            continue
        cloud = view.clouds.get(provider.name, CloudView())
        nodes = [node for node in view.nodes() if node.provider == provider.name]
        launching = sum(1 for node in nodes if node.state in PENDING and node.asked is not None)
        for node in nodes:
            if node.state is NodeState.BUILDING and node.asked is None:
                if launching < provider.max_concurrency:
                    launching += 1
                    yield CreateServer(at=now, why="the node is wanted", node=node.id)
                continue
            yield from _step(view, provider, cloud, node, now)
        yield _next_list(provider, cloud, nodes, now, view)


def _step(view: View, provider: Provider, cloud: CloudView, node: Node, now: float) -> Iterator[Action]:
    match node.state:
        case NodeState.BUILDING:
            yield from _building(view, provider, cloud, node, now)
        case NodeState.TESTING:
            yield from _broken(cloud, node) or _testing(provider, node, now)
        case NodeState.PREPARING:
            yield from _broken(cloud, node) or _preparing(view, node, now)
        case NodeState.READY | NodeState.IN_USE | NodeState.HOLD:
            yield from _broken(cloud, node)
        case NodeState.FAILED:
            yield from _failed(view, cloud, node, now)
        case NodeState.DELETING:
            yield from _removal(cloud, node, ForgetNode(at=now, why="its server is gone", node=node.id), now)


def _building(view: View, provider: Provider, cloud: CloudView, node: Node, now: float) -> Iterator[Action]:
    asked = node.asked or now
    server = cloud.server_of(node) if cloud.listed_after(asked) else None
    overdue = asked + provider.launch_timeout
    late = f"not running {provider.launch_timeout:.0f} s after it was asked for"
    if server is None:
        settled = cloud.listed_after(max(asked, view.answered.get(node.id, 0.0)) + SETTLE)
        if settled and now < overdue:
            yield CreateServer(at=now, why="no server came of the last attempt", node=node.id)
        else:
            yield FailNode(at=overdue, why=late, node=node.id)
    elif server.state is ServerState.ACTIVE and server.address is not None:
        yield MarkBooted(at=now, why="the server runs", node=node.id, server=server.id)
    elif server.state in {ServerState.ERROR, ServerState.STOPPED}:
        yield FailNode(at=now, why=_fault(server), node=node.id)
    else:
        yield FailNode(at=overdue, why=late, node=node.id)


def _broken(cloud: CloudView, node: Node) -> list[Action]:
    """What a running node's server tells: nothing, or that the node is lost."""
    if node.server_id is None or not cloud.listed_after(node.state_since):
        return []
    server = cloud.servers.get(node.server_id)
    counts = node.state in PENDING
    if server is None:
        return [FailNode(at=0, why="its server is gone, and not by us", node=node.id, counts=counts)]
    if server.state in {ServerState.ERROR, ServerState.STOPPED}:
        return [FailNode(at=0, why=_fault(server), node=node.id, counts=counts)]
    return []


def _testing(provider: Provider, node: Node, now: float) -> list[Action]:
    overdue = node.state_since + provider.boot_timeout
    reason = f"no SSH login within {provider.boot_timeout:.0f} s of its start"
    if now >= overdue:
        why = f"{reason}: {node.error}" if node.error else reason
        return [FailNode(at=overdue, why=why, node=node.id)]
    return [TestLogin(at=now, node=node.id), FailNode(at=overdue, why=reason, node=node.id)]


def _preparing(view: View, node: Node, now: float) -> list[Action]:
    label = view.config.label(node.label)
    limit = 7200.0 if label is None else label.ready_script_timeout
    since = node.script.started if node.script is not None else node.state_since
    overdue = since + limit
    if now >= overdue:
        step = f", at: {node.script.step}" if node.script is not None and node.script.step else ""
        return [FailNode(at=overdue, why=f"the ready-script did not end within {limit:.0f} s{step}", node=node.id)]
    if not _may_prepare(view, node):
        return [FailNode(at=overdue, why=f"its node set was not complete within {limit:.0f} s", node=node.id)]
    return [Prepare(at=now, node=node.id)]


def _may_prepare(view: View, node: Node) -> bool:
    """Sub-nodes are prepared once the whole set can be reached; the primary when its sub-nodes are ready."""
    nodes = view.records.nodes
    if node.primary is None:
        return all(sub in nodes and nodes[sub].state is NodeState.READY for sub in node.subnodes)
    primary = nodes.get(node.primary)
    if primary is None:
        return False
    members = [primary, *(nodes[sub] for sub in primary.subnodes if sub in nodes)]
    return all(member.address is not None for member in members)


def _failed(view: View, cloud: CloudView, node: Node, now: float) -> Iterator[Action]:
    if node.asked is not None:
        yield from _removal(cloud, node, DropServer(at=now, why="its server is gone", node=node.id), now)
        return
    expires = node.state_since + view.config.failed_retention
    yield ForgetNode(at=expires, why="it failed long ago", node=node.id)


def _removal(cloud: CloudView, node: Node, gone: Action, now: float) -> Iterator[Action]:
    """Delete the server, and act on `gone` only when a list taken since shows that it is."""
    if node.asked is None:
        yield gone
        return
    server = cloud.server_of(node)
    if server is not None and server.state is not ServerState.DELETING:
        yield DeleteServer(at=now, why="the node has ended", node=node.id, server=server.id)
    elif server is None and cloud.listed_after(max(node.asked + (0 if node.server_id else SETTLE), 1)):
        yield gone


def _next_list(provider: Provider, cloud: CloudView, nodes: list[Node], now: float, view: View) -> ListServers:
    if cloud.listed_at is None or cloud.stale is not None:
        return ListServers(at=now, why="something has just been asked for", provider=provider.name)
    changing = any(_expects_change(node) for node in nodes)
    idle = min(cloud.poll_interval * IDLE_POLLS, view.config.cleanup_interval)
    interval = cloud.poll_interval if changing else idle
    return ListServers(at=cloud.listed_at + interval, why="time to look", provider=provider.name)


def _expects_change(node: Node) -> bool:
    moving = node.state in {NodeState.BUILDING, NodeState.DELETING, NodeState.TESTING}
    return (moving or node.state is NodeState.FAILED) and node.asked is not None


def _fault(server: Server) -> str:
    return f"its server is {server.state}: {server.fault or 'no reason given'}"
