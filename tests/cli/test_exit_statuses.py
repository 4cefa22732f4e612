"""What a user and a script see when something goes wrong: one line, and a status that says what kind it was."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from nodepool_lite.cli.app import App
from nodepool_lite.cli.main import cli
from nodepool_lite.config.accepted import keep
from nodepool_lite.config.load import load_or_raise
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState
from nodepool_lite.testing import make_build, make_node, numbered

from .conftest import PROGRAM, Desk, RealPool, write_config


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("delete", "42"), "there is no node 42"),
        (("release", "nosuch1"), "there is no lease nosuch1"),
        (("extend", "nosuch1", "2h"), "there is no lease nosuch1"),
        (("hold", "42", "--reason", "x"), "there is no node 42"),
        (("show", "42"), "there is no node, lease, build or image 42"),
        (("logs", "42"), "there is no node 42"),
        (("ssh", "nosuch1"), "there is no label, node or lease nosuch1"),
        (("grab", "debian12"), "did you mean `debian-12`?"),
        (("image-build", "debian12"), "did you mean `debian-12`?"),
        (("image-log", "debian-12"), "debian-12 was not built yet"),
        (("image-delete", "x"), "there is no uploaded image x"),
        (("dib-image-delete", "x"), "there is no image build x"),
        (("image-upload", "nowhere", "debian-12"), "there is no provider nowhere"),
    ],
)
def test_what_does_not_exist_is_status_3(desk: Desk, arguments: tuple[str, ...], message: str) -> None:
    """The message names it; nothing is printed on stdout."""
    result = desk.run(*arguments)
    assert result.exit_code == 3
    assert result.stderr.startswith("nodepool-lite: error: ")
    assert message in result.stderr
    assert result.stdout == ""


def test_when_some_of_several_fail_it_is_status_1_and_each_is_named(desk: Desk) -> None:
    """What could be done is done."""
    desk.store.create(make_node(1))
    result = desk.run("delete", "41", "1", "43")
    assert result.exit_code == 1
    assert result.stdout == "0000000001: being deleted\n"
    assert [line.split(";")[0] for line in result.stderr.splitlines()] == [
        "nodepool-lite: error: there is no node 41",
        "nodepool-lite: error: there is no node 43",
    ]
    assert desk.store.snapshot().nodes[numbered(1)].state is NodeState.DELETING


def test_when_all_of_several_fail_alike_it_is_their_own_status(desk: Desk) -> None:
    """Two nodes that do not exist are no partial success."""
    assert desk.run("delete", "41", "43").exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lst",), "no such command: lst; did you mean `list`?"),
        (("grab",), "Missing argument 'LABEL'"),
        (("grab", "debian-12", "--wait", "soon"), "'soon': expected a duration such as 90, 90s, 15m, 8h or 1d"),
        (("grab", "debian-12", "--wait", "5", "--no-wait"), "exclude each other"),
        (("grab", "debian-12", "--count", "0"), "0 is not in the range"),
        (("hold", "42"), "Missing option '--reason'"),
        (("list", "--format", "xml"), "'xml' is not one of"),
        (("image-upload", "a", "b", "c"), "expected a provider and an image"),
    ],
)
def test_wrong_usage_is_status_2(desk: Desk, arguments: tuple[str, ...], message: str) -> None:
    """One line that says what was expected and where to read on."""
    result = desk.run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "--help`" in result.stderr


def test_a_configuration_with_errors_is_status_78(desk: Desk) -> None:
    """All of them are told, with their places."""
    desk.config.write_text("lables: []\nstate-dri: /x\n")
    result = desk.run("list")
    assert result.exit_code == 78
    assert f"{desk.config}:1:1: " in result.stderr
    assert f"{desk.config}:2:1: " in result.stderr
    assert "did you mean `labels`?" in result.stderr


def test_a_configuration_that_is_not_there_is_status_78(desk: Desk, tmp_path: Path) -> None:
    """The file that was looked for is named."""
    desk.config = tmp_path / "nowhere.yaml"
    result = desk.run("list")
    assert result.exit_code == 78
    assert "nowhere.yaml" in result.stderr


def test_zookeeper_that_cannot_be_reached_is_status_69_within_5_seconds(tmp_path: Path) -> None:
    """It is told where it was looked for."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        port = sock.getsockname()[1]
        config = write_config(tmp_path, f"zookeeper-servers: [{{host: 127.0.0.1, port: {port}}}]")
        started = time.monotonic()
        done = subprocess.run(
            [PROGRAM, "--config", config, "list"], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 69
    assert time.monotonic() - started < 7.5  # 5 s, and a Python that starts on a busy machine
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unexpected_failure_is_one_line(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how to see more; with that, there is a traceback."""

    def broken(_config: object, *, watch: bool) -> object:
        raise ValueError("of its own kind")

    app = App(desk.config, desk.clock, broken)  # type: ignore[arg-type]
    with pytest.raises(SystemExit) as leave:
        cli(["list"], obj=app)
    assert leave.value.code == 1
    said = "unexpected ValueError: of its own kind (this is a bug; NODEPOOL_LITE_DEBUG=1 shows where)"
    assert capsys.readouterr().err == f"nodepool-lite: error: {said}\n"
    monkeypatch.setenv("NODEPOOL_LITE_DEBUG", "1")
    with pytest.raises(ValueError, match="of its own kind"):
        cli(["list"], obj=app)


def test_a_file_that_cannot_be_read_is_named(desk: Desk, tmp_path: Path) -> None:
    """It is the system's refusal and no bug."""
    desk.store.create(make_build(1, log=str(tmp_path)))
    result = desk.run("image-log", "debian-12")
    assert result.exit_code == 1
    assert result.stderr == f"nodepool-lite: error: {tmp_path}: Is a directory\n"


@pytest.mark.zookeeper
def test_nobody_who_reads_on_is_no_reason_to_complain(real_pool: RealPool) -> None:
    """`| head` ends us quietly."""
    for number in range(2000):
        if number % 500 == 0:
            real_pool.store.create(make_node(number, error="x" * 60000))
    read, write = os.pipe()
    with real_pool.start("list", "-f", "json", stdout=write) as process:
        os.close(write)
        os.read(read, 10)
        os.close(read)
        _, stderr = process.communicate(timeout=60)
    assert stderr == ""
    assert process.returncode in {0, 141}


@pytest.mark.zookeeper
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_wait_leaves_the_queue(real_pool: RealPool, number: signal.Signals, status: int) -> None:
    """Ctrl-C, kill and a closed terminal cancel the lease, without a traceback."""
    with real_pool.start("grab", "debian-12") as process:
        assert process.stderr is not None
        assert "place 1 in the queue" in process.stderr.readline()
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == status
    assert stderr.strip() == ""
    (lease,) = real_pool.store.read().leases.values()
    assert lease.state is LeaseState.ENDED
    assert lease.end_reason.startswith("cancelled: ")


def test_help_and_version_need_nothing() -> None:
    """No configuration, no ZooKeeper."""
    for arguments in (["--help"], ["grab", "--help"], ["config", "check", "--help"], ["--version"]):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert "nodepool-lite" in done.stdout


def test_commands_go_on_with_what_the_daemon_accepted(desk: Desk) -> None:
    """A file with errors changes nothing for those who use the pool, whatever is wrong with it."""
    keep(desk.config, load_or_raise(desk.config, {}), "another")
    good = desk.config.read_text()
    for bad in (
        good.replace("min-ready", "min-redy"),
        f"{good}\n\t- [",
        good.replace("driver: simulated", "driver: x"),
    ):
        desk.config.write_text(bad)
        told = desk.run("status")
        assert told.exit_code == 0
        assert "debian-12" in told.stdout
        assert "has errors (see `nodepool-lite config check`)" in told.stderr
        assert [desk.run(*each).exit_code for each in (["config", "check"], ["config", "show"])] == [78, 78]
        assert "missing config" in desk.run("doctor").stdout


def test_a_file_with_errors_that_no_daemon_ever_accepted_is_told(desk: Desk) -> None:
    """There is nothing to go on with."""
    desk.config.write_text(desk.config.read_text().replace("min-ready", "min-redy"))
    told = desk.run("status")
    assert told.exit_code == 78
    assert "did you mean `min-ready`?" in told.stderr


def test_a_daemon_that_cannot_keep_its_state_says_where(tmp_path: Path) -> None:
    """And what to do about it."""
    config = write_config(tmp_path)
    config.write_text(re.sub("state-dir: .*", "state-dir: /proc/none", config.read_text()))
    done = subprocess.run([PROGRAM, "--config", config, "run"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "/proc/none: make room and access there for its user, or name another `state-dir`" in done.stderr
    assert "Traceback" not in done.stderr
