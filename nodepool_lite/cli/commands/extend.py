"""`nodepool-lite extend`: keep a lease for longer."""

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.options import lasting
from nodepool_lite.cli.times import local, short


@click.command(
    "extend",
    cls=Exemplary,
    short_help="Keep a lease for longer.",
    examples={"nodepool-lite extend k7mp2x9q 2h": "two hours more"},
)
@click.argument("lease", shell_complete=complete.leases)
@click.argument("span", type=lasting, metavar="DURATION")
@click.pass_obj
def command(app: App, lease: str, span: float) -> None:
    """Move the end of an active lease by DURATION, such as 90m or 2h."""
    from nodepool_lite.service.leases import extend  # noqa: PLC0415 - completion does without

    with app.store() as store:
        longer = extend(store, app.config, lease, span, who=app.who, now=app.clock.now())
    end = longer.expires or app.clock.now()
    click.echo(f"{longer.id}: ends in {short(end - app.clock.now())}, at {local(end)}")
