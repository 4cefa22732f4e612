"""`nodepool-lite unhold`: let go of nodes that were kept."""

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import for_each
from nodepool_lite.cli.lazy import Exemplary


@click.command(
    "unhold",
    cls=Exemplary,
    short_help="End a hold: the nodes are deleted.",
    examples={"nodepool-lite unhold 42": "node 0000000042 is not needed any more"},
)
@click.argument("nodes", nargs=-1, required=True, metavar="NODE...", shell_complete=complete.nodes)
@click.pass_obj
def command(app: App, nodes: tuple[str, ...]) -> None:
    """End the hold of nodes. They are deleted, because a node that somebody looked into is not pristine."""
    from nodepool_lite.service.nodes import unhold  # noqa: PLC0415 - completion does without

    with app.store() as store:

        def act(name: str) -> None:
            ids = unhold(store, name, who=app.who, now=app.clock.now())
            click.echo(f"{', '.join(ids)}: being deleted")

        for_each(nodes, act)
