"""`nodepool-lite image-list`: the images at the providers."""

from collections.abc import Sequence

import click

from nodepool_lite.cli.app import App
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.listing import Column
from nodepool_lite.cli.times import age
from nodepool_lite.cli.watching import Listing, listing
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.image import Upload, UploadState


def columns(clock: Clock) -> Sequence[Column[Upload]]:
    """Return the columns of an upload: those of the old listing in their order, then ours."""
    return (
        Column("ID", lambda upload: upload.name),
        Column("Provider", lambda upload: upload.provider, rank=50),
        Column("Image", lambda upload: upload.diskimage, rank=55),
        Column("Hostname", lambda upload: upload.image_name, rank=60),
        Column("Version", lambda upload: upload.build.rpartition("/")[2], rank=65),
        Column("Image-ID", lambda upload: upload.image_id, rank=40),
        Column("Server-ID", lambda _upload: "", rank=90),
        Column("State", lambda upload: upload.state.value),
        Column("Age", lambda upload: age(clock.now() - upload.state_since), moves=True),
        Column("Format", lambda upload: upload.format, rank=30),
        Column("Comment", _comment, rank=10),
    )


def _comment(upload: Upload) -> str:
    return f"{upload.progress} %" if upload.state is UploadState.UPLOADING else upload.error


@click.command(
    "image-list",
    cls=Exemplary,
    short_help="The images as the providers have them.",
    examples={
        "nodepool-lite image-list": "which build is known to which provider",
        "nodepool-lite image-list --detail": "with the names and ids that the provider uses",
    },
)
@listing
@click.pass_obj
def command(app: App, listing: Listing) -> None:
    """Print the uploaded images. Hostname is the name that the image has at its provider."""
    listing.show(
        app, (Upload,), columns(app.clock), lambda records: sorted(records.uploads.values(), key=lambda each: each.id)
    )
