"""Making a reachable node ready: info files, then the ready-script, followed as it runs."""

from pathlib import Path

from nodepool_lite.access.script import ScriptStart, ScriptStatus, last_step, tail_reason
from nodepool_lite.actions.context import DONE, Again, Context, Outcome
from nodepool_lite.actions.failures import fail_node
from nodepool_lite.actions.nodes import current
from nodepool_lite.actions.verifying import CHECK_PAUSE, CHECK_TRIES, script_environment, verify_node
from nodepool_lite.config.scripts import label_files
from nodepool_lite.model.errors import AccessError, HostKeyMismatchError, RemoteError, ScriptFileError, VerifyError
from nodepool_lite.model.node import Node, NodeState, ScriptRun
from nodepool_lite.model.pool import Backoff
from nodepool_lite.plan.actions import Prepare
from nodepool_lite.store.base import Write

POLL = 1.0
"""Seconds between two looks at a running script."""
STEP_INTERVAL = 5.0
"""Seconds between two records of a script's progress."""


def prepare(ctx: Context, action: Prepare) -> Outcome:
    """Take one look at the node and do the next thing: write the info files, start the script, or read its output."""
    node = current(ctx, action)
    if node is None:
        return DONE
    try:
        if node.script is None:
            return _without_script(ctx, node)
        return _follow(ctx, node, node.script)
    except (HostKeyMismatchError, RemoteError, ScriptFileError) as error:
        fail_node(ctx, node, str(error))
        return DONE
    except AccessError as error:
        ctx.notes[node.id] = str(error)
        return Again(2.0, str(error))


def _without_script(ctx: Context, node: Node) -> Outcome:
    ctx.reach(node).write_info(node, _members(ctx, node))
    files = label_files(ctx.config(), ctx.config().label(node.label), "")
    if files:
        ctx.reach(node).place_scripts(node, files)
    return _verified(ctx, node, "no ready-script to run")


def _follow(ctx: Context, node: Node, run: ScriptRun) -> Outcome:
    log = ctx.node_logs(node.id) / "ready-script.log"
    offsets = ctx.node_logs(node.id) / "ready-script.offset"
    offset = _offset(offsets, run.run_id)
    status = ctx.reach(node).poll_script(node, run.run_id, offset)
    if status.output:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(status.output)
        offsets.write_text(f"{run.run_id} {status.offset}")
    if not status.started:
        return _start(ctx, node, run)
    if status.exit_status is None and not status.lost:
        if status.output:
            _note_step(ctx, node, run)
        return Again(POLL if not status.output else POLL / 2, "the ready-script runs")
    if status.output:
        return Again(0.0, "there may be more output to read")
    return _finished(ctx, node, run, status)


def _start(ctx: Context, node: Node, run: ScriptRun) -> Outcome:
    label = ctx.config().label(node.label)
    files = label_files(ctx.config(), label, run.name)
    ctx.reach(node).write_info(node, _members(ctx, node))
    start = ScriptStart(
        run_id=run.run_id,
        name=run.name,
        files=files,
        hostname=node.hostname,
        environment=script_environment(ctx, node, label),
    )
    ctx.reach(node).start_script(node, start)
    ctx.log.info("script.started", node=node.id, script=run.name, run=run.run_id)
    return Again(POLL, "the ready-script was started")


def _finished(ctx: Context, node: Node, run: ScriptRun, status: ScriptStatus) -> Outcome:
    now = ctx.clock.now()
    if status.exit_status == 0:
        ended = run.but(finished=now, exit_status=0, step="")
        return _verified(ctx, node, f"ready-script {run.name} succeeded", script=ended)
    what = "was cut short: the node was restarted" if status.lost else f"ended with status {status.exit_status}"
    detail = tail_reason(_public(ctx, _tail(ctx, node)))
    reason = f"ready-script {run.name} {what}" + (f": {detail}" if detail else "")
    label = ctx.config().label(node.label)
    number = int(run.run_id.rpartition("-")[2])
    if label is not None and number <= label.ready_script_retries:
        again = ScriptRun(name=run.name, run_id=f"{node.id}-{number + 1}", started=now)
        ctx.store.update(node.noted(now, f"{reason}; trying again", script=again))
        return DONE
    ended = run.but(finished=now, exit_status=status.exit_status)
    fail_node(ctx, node.but(script=ended), reason)
    return DONE


def _verified(ctx: Context, node: Node, reason: str, **changes: object) -> Outcome:
    """The node is ready if its verify-script says so; one that does not within a few tries has failed."""
    try:
        name = verify_node(ctx, node)
    except VerifyError as error:
        tries = int(ctx.notes.get(f"verify {node.id}", "0")) + 1
        ctx.notes[f"verify {node.id}"] = str(tries)
        if tries < CHECK_TRIES:
            return Again(CHECK_PAUSE, str(error))
        ctx.notes.pop(f"verify {node.id}", None)
        fail_node(ctx, node.but(**changes), f"{reason}, but {error}")
        return DONE
    ctx.notes.pop(f"verify {node.id}", None)
    _ready(ctx, node, f"{reason}, and so did {name}" if name else reason, **changes)
    return DONE


def _ready(ctx: Context, node: Node, reason: str, **changes: object) -> None:
    """The node is ready; what kept its label waiting at this provider is over."""
    now = ctx.clock.now()
    writes = [Write("update", node.to(NodeState.READY, now, reason, **changes))]
    backoff = ctx.store.find(Backoff, f"launch/{node.label}@{node.provider}")
    if backoff is not None:
        writes.append(Write("delete", backoff))
    ctx.store.transact(writes)
    ctx.sightings.login(node.id, now)
    ctx.notes.pop(node.id, None)
    ctx.log.info(
        "node.ready", node=node.id, label=node.label, provider=node.provider, seconds=round(now - node.created, 3)
    )


def _note_step(ctx: Context, node: Node, run: ScriptRun) -> None:
    """Record the step; of more than what came just now, because a step holds until the next, whatever noise follows."""
    step = last_step(_public(ctx, _tail(ctx, node)))
    key = f"step {node.id}"
    now = ctx.clock.now()
    if step and step != run.step and now - float(ctx.notes.get(key, "0")) >= STEP_INTERVAL:
        ctx.notes[key] = str(now)
        ctx.store.update(node.but(script=run.but(step=step[:200])))


def _members(ctx: Context, node: Node) -> tuple[Node, ...]:
    """Return the node set, the primary first; a node that stands alone is its own set."""
    nodes = ctx.store.snapshot().nodes
    primary = nodes.get(node.set_id, node)
    return (primary, *(nodes[sub] for sub in primary.subnodes if sub in nodes))


def _offset(file: Path, run_id: str) -> int:
    """Return how much of this run's output this host has read."""
    if not file.exists():
        return 0
    kept_run, _, offset = file.read_text().partition(" ")
    return int(offset) if kept_run == run_id and offset.isdigit() else 0


def _public(ctx: Context, output: bytes) -> bytes:
    """Return output without secrets: before it is cut, or a part of one would stay."""
    return ctx.public(output.decode(errors="replace")).encode()


def _tail(ctx: Context, node: Node) -> bytes:
    log = ctx.node_logs(node.id) / "ready-script.log"
    return log.read_bytes()[-65536:] if log.exists() else b""
