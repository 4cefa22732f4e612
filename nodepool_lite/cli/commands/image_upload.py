"""`nodepool-lite image-upload`: ask for an upload."""

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import for_each, note
from nodepool_lite.cli.lazy import Exemplary


@click.command(
    "image-upload",
    cls=Exemplary,
    short_help="Upload the newest build of an image, now.",
    examples={
        "nodepool-lite image-upload local debian-12": "to one provider",
        "nodepool-lite image-upload debian-12 --provider local": "the same",
        "nodepool-lite image-upload debian-12": "to all providers that use it",
    },
)
@click.argument("words", nargs=-1, required=True, metavar="[PROVIDER] IMAGE", shell_complete=complete.provider_names)
@click.option("--provider", shell_complete=complete.provider_names, help="The provider, if not given as first word.")
@click.pass_obj
def command(app: App, words: tuple[str, ...], provider: str | None) -> None:
    """Ask the builders to upload the newest build of IMAGE, also one that was deleted there by hand."""
    from nodepool_lite.service.images import request_upload  # noqa: PLC0415 - completion does without
    from nodepool_lite.service.names import the_diskimage  # noqa: PLC0415

    named = (*([provider] if provider else []), *words)
    if len(named) > 2:  # noqa: PLR2004 - provider and image
        raise click.UsageError("expected a provider and an image")
    image = named[-1]
    diskimage = the_diskimage(app.config, image).name
    users = [each.name for each in app.config.providers if any(own.name == diskimage for own in each.diskimages)]
    with app.store() as store:

        def act(name: str) -> None:
            asked = request_upload(store, app.config, image, name, who=app.who, now=app.clock.now())
            for each in asked.notes:
                note(each)
            click.echo(f"{asked.name}: upload asked for")

        for_each(named[:-1] or users, act)
