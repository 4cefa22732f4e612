"""Real Debian images for every test that boots machines, each built by the real disk-image-create at most once."""

import fcntl
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nodepool_lite.actions.dib.recipe import Recipe, fingerprint
from nodepool_lite.actions.dib.run import run_build
from nodepool_lite.config.settings import Diskimage
from nodepool_lite.config.shipped import elements_dir
from nodepool_lite.model.clock import SystemClock

DEBIAN = Diskimage(
    name="debian-12",
    elements=("debian-minimal", "vm", "nodepool-minimal", "debian-quick"),
    release="bookworm",
    dib_cmd="disk-image-create -u",
    username="jenkins",
)
_UNUSED = 7 * 86400


def debian_image(cache_dir: Path | None = None) -> tuple[Path, Path]:
    """Return the image of a small Debian as `built` does."""
    return built(DEBIAN, cache_dir)


def built(diskimage: Diskimage, cache_dir: Path | None = None) -> tuple[Path, Path]:
    """Return a qcow2 image and the private key that user `jenkins` is logged in with.

    It is built when none is `kept` that was made from the elements as they are now; who comes while another builds
    it, waits. Nobody may write to it.
    """
    with kept(fingerprint(diskimage, (elements_dir(),)), cache_dir) as home:
        image, key = home / f"{diskimage.name}.qcow2", home / "id_ed25519"
        if not key.exists():
            subprocess.check_call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f", key])
        if not image.exists():
            _build(diskimage, image, key, home.parent / "builds" / f"{diskimage.name}-{home.name}")
    return image, key


@contextmanager
def kept(digest: str, cache_dir: Path | None = None) -> Iterator[Path]:
    """Give the directory of what is made from something with this digest, to one test process at a time.

    It lies in `cache_dir` (by default $NODEPOOL_TEST_CACHE, or a directory of the user's cache), and is empty but for
    its lock when it is new.
    """
    base = cache_dir or Path(os.environ.get("NODEPOOL_TEST_CACHE") or Path("~/.cache/nodepool-lite/tests").expanduser())
    home = base / digest
    base.mkdir(parents=True, exist_ok=True)
    with (base / "lock").open("w") as all_of_it:
        fcntl.flock(all_of_it, fcntl.LOCK_EX)
        _remove_unused(base, home)
        home.mkdir(exist_ok=True)
        lock = (home / "lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield home


def _remove_unused(base: Path, home: Path) -> None:
    """Remove what no test has asked for in a week, but for what is being asked for: of elements as they were once."""
    for lock in base.glob("*/lock"):
        if lock.parent != home and lock.stat().st_mtime < time.time() - _UNUSED:
            shutil.rmtree(lock.parent)


def _build(diskimage: Diskimage, image: Path, key: Path, work_dir: Path) -> None:
    recipe = Recipe(
        diskimage=diskimage,
        formats=("qcow2",),
        output=image.with_suffix(""),
        log=image.with_suffix(".log"),
        work_dir=work_dir,
        elements_path=(elements_dir(),),
        environment={"NODEPOOL_PUBLIC_KEY_FILE": f"{key}.pub"},
    )
    run_build(recipe, on_phase=lambda _: None, stop=threading.Event(), clock=SystemClock())
