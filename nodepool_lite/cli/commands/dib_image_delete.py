"""`nodepool-lite dib-image-delete`: delete builds."""

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import for_each, note
from nodepool_lite.cli.lazy import Exemplary


@click.command(
    "dib-image-delete",
    cls=Exemplary,
    short_help="Delete image builds.",
    examples={"nodepool-lite dib-image-delete debian-12-0000000001": "an id as `dib-image-list` shows it"},
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete.builds)
@click.pass_obj
def command(app: App, ids: tuple[str, ...]) -> None:
    """Delete the files of builds; one that is being built is stopped. Uploads of it stay and go on serving."""
    from nodepool_lite.service.images import delete_build  # noqa: PLC0415 - completion does without

    with app.store() as store:

        def act(name: str) -> None:
            done = delete_build(store, name, who=app.who, now=app.clock.now())
            click.echo(f"{done.name}: being deleted")
            for each in done.notes:
                note(each)

        for_each(ids, act)
