"""Two ways to use the command line: in this process on a store in memory, and for real on a real ZooKeeper."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click.testing
import pytest

from nodepool_lite.cli.app import App
from nodepool_lite.cli.main import cli
from nodepool_lite.store.memory import MemoryServer, MemoryStore
from nodepool_lite.store.zookeeper import ZooKeeperStore
from nodepool_lite.testing import FakeClock
from tests.program import Program

CONFIG = """\
state-dir: {directory}/state
images-dir: {directory}/state/images
build-log-dir: {directory}/state/logs/builds
{zookeeper}
labels:
  - name: debian-12
    min-ready: 1
  - name: rdo
    ready-script: run_packstack.sh
diskimages:
  - name: debian-12
    elements: [debian-minimal, vm]
providers:
  - name: local
    driver: simulated
    diskimages:
      - name: debian-12
        alias: debian
    pools:
      - name: main
        max-servers: 10
        node-attributes: {{rack: a7}}
        labels:
          - name: debian-12
            diskimage: debian-12
          - name: rdo
            diskimage: debian-12
"""
PROGRAM = Path(sys.executable).with_name("nodepool-lite")


def write_config(directory: Path, zookeeper: str = "") -> Path:
    """Write the configuration that the tests use, and return its path."""
    (directory / "scripts").mkdir(exist_ok=True)
    (directory / "scripts" / "run_packstack.sh").write_text("#!/bin/sh\n")
    path = directory / "nodepool.yaml"
    text = CONFIG.format(directory=directory, zookeeper=zookeeper)
    path.write_text(f"scripts-dir: {directory}/scripts\n{text}")
    return path


@dataclass
class Desk:
    """The command line in this process: `run` it, and look at or change the `store` behind it."""

    config: Path
    server: MemoryServer = field(default_factory=MemoryServer)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.store: MemoryStore = self.server.connect()

    def run(self, *arguments: str) -> click.testing.Result:
        """Run one command to its end."""
        app = App(self.config, self.clock, lambda _config, *, watch: self.server.connect())  # noqa: ARG005 - same for both
        return click.testing.CliRunner().invoke(cli, list(arguments), obj=app, prog_name="nodepool-lite")

    def out(self, *arguments: str) -> str:
        """Run one command that has to succeed, and return what it printed."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """Run one command that has to succeed with `-f json`, and return the data."""
        return json.loads(self.out(*arguments, "-f", "json"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an empty pool in memory."""
    return Desk(write_config(tmp_path))


@dataclass
class RealPool:
    """The installed program on a real ZooKeeper."""

    config: Path
    store: ZooKeeperStore

    def start(self, *arguments: str, **options: Any) -> Program[str]:
        """Start one command, on which signals act as on one typed at a terminal, however the tests were started."""
        settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        command: list[str | Path] = ["env", "--default-signal=INT,HUP", PROGRAM, "--config", self.config, *arguments]
        return Program(command, text=True, **settings)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        with self.start(*arguments) as process:
            stdout, stderr = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)


@pytest.fixture
def real_pool(tmp_path: Path, zookeeper_hosts: str, zookeeper_root: str) -> Iterator[RealPool]:
    """Give an empty pool in a real ZooKeeper, under a root of its own."""
    host, port = zookeeper_hosts.split(":")
    servers = f"zookeeper-servers:\n  - host: {host}\n    port: {port}\n    chroot: {zookeeper_root}\n"
    store = ZooKeeperStore.connect(f"{zookeeper_hosts}{zookeeper_root}", watch=True)
    yield RealPool(write_config(tmp_path, servers), store)
    store.close()


@pytest.fixture(autouse=True)
def _neutral_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own settings out."""
    for name in ("NODEPOOL_LITE_CONFIG", "NODEPOOL_LITE_DEBUG", "SUDO_USER", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    assert os.environ.get("HOME")
