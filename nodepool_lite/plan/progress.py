"""The way of one node from "wanted" to "gone", a step at a time, for the providers that this process leads."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nodepool_lite.clouds.driver import Server, ServerState
from nodepool_lite.config.settings import Provider
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.plan.actions import (
    Action,
    CreateServer,
    DeleteServer,
    DropServer,
    FailNode,
    ForgetNode,
    GiveAddress,
    ListServers,
    MarkBooted,
    Prepare,
    TestLogin,
)
from nodepool_lite.plan.backoff import Wait
from nodepool_lite.plan.room import Budget
from nodepool_lite.plan.view import SETTLE, CloudView, View

IDLE_POLLS = 30
"""While nothing is expected to change, a provider is listed this many times less often."""
LONGEST_PAUSE = 300.0
"""Seconds between two requests for one node's server, at most."""
CLOCKS_DIFFER = 1.0
"""Seconds by which clocks may differ without anybody calling one of them wrong."""
DEFAULT_SCRIPT_TIMEOUT = 7200.0
"""For a node whose label is not configured any more."""


def progress(view: View, now: float) -> Iterator[Action]:
    """Yield the next step of every node at the providers that this process leads."""
    for provider in view.config.providers:
        if f"provider/{provider.name}" in view.leads:
            yield from _Steps(view, provider, view.clouds.get(provider.name, CloudView()), now).all()


