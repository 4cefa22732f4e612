"""Recording a failure: the node, the reason, and the back-off that follows, in one transaction."""

from nodepool_lite.actions.context import DONE, Again, Context, Outcome
from nodepool_lite.model.errors import CloudError, StoreConflictError
from nodepool_lite.model.node import PENDING, Node, NodeState
from nodepool_lite.model.pool import Backoff
from nodepool_lite.plan.backoff import CAPACITY_LIMIT, LAUNCH_FIRST, LAUNCH_LIMIT, Wait, grown
from nodepool_lite.plan.generation import config_source
from nodepool_lite.store.base import Write

UNRECORDED = 60.0
"""Seconds until what failed is tried again where the record of its back-off cannot be read, and so not be written."""
ATTEMPTS = 5
"""How often a failure is written anew because others changed the same back-off; then it goes without."""


def fail_node(ctx: Context, node: Node, reason: str, *, counts: bool = True, wait: Wait = Wait.AFTER_RETRIES) -> None:
    """Record that `node` failed.

    Args:
        ctx: The worker's context.
        node: The node as it was read, with what else is to be recorded.
        reason: One sentence for people.
        counts: Whether it tells something about the label at this provider, so that the back-off grows.
        wait: From which failure on, and how long, the next attempt waits.

    Raises:
        StoreConflictError: the node has changed since it was read.
    """
    now, reason = ctx.clock.now(), ctx.public(reason)
    node = _with_console(ctx, node, now)
    failed = Write("update", node.to(NodeState.FAILED, now, reason, error=reason))
    for _ in range(ATTEMPTS - 1):
        writes = _backoff(ctx, node, reason, now, wait) if counts and node.state in PENDING else []
        try:
            ctx.store.transact([failed, *writes])
            break
        except StoreConflictError:
            known = ctx.store.find(Node, node.id)
            if not writes or known is None or known.version != node.version:
                raise  # not only another failure's back-off
    else:
        ctx.store.transact([failed])
    ctx.notes.pop(node.id, None)
    ctx.log.warning("node.failed", node=node.id, label=node.label, provider=node.provider, reason=reason)


def backoff_write(ctx: Context, before: Backoff | None, after: Backoff) -> list[Write]:
    """Return the write of a back-off; none where a record that cannot be read has its place, which is left alone."""
    if after.id in ctx.store.snapshot().unreadable(Backoff):
        return []
    return [Write("create" if before is None else "update", after)]


def paced(ctx: Context, backoff: str, reason: str) -> Outcome:
    """Return the outcome of what failed: done, for its back-off is on record; or a pause, where that cannot be."""
    return Again(UNRECORDED, reason) if backoff in ctx.store.snapshot().unreadable(Backoff) else DONE


def _backoff(ctx: Context, node: Node, reason: str, now: float, wait: Wait) -> list[Write]:
    provider = ctx.config().provider(node.provider)
    shape = config_source(ctx.config(), node.label, node.provider, node.pool)
    if provider is None or shape is None:
        return []
    name = shape.backoff_id
    before = ctx.store.find(Backoff, name)
    after = grown(
        before,
        name,
        reason,
        now,
        fingerprint=shape.fingerprint,
        first=LAUNCH_FIRST,
        limit=CAPACITY_LIMIT if wait is Wait.FOR_ROOM else LAUNCH_LIMIT,
        free=provider.launch_retries if wait is Wait.AFTER_RETRIES else 0,
        began=node.created,
    )
    return backoff_write(ctx, before, after)


def _with_console(ctx: Context, node: Node, now: float) -> Node:
    """Return the node with its server's console log kept on this host, and with its end told in the history."""
    cloud = ctx.sightings.clouds().get(node.provider)
    server = None if cloud is None else cloud.server_of(node)
    server_id = node.server_id or (None if server is None else server.id)
    if server_id is None or not _wants_console(ctx, node):
        return node
    try:
        text = ctx.driver(node.provider).console_log(server_id)
        if text:
            directory = ctx.node_logs(node.id)
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "console.log").write_text(text)
            return node.noted(now, f"its console log is kept; it ends: {ctx.public(tail(text))}")
    except (CloudError, OSError) as error:
        ctx.log.warning("console.lost", node=node.id, reason=str(error))
    return node


def tail(text: str) -> str:
    """Return the last line of a console log that says something, at most 200 characters of it."""
    lines = (" ".join(line.split()) for line in reversed(text.splitlines()))
    return next((line[:200] for line in lines if line), "(nothing)")


def _wants_console(ctx: Context, node: Node) -> bool:
    source = config_source(ctx.config(), node.label, node.provider, node.pool)
    return source is None or source.machine(node.made_as).settings.console_log
