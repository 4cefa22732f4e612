"""What the daemon tells the service manager, received on a real datagram socket."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodepool_lite.daemon.notify import Notifier

CONFIG = """
state-dir: {state}
labels: [{{name: small, min-ready: 0}}]
providers:
  - name: clouds
    driver: simulated
    cloud-images: [{{name: any}}]
    pools: [{{max-servers: 1, labels: [{{name: small, cloud-image: any}}]}}]
"""
PATIENCE = 60.0


class Manager:
    """The receiving end, as systemd has it."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(PATIENCE)
        self.heard: list[dict[str, str]] = []

    def hear(self) -> dict[str, str]:
        """Return the next message as keys and values."""
        message = dict(line.split("=", 1) for line in self._socket.recv(65536).decode().splitlines())
        self.heard.append(message)
        return message

    def hear_until(self, condition: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Return the first message from now on that meets the condition."""
        while not condition(message := self.hear()):
            pass
        return message

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A manager that listens on `notify` in the test's directory."""
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.close()


@pytest.fixture
def daemon(tmp_path: Path, manager: Manager) -> Iterator[subprocess.Popen[bytes]]:
    """A real daemon with a simulated cloud and its own ZooKeeper, started as systemd would."""
    config = tmp_path / "nodepool.yaml"
    config.write_text(CONFIG.format(state=tmp_path / "state"))
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
    program = "from nodepool_lite.cli.main import main; main()"
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", program, "--config", str(config), "run"],
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


@pytest.mark.zookeeper
def test_a_life_is_told_from_ready_to_stopping(daemon: subprocess.Popen[bytes], manager: Manager) -> None:
    """READY comes first of all, RELOADING is followed by READY, signs of life come between, STOPPING comes last."""
    manager.hear_until(lambda message: "READY" in message)
    manager.hear_until(lambda message: "WATCHDOG" in message)
    assert manager.hear_until(lambda message: "STATUS" in message)["STATUS"]

    daemon.send_signal(signal.SIGHUP)
    reloading = manager.hear_until(lambda message: "RELOADING" in message)
    assert int(reloading["MONOTONIC_USEC"]) > 0
    assert manager.hear()["READY"] == "1"

    daemon.send_signal(signal.SIGTERM)
    manager.hear_until(lambda message: "STOPPING" in message)
    assert daemon.wait(PATIENCE) == 0
    kinds = [key for message in manager.heard for key in message if key in {"READY", "RELOADING", "STOPPING"}]
    assert kinds == ["READY", "RELOADING", "READY", "STOPPING"]


@pytest.mark.zookeeper
def test_a_refused_file_is_told_in_the_status(
    daemon: subprocess.Popen[bytes], manager: Manager, tmp_path: Path
) -> None:
    """After a reload that changed nothing the service is ready, and its status says why."""
    manager.hear_until(lambda message: "READY" in message)
    (tmp_path / "nodepool.yaml").write_text("labels: 7\n")

    daemon.send_signal(signal.SIGHUP)

    answer = manager.hear_until(lambda message: "READY" in message)
    assert answer["STATUS"] == "configuration refused, see the log"
    assert daemon.poll() is None


def test_without_a_manager_nothing_is_said() -> None:
    """A daemon started by hand has nobody to tell, and that is no error."""
    notifier = Notifier({})

    notifier.ready("started")

    assert notifier.watchdog is None


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    """A socket that nobody listens on does not end the daemon."""
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).stopping()


def test_an_abstract_socket_is_understood() -> None:
    """A name that begins with @ has no file (sd_notify(3))."""
    name = f"nodepool-lite-test-{os.getpid()}"
    manager = Manager("\0" + name)
    try:
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).status("here")
        assert manager.hear() == {"STATUS": "here"}
    finally:
        manager.close()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
    ids=["asked for", "of this process", "of another process", "not a number"],
)
def test_signs_of_life_come_twice_as_often_as_asked(environ: dict[str, str], seconds: float | None) -> None:
    """Half the watchdog's time lies between two, if it is this process that is watched."""
    assert Notifier(environ).watchdog == seconds
