"""`nodepool-lite image-log`: what disk-image-create printed."""

import os
import socket
from pathlib import Path

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note
from nodepool_lite.cli.following import follow_file, print_file
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.model.errors import NodepoolError, NoSuchThingError
from nodepool_lite.model.image import Build, BuildState
from nodepool_lite.store.base import Store


@click.command(
    "image-log",
    cls=Exemplary,
    short_help="What disk-image-create printed.",
    examples={
        "nodepool-lite image-log debian-12 --follow": "of the newest build of this image, until it ends",
        "nodepool-lite image-log debian-12-0000000001": "of one build",
    },
)
@click.argument("name", metavar="NAME|BUILD", shell_complete=complete.anything(complete.diskimages, Build))
@click.option("--follow", is_flag=True, help="Go on until the build has ended.")
@click.pass_obj
def command(app: App, name: str, *, follow: bool) -> None:
    """Print the log of a build. It is on the host that built it."""
    with app.store(watch=follow) as store:
        build = _find(app, store, name)
        path = Path(build.log)
        if not build.log or not (os.path.exists(path) or follow):  # noqa: PTH110 - Path.exists raises where this user may not look
            where = "on this host" if build.builder == socket.gethostname() else f"here; {build.builder} built it"
            raise NodepoolError(f"{build.name}: there is no log {build.log or ''} {where}")
        if not follow:
            print_file(path)
            return
        follow_file(path, app.clock, lambda: _ended(store, build.id))
        ended = store.snapshot().builds.get(build.id)
        note(f"{build.name}: {'gone' if ended is None else f'{ended.state} {ended.error}'.strip()}")


def _find(app: App, store: Store, name: str) -> Build:
    from nodepool_lite.service.names import image_named, the_diskimage  # noqa: PLC0415 - completion does without

    builds = store.read(Build).builds
    found = image_named(builds, name)
    if found is not None:
        return found
    diskimage = the_diskimage(app.config, name).name
    own = [build for build in builds.values() if build.diskimage == diskimage]
    if not own:
        raise NoSuchThingError(f"{diskimage} was not built yet; `nodepool-lite status` tells why")
    return max(own, key=lambda build: build.id)


def _ended(store: Store, build_id: str) -> bool:
    build = store.snapshot().builds.get(build_id)
    return build is None or build.state is not BuildState.BUILDING
