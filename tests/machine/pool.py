"""A real pool on this host: the daemon as a process, with real images, real machines and a real ZooKeeper."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nodepool_lite.config.load import load_or_raise
from nodepool_lite.config.settings import Config
from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.model.image import BuildState, ImageFile
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.store.base import Snapshot, Store
from nodepool_lite.store.open import open_store
from nodepool_lite.store.zookeeper import ZooKeeperStore
from nodepool_lite.testing import make_build

BOOT = 420.0
"""Seconds in which a machine must have booted under emulation, with all that belongs to it."""


CLEAN = 5.0
"""Seconds in which a clean stop ends."""


class RealPool:
    """One configuration file, its daemon (started and killed as the test likes) and a watching client.

    The client reaches ZooKeeper at `hosts`, or else as the configuration says.
    """

    def __init__(self, config: Path, environ: Mapping[str, str], hosts: str = "") -> None:
        self.config_path = config
        self.environ = {**os.environ, **environ, "NODEPOOL_LITE_CONFIG": str(config)}
        self.config: Config = load_or_raise(config, self.environ)
        self.daemon: subprocess.Popen[bytes] | None = None
        self.log = self.config.state_dir / "daemon.log"
        self.hosts = hosts
        self._store: Store | None = None

    def start(self) -> None:
        """Start the daemon and wait until its store answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "nodepool_lite", "run"], env=self.environ, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while self._store is None:
            assert self.daemon.poll() is None, self.log.read_text()
            try:
                self._store = self._connect()
            except StoreUnavailableError:
                assert time.monotonic() < deadline, self.log.read_text()

    @property
    def pid(self) -> int:
        """The daemon's process."""
        assert self.daemon is not None
        return self.daemon.pid

    def reconfigure(self, text: str) -> None:
        """Write another configuration file and have the daemon read it."""
        self.config_path.write_text(text)
        os.kill(self.pid, signal.SIGHUP)

    def kill(self) -> None:
        """End the daemon as a power cut would."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()
        self.look_away()

    def stop(self, within: float = 30.0) -> int | None:
        """End the daemon cleanly within so many seconds, and return its exit status; the machines go on."""
        self.look_away()
        if self.daemon is None:
            return None
        self.daemon.terminate()
        status = self.daemon.wait(within)
        self.daemon = None
        return status

    def close(self) -> None:
        """End everything, whatever became of the daemon."""
        self.look_away()
        if self.daemon is not None and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        self.cli("stop-host", "--yes")

    def cli(self, *arguments: str, status: int | None = 0) -> str:
        """Run a command and return its stdout; its exit status must be `status` (any, if None)."""
        return self._run(arguments, status).stdout

    def said(self, *arguments: str) -> str:
        """Run a command that has to succeed, and return what it said on stderr."""
        return self._run(arguments, 0).stderr

    def _run(self, arguments: Sequence[str], status: int | None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "nodepool_lite", *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BOOT,
            check=False,
        )
        assert status is None or done.returncode == status, (
            f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}"
        )
        return done

    @property
    def view(self) -> Snapshot:
        """What the watching client has heard so far."""
        return self.store.snapshot()

    @property
    def records(self) -> Snapshot:
        """What is recorded now, what a command has just written included; the view of `wait` may be a moment late."""
        return self.store.read()

    def wait(self, condition: Callable[[Snapshot], bool], seconds: float = BOOT) -> Snapshot:
        """Return the first view that fulfils the condition; fails with the daemon's log when none does."""
        assert self._store is not None
        news = threading.Event()
        deadline = time.monotonic() + seconds
        with self._store.subscribe(news.set):
            while not (self._store.connected and condition(self._store.snapshot())):
                left = deadline - time.monotonic()
                assert left > 0, f"it did not come to be: {self.log.read_text()[-6000:]}"
                news.wait(min(left, 5))
                news.clear()
        return self._store.snapshot()

    def wait_for_node(self, state: NodeState, *, other_than: Node | None = None, seconds: float = BOOT) -> Node:
        """Return a node in `state`, not `other_than`."""
        seen = self.wait(lambda records: bool(_matching(records, state, other_than)), seconds)
        return _matching(seen, state, other_than)[0]

    def plant(self, image: Path, diskimage: str, fingerprint: str, number: int = 0) -> None:
        """Record a ready build of an image that was built before, as this host's builder would have."""
        assert self._store is not None
        file = ImageFile(format="qcow2", path=str(image), size=image.stat().st_size, sha256=_sha256(image), md5="-")
        build = make_build(
            number, diskimage=diskimage, state=BuildState.READY, since=time.time(), builder=socket.gethostname()
        )
        made = {"fingerprint": fingerprint, "files": (file,), "formats": ("qcow2",), "username": "jenkins"}
        self._store.create(build.but(**made))

    @property
    def store(self) -> Store:
        """The watching client's store."""
        assert self._store is not None
        return self._store

    def look_away(self) -> None:
        """End the watching client; the pool goes on."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def servers(self) -> list[str]:
        """Return the pids of the machines that run in this pool's state directory."""
        listed = subprocess.run(
            ["pgrep", "-f", f"qemu.*{self.config.state_dir}/qemu"], capture_output=True, text=True, check=False
        )
        return listed.stdout.split()

    def _connect(self) -> Store:
        if self.hosts:
            return ZooKeeperStore.connect(self.hosts, watch=True)
        return open_store(self.config, watch=True)


def _matching(records: Snapshot, state: NodeState, other_than: Node | None) -> list[Node]:
    return [
        node
        for node in records.nodes.values()
        if node.state is state and (other_than is None or node.id != other_than.id)
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
