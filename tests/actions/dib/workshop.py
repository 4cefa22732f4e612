"""A place to build tiny images in, and a look at what a build leaves of itself on the host."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from nodepool_lite.actions.dib import devices
from nodepool_lite.actions.dib.recipe import Recipe
from nodepool_lite.actions.dib.run import run_build
from nodepool_lite.config.settings import Diskimage
from nodepool_lite.model.clock import Clock, SystemClock
from nodepool_lite.model.image import ImageFile
from tests.waiting import eventually

ELEMENTS = Path(__file__).parent / "elements"
TINY = ("tiny-root", "block-device-mbr")
"""Elements of an image that DIB makes in some three seconds, with a partition, a file system and all phases."""


class Workshop:
    """Directories for builds, and the builds in them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work_root = root / "builds"
        self.images = root / "images"
        self.images.mkdir(exist_ok=True)

    def recipe(self, name: str, *elements: str, formats: tuple[str, ...] = ("qcow2",), timeout: float = 600) -> Recipe:
        """Return the recipe of a tiny image with further `elements`, to be called `name`."""
        return Recipe(
            diskimage=Diskimage(
                name="tiny", elements=(*TINY, *elements), dib_cmd="disk-image-create -u", build_timeout=timeout
            ),
            formats=formats,
            output=self.images / name,
            log=self.root / "logs" / f"{name}.log",
            work_dir=self.work_root / name,
            elements_path=(ELEMENTS,),
            environment={"DIB_JOURNAL_SIZE": "4", "DIB_IMAGE_SIZE": "0.1"},
        )

    def build(
        self,
        recipe: Recipe,
        on_phase: Callable[[str], None] = lambda _: None,
        stop: threading.Event | None = None,
        clock: Clock | None = None,
    ) -> tuple[ImageFile, ...]:
        """Run a build to its end in this thread."""
        return run_build(recipe, on_phase=on_phase, stop=stop or threading.Event(), clock=clock or SystemClock())

    @contextmanager
    def builder(self, recipe: Recipe) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a build in a process of its own, as the daemon would; yields once an element pauses in it."""
        elements = recipe.diskimage.elements[len(TINY) :]
        process = subprocess.Popen([sys.executable, "-m", __name__, str(self.root), recipe.output.name, *elements])
        try:
            eventually(lambda: pausing(recipe), within=60)
            yield process
        finally:
            process.kill()
            process.wait()

    def traces(self) -> list[str]:
        """Return what of any build is to be seen: processes, mounts, loop devices, files other than the results."""
        found = [f"process {each}" for each in self._processes()]
        found += [f"mount in {each.parent.name}" for each in self._processes_that_see_mounts()]
        found += [f"loop device {each}" for each in devices.loops(self.root)]
        found += [f"directory {each}" for each in self.work_root.glob("*") if each.name != ".cache"]
        return found + [f"directory {each}" for each in self.images.glob(".*")]

    def _processes(self) -> list[int]:
        """Return the processes of builds: all of them have the work directory in their environment."""
        mark = f"TMP_DIR={self.work_root}".encode()
        return [int(each.parent.name) for each in Path("/proc").glob("[0-9]*/environ") if mark in _read(each)]

    def supervisor(self) -> int:
        """Return the process id of the supervisor of the one build that runs."""
        mark = b"nodepool_lite.actions.dib.supervisor"
        (found,) = (pid for pid in self._processes() if mark in _read(Path(f"/proc/{pid}/cmdline")).split(b"\0"))
        return found

    def _processes_that_see_mounts(self) -> list[Path]:
        mark = str(self.root).encode()
        return [each for each in Path("/proc").glob("[0-9]*/mountinfo") if mark in _read(each)]


def pausing(recipe: Recipe) -> bool:
    """Return whether the build has come to an element that pauses."""
    return recipe.log.exists() and "| pausing" in recipe.log.read_text()


def named(recipe: Recipe, **variables: str) -> Recipe:
    """Return the recipe with further variables in its environment."""
    return replace(recipe, environment={**recipe.environment, **variables})


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # the process has ended this moment


def _main() -> None:
    """Run the tiny build NAME with ELEMENTS in the workshop at ROOT."""
    root, name, *elements = sys.argv[1:]
    shop = Workshop(Path(root))
    shop.build(shop.recipe(name, *elements))


if __name__ == "__main__":
    _main()
