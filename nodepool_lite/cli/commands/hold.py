"""`nodepool-lite hold`: keep nodes from being deleted."""

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import for_each
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.options import lasting, words
from nodepool_lite.cli.times import local


@click.command(
    "hold",
    cls=Exemplary,
    short_help="Keep nodes, whatever happens to their lease.",
    examples={
        "nodepool-lite hold 42 --reason 'bug 1234'": "until somebody deletes it",
        "nodepool-lite hold 42 --reason 'bug 1234' --for 8h": "until tonight",
    },
)
@click.argument("nodes", nargs=-1, required=True, metavar="NODE...", shell_complete=complete.nodes)
@click.option(
    "--reason", required=True, type=words, metavar="TEXT", help="Why; shown in the list and in the node's history."
)
@click.option(
    "--for",
    "span",
    type=lasting,
    metavar="DURATION",
    help="How long, e.g. 8h; at most max-hold-age. Then it is deleted.",
)
@click.pass_obj
def command(app: App, nodes: tuple[str, ...], *, reason: str, span: float | None) -> None:
    """Put ready or taken nodes aside, so that neither a lease's end nor a new image deletes them."""
    from nodepool_lite.service.nodes import hold  # noqa: PLC0415 - completion does without

    config = app.config
    with app.store() as store:

        def act(name: str) -> None:
            for node in hold(store, config, name, reason=reason, who=app.who, now=app.clock.now(), seconds=span):
                until = "until it is deleted" if node.hold_until is None else f"until {local(node.hold_until)}"
                click.echo(f"{node.id}: on hold {until}")

        for_each(nodes, act)
