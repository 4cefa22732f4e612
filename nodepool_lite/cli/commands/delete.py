"""`nodepool-lite delete`: remove nodes."""

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import for_each, note
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.options import duration


@click.command(
    "delete",
    cls=Exemplary,
    short_help="Delete nodes; the pool makes new ones.",
    examples={
        "nodepool-lite delete 42": "node 0000000042 and its sub-nodes",
        "nodepool-lite delete --now 42 43": "and wait until they are gone",
    },
)
@click.argument("nodes", nargs=-1, required=True, metavar="NODE...", shell_complete=complete.nodes)
@click.option("--now", is_flag=True, help="Return only when they are gone.")
@click.option("--wait", type=duration, default="10m", show_default=True, help="How long --now has patience.")
@click.pass_obj
def command(app: App, nodes: tuple[str, ...], *, now: bool, wait: float) -> None:
    """Delete nodes, whatever their state; a lease that has no node left ends. A NODE is an id or a host name."""
    from nodepool_lite.service.nodes import await_gone, delete  # noqa: PLC0415 - completion does without

    with app.store(watch=now) as store:
        doomed: list[str] = []

        def act(name: str) -> None:
            ids = delete(store, name, who=app.who, now=app.clock.now())
            if not now:
                click.echo(f"{', '.join(ids)}: being deleted")
            doomed.extend(ids)

        failure: click.exceptions.Exit | None = None
        try:
            for_each(nodes, act)
        except click.exceptions.Exit as leave:
            failure = leave
        if now and doomed:
            note(f"waiting for the end of {', '.join(doomed)}")
            await_gone(store, app.clock, doomed, wait)
            click.echo(f"{', '.join(doomed)}: gone")
        if failure:
            raise failure
