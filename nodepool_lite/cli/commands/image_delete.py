"""`nodepool-lite image-delete`: delete images at their providers."""

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import for_each, note
from nodepool_lite.cli.lazy import Exemplary


@click.command(
    "image-delete",
    cls=Exemplary,
    short_help="Delete uploaded images.",
    examples={"nodepool-lite image-delete debian-12-0000000001-local": "an id as `image-list` shows it"},
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete.uploads)
@click.pass_obj
def command(app: App, ids: tuple[str, ...]) -> None:
    """Delete images at their providers. The build stays; it is not uploaded there again unless asked for."""
    from nodepool_lite.service.images import delete_upload  # noqa: PLC0415 - completion does without

    with app.store() as store:

        def act(name: str) -> None:
            done = delete_upload(store, name, who=app.who, now=app.clock.now())
            click.echo(f"{done.name}: being deleted")
            for each in done.notes:
                note(each)

        for_each(ids, act)
