"""`nodepool-lite image-build`: ask for a new build."""

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note
from nodepool_lite.cli.lazy import Exemplary


@click.command(
    "image-build",
    cls=Exemplary,
    short_help="Build an image anew, now.",
    examples={
        "nodepool-lite image-build debian-12": "even when it is paused or not old enough",
        "nodepool-lite image-log debian-12 --follow": "see how it goes",
    },
)
@click.argument("name", shell_complete=complete.diskimage_names)
@click.pass_obj
def command(app: App, name: str) -> None:
    """Ask the builders to build diskimage NAME; they upload it when it is ready."""
    from nodepool_lite.service.images import request_build  # noqa: PLC0415 - completion does without

    with app.store() as store:
        asked = request_build(store, app.config, name, who=app.who, now=app.clock.now())
    for each in asked.notes:
        note(each)
    click.echo(f"{asked.name}: build asked for")
