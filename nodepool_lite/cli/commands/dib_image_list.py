"""`nodepool-lite dib-image-list`: the builds of images."""

import os
from collections.abc import Sequence

import click

from nodepool_lite.cli.app import App
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.listing import Column
from nodepool_lite.cli.times import age
from nodepool_lite.cli.watching import Listing, listing
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.image import Build, Upload
from nodepool_lite.model.pool import Member, Request
from nodepool_lite.service.images import ListedBuild, listed_builds


def columns(clock: Clock) -> Sequence[Column[ListedBuild]]:
    """Return the columns of a build: those of the old listing in their order, then ours."""
    return (
        Column("ID", lambda row: row.build.name),
        Column("Image", lambda row: row.build.diskimage, rank=60),
        Column("Filename", lambda row: filename(row.build), rank=50),
        Column("Version", lambda row: row.build.number, rank=70),
        Column("State", lambda row: row.build.state.value),
        Column("Age", lambda row: age(clock.now() - row.build.state_since), moves=True),
        Column("Builder", lambda row: row.build.builder, rank=40),
        Column("Formats", lambda row: list(row.build.formats), rank=30),
        Column("Comment", lambda row: row.comment, rank=10),
    )


def filename(build: Build) -> str:
    """Return the path of the build's files, without the ending that tells the format."""
    return os.path.splitext(build.files[0].path)[0] if build.files else ""  # noqa: PTH122 - a name may hold dots


@click.command(
    "dib-image-list",
    cls=Exemplary,
    short_help="The image builds.",
    examples={
        "nodepool-lite dib-image-list": "builds, running and finished",
        "nodepool-lite dib-image-list --watch": "see what disk-image-create is doing",
    },
)
@listing
@click.pass_obj
def command(app: App, listing: Listing) -> None:
    """Print the runs of disk-image-create, their files and states."""
    kinds = (Build, Upload, Member, Request)
    listing.show(app, kinds, columns(app.clock), lambda records: listed_builds(records, app.config))
