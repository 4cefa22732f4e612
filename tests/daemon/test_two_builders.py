"""Two builders on hosts of their own and a real ZooKeeper: an image is built by one of them at a time, whoever dies."""

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.store.zookeeper import ZooKeeperStore
from tests.program import naming
from tests.store.waiting import until_seen
from tests.waiting import eventually

pytestmark = [pytest.mark.machine, pytest.mark.zookeeper]
PATIENCE = 60.0
SESSION, LONG_SESSION = 5.0, 30.0
"""Seconds after which a silent builder counts as dead."""
CONFIG = """\
state-dir: {home}/state
images-dir: {home}/images
zookeeper-servers: [{{host: 127.0.0.1, port: {port}, chroot: {root}}}]
zookeeper-timeout: {session}
diskimages: [{{name: web, elements: [vm], dib-cmd: {home}/disk-image-create}}]
labels: [{{name: web, min-ready: 0}}]
providers:
  - name: cloud
    driver: simulated
    login-test: false
    diskimages: [{{name: web}}]
    pools: [{{max-servers: 2, labels: [{{name: web, diskimage: web}}]}}]
"""
BUILD = """\
#!/bin/sh
echo {host} >> {base}/begun
while [ -e {base}/slow ]; do sleep 0.1; done
exec {quick} "$@"
"""
QUICK = Path(__file__).parents[1] / "systemd" / "empty-image-create"


@dataclass
class Builders:
    """What they do together, and how to start one more."""

    base: Path
    store: ZooKeeperStore
    start: Callable[[str, float], "subprocess.Popen[bytes]"]
    """Takes the host's name and the session's time-out, and returns once the daemon is there."""

    @property
    def begun(self) -> list[str]:
        """The hosts on which a build was begun, in order."""
        file = self.base / "begun"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def builders(tmp_path: Path, zookeeper_hosts: str, zookeeper_root: str) -> Iterator[Builders]:
    """Give a pool whose builders a test starts; images are built for as long as the file `slow` is there."""
    (tmp_path / "slow").touch()
    with ExitStack() as stack:
        store = stack.enter_context(closing(ZooKeeperStore.connect(f"{zookeeper_hosts}{zookeeper_root}", watch=True)))

        def start(host: str, session: float) -> "subprocess.Popen[bytes]":
            home = tmp_path / host
            home.mkdir()
            program = home / "disk-image-create"
            program.write_text(BUILD.format(host=host, base=tmp_path, quick=QUICK))
            program.chmod(0o755)
            config = home / "nodepool.yaml"
            port = zookeeper_hosts.partition(":")[2]
            config.write_text(CONFIG.format(home=home, port=port, root=zookeeper_root, session=session))
            run = shlex.join([sys.executable, "-m", "nodepool_lite", "-c", str(config), "run", "--role", "builder"])
            with (home / "daemon.log").open("wb") as log:
                process = subprocess.Popen(
                    ["unshare", "--uts", "sh", "-c", f"hostname {host} && exec {run}"], stdout=log, stderr=log
                )
            stack.callback(process.wait)
            stack.callback(process.kill)
            until_seen(store, lambda seen: any(each.host == host for each in seen.members.values()), PATIENCE)
            return process

        yield Builders(tmp_path, store, start)


def test_another_builder_builds_anew_what_died_with_its_host(builders: Builders) -> None:
    """And uploads what it has made; nothing of the other's build goes on."""
    first = builders.start("host-a", SESSION)
    assert eventually(lambda: builders.begun == ["host-a"], PATIENCE)
    builders.start("host-b", SESSION)
    first.kill()
    first.wait()
    assert builders.begun == ["host-a"]
    records = until_seen(builders.store, lambda seen: len(seen.builds) == 2, PATIENCE)
    dead, new = (records.builds[f"web/000000000{number}"] for number in range(2))
    assert (dead.builder, new.builder) == ("host-a", "host-b")
    assert dead.state in {BuildState.FAILED, BuildState.DELETING}
    assert eventually(lambda: builders.begun == ["host-a", "host-b"], PATIENCE)
    assert not [each for each in naming(str(builders.base / "host-a")) if "disk-image-create" in each]
    (builders.base / "slow").unlink()
    records = until_seen(builders.store, lambda seen: bool(seen.uploads), PATIENCE)
    until_seen(
        builders.store, lambda seen: {each.state for each in seen.uploads.values()} == {UploadState.READY}, PATIENCE
    )
    assert builders.begun == ["host-a", "host-b"]


def test_a_builder_that_is_stopped_hands_its_image_over(builders: Builders) -> None:
    """Long before its session would have ended, and nothing that it was doing goes on."""
    first = builders.start("host-a", LONG_SESSION)
    assert eventually(lambda: builders.begun == ["host-a"], PATIENCE)
    builders.start("host-b", LONG_SESSION)
    first.terminate()
    assert first.wait(10) == 0
    assert eventually(lambda: builders.begun == ["host-a", "host-b"], LONG_SESSION / 2)
    assert not [each for each in naming(str(builders.base / "host-a")) if "disk-image-create" in each]
    (builders.base / "slow").unlink()
    records = until_seen(
        builders.store,
        lambda seen: any(each.state is BuildState.READY for each in seen.builds.values()),
        PATIENCE,
    )
    assert [each.builder for each in records.builds.values() if each.state is BuildState.READY] == ["host-b"]
