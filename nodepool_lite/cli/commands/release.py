"""`nodepool-lite release`: give nodes back."""

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import for_each
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.model.lease import Lease
from nodepool_lite.model.node import Node


@click.command(
    "release",
    cls=Exemplary,
    short_help="Give leases or nodes back.",
    examples={
        "nodepool-lite release k7mp2x9q": "the lease and all its nodes",
        "nodepool-lite release 42": "one node; the lease ends with its last one",
    },
)
@click.argument(
    "names", nargs=-1, required=True, metavar="LEASE|NODE...", shell_complete=complete.recorded(Lease, Node)
)
@click.pass_obj
def command(app: App, names: tuple[str, ...]) -> None:
    """End leases. Their nodes are deleted, except those on hold; a waiting lease leaves the queue."""
    from nodepool_lite.service.leases import release  # noqa: PLC0415 - completion does without

    with app.store() as store:

        def act(name: str) -> None:
            done = release(store, name, app.who, app.clock.now())
            going = f"; being deleted: {', '.join(done.nodes)}" if done.nodes else ""
            click.echo(f"{done.lease}: {'ended' if done.ended else 'goes on with its other nodes'}{going}")

        for_each(names, act)
