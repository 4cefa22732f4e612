"""Recording a failure: the node, the reason, and the back-off that follows, in one transaction."""

from nodepool_lite.actions.context import Context
from nodepool_lite.model.errors import CloudError
from nodepool_lite.model.node import PENDING, Node, NodeState
from nodepool_lite.plan.backoff import LAUNCH_FIRST, LAUNCH_LIMIT, grown
from nodepool_lite.plan.generation import config_source
from nodepool_lite.store.base import Snapshot, Write


def fail_node(ctx: Context, node: Node, reason: str, *, counts: bool = True, retry_at_once: bool = True) -> None:
    """Record that `node` failed.

    Args:
        ctx: The worker's context.
        node: The node as it was read.
        reason: One sentence for people.
        counts: Whether it tells something about the label at this provider, so that the back-off grows.
        retry_at_once: Whether the provider's `launch-retries` apply, or the wait begins with this failure.
    """
    _keep_console(ctx, node)
    now = ctx.clock.now()
    records = ctx.store.snapshot()
    writes = [Write("update", node.to(NodeState.FAILED, now, reason, error=reason))]
    if counts and node.state in PENDING:
        writes += _backoff(ctx, records, node, reason, now, retry_at_once=retry_at_once)
    ctx.store.transact(writes)
    ctx.notes.pop(node.id, None)
    ctx.log.warning("node.failed", node=node.id, label=node.label, provider=node.provider, reason=reason)


def _backoff(
    ctx: Context, records: Snapshot, node: Node, reason: str, now: float, *, retry_at_once: bool
) -> list[Write]:
    provider = ctx.config().provider(node.provider)
    shape = config_source(ctx.config(), node.label, node.provider, node.pool)
    if provider is None or shape is None:
        return []
    name = shape.backoff_id
    before = records.backoffs.get(name)
    after = grown(
        before,
        name,
        reason,
        now,
        fingerprint=shape.fingerprint,
        first=LAUNCH_FIRST,
        limit=LAUNCH_LIMIT,
        free=provider.launch_retries if retry_at_once else 0,
        began=node.created,
    )
    return [Write("create" if before is None else "update", after)]


def _keep_console(ctx: Context, node: Node) -> None:
    """Save the console log of a failed node on this host, if there is one to be had."""
    if node.server_id is None:
        return
    try:
        text = ctx.driver(node.provider).console_log(node.server_id)
    except CloudError as error:
        ctx.log.debug("console.unreadable", node=node.id, reason=str(error))
        return
    if text:
        directory = ctx.node_logs(node.id)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "console.log").write_text(text)
