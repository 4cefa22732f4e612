"""What root makes in the state directory of a launcher that is not root, and what that launcher can do with it."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodepool_lite.access.keys import ca_key, pool_key, public_key_file
from nodepool_lite.clouds.driver import ImageSpec
from nodepool_lite.clouds.qemu import QemuDriver
from nodepool_lite.model.clock import SystemClock
from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.store.embedded import EmbeddedZooKeeper
from nodepool_lite.testing import make_config

LAUNCHER = 64123
"""A user id that needs no entry in the user database."""

pytestmark = pytest.mark.machine  # root, to share a directory with another user


@pytest.fixture
def state() -> Iterator[Path]:
    """A state directory as tmpfiles.d makes it, where every user can get to."""
    directory = Path(tempfile.mkdtemp(prefix="nodepool-lite-test-"))
    directory.chmod(0o755)
    for name in ("ssh", "qemu", "zookeeper"):
        (directory / name).mkdir(mode=0o700 if name == "ssh" else 0o755)
        os.chown(directory / name, LAUNCHER, LAUNCHER)
    yield directory
    shutil.rmtree(directory)


def _as_launcher(act: Callable[[], None]) -> None:
    """Do something with the rights of the launcher's user."""
    os.setegid(LAUNCHER)
    os.seteuid(LAUNCHER)
    try:
        act()
    finally:
        os.seteuid(0)
        os.setegid(0)


def _owners(directory: Path) -> set[int]:
    return {each.stat().st_uid for each in (directory, *directory.rglob("*"))}


def test_keys_that_a_builder_made_are_the_launchers(state: Path) -> None:
    """A builder that comes first makes keys that the launcher can read, and that nobody else can."""
    config = make_config(state_dir=state)

    public = pool_key(config).public
    ca_key(state)
    public_key_file(state, pool_key(config))

    assert _owners(state / "ssh") == {LAUNCHER}
    assert {(state / "ssh" / name).stat().st_mode & 0o777 for name in ("id_ed25519", "user_ca")} == {0o600}
    _as_launcher(lambda: None if pool_key(config).public == public else pytest.fail("another key"))


def test_a_public_key_file_that_is_a_link_is_replaced_not_followed(state: Path) -> None:
    """What the launcher's user puts where root writes does not make root overwrite a file of its own."""
    victim = state / "victim"
    victim.write_text("root's own")
    (state / "ssh" / "pool.pub").symlink_to(victim)

    public_key_file(state, pool_key(make_config(state_dir=state)))

    assert victim.read_text() == "root's own"
    assert not (state / "ssh" / "pool.pub").is_symlink()


def test_an_image_that_a_builder_uploaded_is_deleted_by_the_launcher(state: Path) -> None:
    """The qemu driver of a builder gives the image to the launcher, who can read and delete it."""
    file = state / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(file), "16M"], check=True)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    driver = QemuDriver(state / "qemu", "local", pool_id="p", clock=SystemClock())
    spec = ImageSpec(pool_id="p", upload_id="u", name="n", path=file, format="qcow2", sha256=digest)

    image = driver.upload_image(spec, lambda _percent: None)

    made = [each for each in (state / "qemu").rglob("*") if each.suffix != ".qcow2"]
    assert {each.stat().st_uid for each in made} == {LAUNCHER}
    _as_launcher(lambda: driver.delete_image(image))
    assert driver.list_images() == []
    assert list((state / "qemu" / "local" / "images").iterdir()) == []


def test_the_embedded_zookeeper_is_run_by_its_owner_alone(state: Path) -> None:
    """Root's daemon waits for the launcher's server, says whose it is when none comes, and leaves no file there."""
    with pytest.raises(StoreUnavailableError, match=f"user id {LAUNCHER}"):
        EmbeddedZooKeeper(state).start(timeout=0.2)

    assert list((state / "zookeeper").iterdir()) == []
