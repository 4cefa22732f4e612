"""`nodepool-lite list`: the nodes."""

from collections.abc import Sequence

import click

from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note
from nodepool_lite.cli.layout import one_line
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.listing import Column
from nodepool_lite.cli.times import age, when
from nodepool_lite.cli.watching import Listing, listing
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.pool import Backoff
from nodepool_lite.service.status import status
from nodepool_lite.store.base import Store


def columns(clock: Clock) -> Sequence[Column[Node]]:
    """Return the columns of a node: those of the old listing in their order, then ours."""
    return (
        Column("ID", lambda node: node.id),
        Column("Provider", lambda node: node.provider, rank=50),
        Column("AZ", lambda node: node.az, rank=70),
        Column("Label", lambda node: node.label),
        Column("Target", lambda _node: "", rank=92),
        Column("Manager", lambda _node: "", rank=91),
        Column("Hostname", lambda node: node.hostname, rank=60),
        Column("NodeName", lambda node: node.hostname, rank=90),
        Column("Server-ID", lambda node: node.server_id, rank=80),
        Column("IP", lambda node: node.address, rank=40),
        Column("State", lambda node: node.state.value),
        Column("Age", lambda node: age(clock.now() - node.state_since), moves=True),
        Column("Port", lambda node: node.port if node.address else None, rank=75),
        Column("Member", lambda node: node.member, rank=78),
        Column("Lease", lambda node: node.lease, rank=20),
        Column("Comment", comment, rank=10),
    )


def comment(node: Node) -> str:
    """Return what is worth knowing about the state that a node is in."""
    match node.state:
        case NodeState.HOLD:
            return node.hold_reason
        case NodeState.FAILED:
            return node.error
        case NodeState.PREPARING if node.script is not None:
            return node.script.step or node.script.name
        case NodeState.DELETING if node.history:
            return node.history[-1].reason
        case NodeState.BUILDING if len(node.history) > 1:
            return node.history[-1].reason  # the first one is why it is wanted
    place = f"sub-node of {node.primary}" if node.primary else ""
    return f"{node.member}, {place or 'the primary of its set'}" if node.member else place


@click.command(
    "list",
    cls=Exemplary,
    short_help="The nodes, their states and ages.",
    examples={
        "nodepool-lite list": "as much as fits on the terminal",
        "nodepool-lite list --watch": "the same, going on",
        "nodepool-lite list -f value --column ID --column State": "for a script",
    },
)
@listing
@click.pass_obj
def command(app: App, listing: Listing) -> None:
    """Print the nodes, the oldest first. Age (DD:HH:MM:SS) is the time in the present state.

    On stderr, why there are not more: what keeps a label from having the nodes that it should have.
    """
    listing.show(
        app,
        (Node, Backoff),
        columns(app.clock),
        lambda records: sorted(records.nodes.values(), key=lambda node: node.id),
        lambda store, records: _tell_what_is_missing(app, store) if records.backoffs else None,
    )


def _tell_what_is_missing(app: App, store: Store) -> None:
    """Say why labels have fewer nodes than they should, and when that is tried again."""
    for label in status(store.read(), app.config).labels:
        if label.error and label.ready < label.wanted:
            again = "" if label.next_try is None else f" (next try {when(label.next_try, app.clock.now())})"
            note(f"label {label.name}: {one_line(label.error)}{again}")
