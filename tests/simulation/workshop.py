"""disk-image-create in the simulation: it takes a while, tells its phases, may fail, and leaves files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nodepool_lite.actions.dib.recipe import Recipe
from nodepool_lite.clouds.driver import ImageSpec
from nodepool_lite.model.errors import BuildFailedError, BuildStoppedError
from nodepool_lite.model.image import Build, ImageFile
from nodepool_lite.store.memory import MemoryStore
from nodepool_lite.testing import make_build, make_upload
from tests.simulation.premises import FORMATS, POOL_ID, Door

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.universe import Universe

PHASES = ("root.d", "install.d", "finalise.d")
LONGEST = 30.0
"""Seconds of one phase, at most."""


def build(process: "Process", recipe: Recipe, on_phase: Callable[[str], None]) -> tuple[ImageFile, ...]:
    """Build it, as long as the process lives and is not told to stop."""
    for phase in PHASES:
        process.point(process.draw() * LONGEST * process.universe.pace)
        if process.ctx.stop.is_set():
            raise BuildStoppedError("the builder stops")
        on_phase(phase)
    universe = process.universe
    if recipe.diskimage.name == universe.unbuildable or universe.weather.strikes(universe.weather.bad_boots):
        raise BuildFailedError("no mirror has what it needs")
    files = []
    for each in recipe.formats:
        files.append(_file(recipe.output, each))
        process.point(0.0)
    return tuple(files)


def had_before(universe: "Universe") -> None:
    """Give the pool its images, as if it had built and uploaded them before."""
    host = universe.random.choice(universe.hosts)
    live = host.live()
    store = universe.server.connect()
    for image in live.config.diskimages:
        if image.name == universe.unbuildable:
            continue
        doors = [each for each in universe.premises.doors if image.name in each.labels]
        formats = tuple(dict.fromkeys(FORMATS[door.name][0] for door in doors))
        fields = {"builder": host.name, "fingerprint": live.recipes[image.name], "formats": formats}
        made = store.create_numbered(make_build(diskimage=image.name, **fields), under=image.name)
        output = live.config.images_dir / made.name
        build = store.update(made.but(files=tuple(_file(output, each) for each in formats)))
        for door in doors:
            _upload_before(universe, store, build, door)


def _upload_before(universe: "Universe", store: MemoryStore, build: Build, door: Door) -> None:
    cloud, upload_id = universe.clouds[door.name], f"{build.id}/{door.name}"
    spec = ImageSpec(
        pool_id=POOL_ID, upload_id=upload_id, name=upload_id, path=Path("x"), format=FORMATS[door.name][0], sha256=""
    )
    image_id = cloud.add_image(spec)
    cloud.complete_image(image_id)
    upload = make_upload(diskimage=build.diskimage, provider=door.name, builder=build.builder, image_id=image_id)
    store.create(upload.but(id=upload_id, build=build.id, image_name=upload_id, format=spec.format))


def _file(output: Path, image_format: str) -> ImageFile:
    path = output.with_name(f"{output.name}.{image_format}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return ImageFile(format=image_format, path=str(path), size=5, sha256="0" * 64, md5="0" * 32)
