"""`nodepool-lite stop-host`: take this host out of service."""

import click

from nodepool_lite.cli.app import App
from nodepool_lite.cli.lazy import Exemplary


@click.command(
    "stop-host",
    cls=Exemplary,
    short_help="Delete the pool's servers that run on this host.",
    examples={"nodepool-lite stop-host --yes": "after the daemon was stopped; taken nodes end as well"},
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(app: App, *, yes: bool) -> None:
    """End every server of the qemu providers on this host, and remove what dead builds left.

    For use while the daemon is stopped. The next daemon finds that the servers are gone and makes new nodes.
    """
    from nodepool_lite.actions.teardown import stop_host  # noqa: PLC0415 - the drivers are for this alone

    if not yes:
        click.confirm("End all servers on this host, also those that people use?", abort=True, err=True)
    for removed in stop_host(app.config, app.clock):
        click.echo(removed)
