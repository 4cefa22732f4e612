"""`nodepool-lite provider-list`: where servers come from."""

from collections.abc import Sequence

import click

from nodepool_lite.cli.app import App
from nodepool_lite.cli.commands.label_list import until
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.listing import Column
from nodepool_lite.cli.times import stamp
from nodepool_lite.cli.watching import Listing, listing
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.node import Node
from nodepool_lite.model.pool import Backoff, Leader
from nodepool_lite.service.status import ProviderStatus, status


def columns(clock: Clock) -> Sequence[Column[ProviderStatus]]:
    """Return the columns of a provider."""
    return (
        Column("Provider", lambda each: each.name),
        Column("Driver", lambda each: each.driver),
        Column("Servers", lambda each: each.servers),
        Column("Max-Servers", lambda each: each.max_servers),
        Column("Launching", lambda each: each.launching),
        Column("Launcher", lambda each: each.leader.partition("/")[0], rank=30),
        Column("Next-Try", lambda each: until(each.next_try, clock), machine=lambda each: stamp(each.next_try), rank=9),
        Column("Error", lambda each: each.error, rank=8),
    )


@click.command(
    "provider-list",
    cls=Exemplary,
    short_help="Where servers come from, and how full it is there.",
    examples={"nodepool-lite provider-list": "one line for each provider"},
)
@listing
@click.pass_obj
def command(app: App, listing: Listing) -> None:
    """Print the providers, their servers, and which launcher drives them."""
    config = app.config
    listing.show(app, (Node, Backoff, Leader), columns(app.clock), lambda records: status(records, config).providers)
