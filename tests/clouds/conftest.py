"""Clouds to test on, and a guard that leaves no machine behind, even if the tests are killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodepool_lite.clouds.qemu import QemuDriver

from . import worlds
from .worlds import World

_GUARD = """
import os, signal, sys
sys.stdin.read()  # until the tests are over, or dead
mark = sys.argv[1].encode()
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        arguments = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\\0")
    except OSError:
        continue
    if arguments[0].rpartition(b"/")[2].startswith(b"qemu") and any(each.startswith(mark) for each in arguments):
        os.kill(int(pid), signal.SIGKILL)
"""


@pytest.fixture(scope="session", autouse=True)
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """End every QEMU that was made under this session's directory when the session ends in whatever way."""
    command = [sys.executable, "-I", "-S", "-c", _GUARD, f"{tmp_path_factory.getbasetemp()}{os.sep}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        yield
        process.communicate()


@pytest.fixture(params=["simulated", pytest.param("qemu", marks=pytest.mark.machine)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Give each kind of cloud in turn."""
    with getattr(worlds, request.param)(tmp_path) as made:
        yield made


@pytest.fixture
def host(tmp_path: Path) -> Iterator[World]:
    """Give this host as a cloud."""
    with worlds.qemu(tmp_path) as made:
        yield made


@pytest.fixture
def qemu_driver(host: World) -> QemuDriver:
    """Give a driver of this host's servers."""
    driver = host.open("pool-1")
    assert isinstance(driver, QemuDriver)
    return driver
