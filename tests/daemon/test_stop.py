"""A clean stop ends in time, whatever is under way and whoever does not answer; the next start goes on at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nodepool_lite.model.image import BuildState
from nodepool_lite.model.node import NodeState
from tests.machine.pool import CLEAN, RealPool

pytestmark = pytest.mark.machine
CONFIG = """\
state-dir: {base}/state
images-dir: {base}/images
diskimages: [{{name: web, elements: [vm], dib-cmd: {base}/disk-image-create}}]
labels: [{{name: web, min-ready: 1}}]
providers:
  - name: local
    driver: simulated
    login-test: false
    diskimages: [{{name: web}}]
    pools: [{{max-servers: 2, labels: [{{name: web, diskimage: web}}]}}]
"""
SLOW = """\
#!/bin/sh
echo $$ > {base}/building
trap '' TERM
while [ -e {base}/slow ]; do sleep 0.1; done
exec {quick} "$@"
"""
QUICK = Path(__file__).parents[1] / "systemd" / "empty-image-create"


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[RealPool]:
    """Run both roles on a ZooKeeper of their own; the image is built for as long as the file `slow` is there."""
    (tmp_path / "slow").touch()
    command = tmp_path / "disk-image-create"
    command.write_text(SLOW.format(base=tmp_path, quick=QUICK))
    command.chmod(0o755)
    config = tmp_path / "nodepool.yaml"
    config.write_text(CONFIG.format(base=tmp_path))
    pool = RealPool(config, {})
    with closing(pool):
        pool.start()
        yield pool


def test_a_build_that_does_not_want_to_end_holds_up_no_stop(pool: RealPool, tmp_path: Path) -> None:
    """It is ended, with all that belongs to it; the next builder makes it anew without a pause."""
    pool.wait(lambda records: any(each.state is BuildState.BUILDING for each in records.builds.values()), 30)
    pool.wait(lambda _records: (tmp_path / "building").exists(), 30)
    assert pool.stop(CLEAN) == 0, pool.log.read_text()
    assert _children_that_live(tmp_path) == []
    (tmp_path / "slow").unlink()
    pool.start()
    records = pool.wait(lambda seen: any(each.state is NodeState.READY for each in seen.nodes.values()), 60)
    assert not records.backoffs
    assert [each.number for each in records.builds.values() if each.state is BuildState.READY] == ["0000000001"]


def test_a_zookeeper_that_does_not_answer_holds_up_no_stop(pool: RealPool) -> None:
    """Our own one, which hangs: it ends with the daemon, and nothing that was recorded is lost."""
    pool.wait(lambda records: bool(records.members), 30)
    (server,) = (each for each in _children(pool.pid) if "org.apache.zookeeper" in _command(each))
    os.kill(server, signal.SIGSTOP)
    assert pool.stop(CLEAN) == 0, pool.log.read_text()
    assert _command(server) == ""  # gone, or waiting for somebody to note that it is


def _children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(each) for task in tasks for each in (task / "children").read_text().split()]


def _command(pid: int) -> str:
    """Return a process's command line; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _children_that_live(base: Path) -> list[str]:
    """Return the command lines in which the pool's directory is named."""
    commands = (_command(int(each.name)) for each in Path("/proc").iterdir() if each.name.isdigit())
    return [command for command in commands if str(base) in command]
