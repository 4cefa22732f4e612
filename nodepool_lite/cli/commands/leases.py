"""`nodepool-lite leases`: who has which nodes, and who waits."""

from collections.abc import Sequence

import click

from nodepool_lite.cli.app import App
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.listing import Column
from nodepool_lite.cli.times import age, short, stamp
from nodepool_lite.cli.watching import Listing, listing
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.store.base import Snapshot


def columns(clock: Clock) -> Sequence[Column[Lease]]:
    """Return the columns of a lease."""
    return (
        Column("ID", lambda lease: lease.id),
        Column("Label", lambda lease: lease.label),
        Column("Count", lambda lease: lease.count, rank=60),
        Column("Nodes", lambda lease: list(lease.nodes), rank=30),
        Column("Owner", lambda lease: lease.owner),
        Column("State", lambda lease: lease.state.value),
        Column("Age", lambda lease: age(clock.now() - lease.state_since), moves=True),
        Column("Expires", lambda lease: _left(lease, clock), machine=lambda lease: stamp(lease.expires), rank=20),
        Column("Reason", lambda lease: lease.end_reason or lease.reason, rank=10),
    )


def _left(lease: Lease, clock: Clock) -> str:
    if lease.state is not LeaseState.ACTIVE or lease.expires is None:
        return ""
    left = lease.expires - clock.now()
    return f"in {short(left)}" if left > 0 else "overdue"


@click.command(
    "leases",
    cls=Exemplary,
    short_help="Who has which nodes, and who waits for some.",
    examples={
        "nodepool-lite leases": "those that wait or are active",
        "nodepool-lite leases --all -f json": "the ended ones too, with the reason of their end",
    },
)
@click.option("-a", "--all", "everything", is_flag=True, help="Ended leases too, as long as they are remembered.")
@listing
@click.pass_obj
def command(app: App, listing: Listing, *, everything: bool) -> None:
    """Print the leases in the order in which they were asked for."""

    def rows(records: Snapshot) -> list[Lease]:
        chosen = (each for each in records.leases.values() if everything or each.state is not LeaseState.ENDED)
        return sorted(chosen, key=lambda lease: lease.order)

    listing.show(app, (Lease,), columns(app.clock), rows)