@dataclass(frozen=True)
class _Steps:
    """The nodes of one provider at one moment."""

    view: View
    provider: Provider
    cloud: CloudView
    now: float

    def all(self) -> Iterator[Action]:
        """Yield every node's next step, and the next look at the cloud."""
        nodes = self.view.nodes_at(self.provider.name)
        yield from self._requests(nodes)
        for node in nodes:
            yield from self._step(node)
        yield self._next_list(nodes)

    @property
    def _led_since(self) -> float:
        """No time-out runs while nobody looks after a node."""
        return self.view.led_since.get(f"provider/{self.provider.name}", 0.0)

    @property
    def _answers(self) -> bool:
        """Whether the provider answered the last list: until it does again, nothing else is asked of it."""
        return self.view.provider_backoff(self.provider) is None

    def _requests(self, nodes: Sequence[Node]) -> Iterator[Action]:
        """Yield which servers to ask for first: within the limits, and the label with the fewest on their way first.

        A node for which the known quota has no room fails at once, so that its label is made elsewhere or waits.
        """
        queues: dict[str, deque[Node]] = {}
        for node in nodes:
            if node.state is NodeState.BUILDING and node.asked is None and self.view.set_is_whole(node):
                queues.setdefault(node.label, deque()).append(node)
        if not queues or not self._answers or self.cloud.listed_at is None:
            return  # before the first list it is not known what is there already
        booting = Counter(node.label for node in nodes if _is_booting(node))
        strangers = self.view.strangers(self.provider.name)
        asked = Counter({pool.name: strangers for pool in self.provider.pools})
        asked.update(node.pool for node in nodes if node.asked is not None)
        limits = {pool.name: pool.max_servers for pool in self.provider.pools}
        budget = Budget(self.provider, self.cloud, nodes)
        while queues and booting.total() < self.provider.max_concurrency:
            label = min(queues, key=lambda each: booting[each])
            node = queues[label].popleft()
            if not queues[label]:
                del queues[label]
            limit = limits.get(node.pool)
            if limit is None or asked[node.pool] < limit:
                if lack := budget.take(node):
                    yield _failure(node, lack, self.now, wait=Wait.FOR_ROOM)
                    continue
                asked[node.pool] += 1
                booting[label] += 1
                yield self._creation(node, self.now, "the node is wanted")

    def _step(self, node: Node) -> Iterator[Action]:
        match node.state:
            case NodeState.BUILDING if node.asked is not None:
                yield from self._building(node, node.asked)
            case NodeState.TESTING:
                yield from self._broken(node) or self._testing(node)
            case NodeState.PREPARING:
                yield from self._broken(node) or self._preparing(node)
            case NodeState.READY | NodeState.IN_USE | NodeState.HOLD:
                yield from self._broken(node)
            case NodeState.FAILED:
                yield from self._failed(node)
            case NodeState.DELETING:
                yield from self._removal(
                    node, ForgetNode(at=self.now, why="its server is gone", node=node.id, version=node.version)
                )

    def _building(self, node: Node, recorded: float) -> Iterator[Action]:
        asked = self._in_our_time(recorded)
        server = self.cloud.server_of(node) if self.cloud.listed_after(asked) else None
        limit = self.provider.launch_timeout
        overdue = max(asked, self._led_since) + limit
        late = _failure(node, f"not running {limit:.0f} s after it was asked for", overdue)
        answered = max(asked, self.view.answered.get(node.id, 0.0))
        if server is None and self.cloud.listed_after(answered + SETTLE):
            yield from self._repetition(node, answered)
        elif server is None:
            yield late
        elif server.state is ServerState.ACTIVE and server.address is not None:
            yield MarkBooted(at=self.now, why="the server runs", node=node.id, version=node.version, server=server.id)
        elif server.state in {ServerState.ERROR, ServerState.STOPPED}:
            yield _failure(node, _fault(server), wait=Wait.FOR_ROOM if server.no_room else Wait.AFTER_RETRIES)
        elif server.lacks_address and self.now < overdue and self._answers:
            name, why = self.provider.name, "it runs, and cannot be reached yet"
            yield GiveAddress(at=self.now, why=why, node=node.id, version=node.version, provider=name, server=server.id)
            yield late
        else:
            yield late

    def _in_our_time(self, recorded: float) -> float:
        """Return when something happened that is on record: what is still to come was written before we led.

        Who wrote it had a clock that was ahead of ours, or it was our own before it was set back.
        """
        return recorded if recorded <= self.now + CLOCKS_DIFFER else self._led_since

    def _creation(self, node: Node, at: float, why: str) -> CreateServer:
        return CreateServer(at=at, why=why, node=node.id, version=node.version, provider=self.provider.name)

    def _repetition(self, node: Node, answered: float) -> Iterator[Action]:
        """Ask again, after a pause that doubles each time; a few attempts in vain are a failure."""
        if node.tries > self.provider.launch_retries:
            # It has had its retries already.
            yield _failure(node, f"no server came of {node.tries} requests", wait=Wait.AT_ONCE)
        elif self._answers:
            pause = min(SETTLE * 2.0 ** (node.tries - 1), LONGEST_PAUSE)
            yield self._creation(node, answered + pause, "no server came of the last request")

    def _broken(self, node: Node) -> list[Action]:
        """What a running node's server tells: nothing, or that the node is lost."""
        if node.server_id is None or not self.cloud.listed_after(self._in_our_time(node.state_since)):
            return []
        server = self.cloud.servers.get(node.server_id)
        counts = node.state in {NodeState.TESTING, NodeState.PREPARING}
        if server is None:
            return [_failure(node, "its server is gone, and not by us", counts=counts)]
        held = node.state is NodeState.HOLD  # an operator may well shut it down to look into it
        if server.state in {ServerState.ERROR, ServerState.STOPPED} and not held:
            return [_failure(node, _fault(server), counts=counts)]
        return []

    def _testing(self, node: Node) -> list[Action]:
        limit = self.provider.boot_timeout
        overdue = max(node.state_since, self._led_since) + limit
        late = _failure(node, f"no SSH login within {limit:.0f} s of its start", overdue)
        return [late] if self.now >= overdue else [TestLogin(at=self.now, node=node.id, version=node.version), late]

    def _preparing(self, node: Node) -> list[Action]:
        label = self.view.labels.get(node.label)
        limit = DEFAULT_SCRIPT_TIMEOUT if label is None else label.ready_script_timeout
        overdue = max(self._prepared_since(node), self._led_since) + limit
        if not self._may_prepare(node):
            return [_failure(node, f"its node set was not complete within {limit:.0f} s", overdue)]
        step = f", at: {node.script.step}" if node.script is not None and node.script.step else ""
        late = _failure(node, f"the ready-script did not end within {limit:.0f} s{step}", overdue)
        return [late] if self.now >= overdue else [Prepare(at=self.now, node=node.id, version=node.version), late]

    def _prepared_since(self, node: Node) -> float:
        """A primary's own time begins when the last of its sub-nodes is ready."""
        nodes = self.view.records.nodes
        ready = [nodes[sub].state_since for sub in node.subnodes if sub in nodes]
        own = node.script.started if node.script is not None else node.state_since
        return max([own, *ready])

    def _may_prepare(self, node: Node) -> bool:
        """Sub-nodes are prepared once the whole set can be reached; the primary when its sub-nodes are ready."""
        nodes = self.view.records.nodes
        if node.primary is None:
            return all(sub in nodes and nodes[sub].state is NodeState.READY for sub in node.subnodes)
        primary = nodes.get(node.primary)
        if primary is None:
            return False
        members = (primary.id, *primary.subnodes)
        return all(member in nodes and nodes[member].address is not None for member in members)

    def _failed(self, node: Node) -> Iterator[Action]:
        if node.asked is not None:
            yield from self._removal(
                node, DropServer(at=self.now, why="its server is gone", node=node.id, version=node.version)
            )
            return
        expires = node.state_since + self.view.config.failed_retention
        yield ForgetNode(at=expires, why="it failed long ago", node=node.id, version=node.version)

    def _removal(self, node: Node, gone: Action) -> Iterator[Action]:
        """Delete the server, and act on `gone` only when a list taken since shows that it is."""
        if node.asked is None:
            yield gone
            return
        server = self.cloud.server_of(node)
        answered = max(self._in_our_time(node.asked), self.view.answered.get(node.id, 0.0))
        if server is None:
            if self.cloud.listed_after(answered + (0.0 if node.server_id else SETTLE)):
                yield gone
        elif server.state is not ServerState.DELETING and self._answers:
            yield DeleteServer(
                at=self.cloud.deletable(server.id),
                why="the node has ended",
                node=node.id,
                version=node.version,
                provider=self.provider.name,
                server=server.id,
            )

    def _next_list(self, nodes: Iterable[Node]) -> ListServers:
        silent = self.view.provider_backoff(self.provider)
        if silent is not None:
            return ListServers(at=silent.next_try, why="it did not answer", provider=self.provider.name)
        if self.cloud.listed_at is None:
            return ListServers(at=self.now, why="it has not been asked yet", provider=self.provider.name)
        soon = self.cloud.listed_at + self.cloud.poll_interval
        if self.cloud.stale is not None:
            return ListServers(at=soon, why="something has just been asked for", provider=self.provider.name)
        idle = min(self.cloud.poll_interval * IDLE_POLLS, self.view.config.cleanup_interval)
        due = soon if any(_expects_change(node) for node in nodes) else self.cloud.listed_at + idle
        return ListServers(at=due, why="time to look", provider=self.provider.name)


def _failure(
    node: Node, why: str, at: float = 0.0, *, counts: bool = True, wait: Wait = Wait.AFTER_RETRIES
) -> FailNode:
    return FailNode(at=at, why=why, node=node.id, version=node.version, counts=counts, wait=wait)


def _is_booting(node: Node) -> bool:
    """It counts for `max-concurrency`; a ready-script, which may take hours, does not."""
    return node.asked is not None and node.state in {NodeState.BUILDING, NodeState.TESTING}


def _expects_change(node: Node) -> bool:
    moving = node.state in {NodeState.BUILDING, NodeState.DELETING, NodeState.TESTING}
    return (moving or node.state is NodeState.FAILED) and node.asked is not None


def _fault(server: Server) -> str:
    return f"its server is {server.state}: {server.fault or 'no reason given'}"
