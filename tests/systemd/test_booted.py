"""The units under a real systemd: a builder that is root, and a launcher in its sandbox with real QEMU processes."""

import json
from collections.abc import Iterator

import pytest

from tests.systemd.booted import BUILDER, LAUNCHER, STATE, Booted
from tests.waiting import eventually

SERVERS = f"{STATE}/qemu/local/servers"
CONFIG = """
diskimages:
  - name: empty
    elements: [vm]
    dib-cmd: /run/checkout/tests/systemd/empty-image-create
labels:
  - name: empty
    min-ready: 1
providers:
  - name: local
    driver: qemu
    boot-timeout: 1h  # there is nothing on the disk to log in to
    pools:
      - max-servers: 1
        labels:
          - name: empty
            diskimage: empty
            min-ram: 64
"""

pytestmark = [pytest.mark.machine, pytest.mark.zookeeper]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """A host on which the units were started once; each test finds both active."""
    booted = Booted(tmp_path_factory.mktemp("systemd"), CONFIG)
    try:
        booted.ctl("start", "--no-block", LAUNCHER, BUILDER)
        yield booted
    finally:
        booted.close()


@pytest.fixture(autouse=True)
def both_run(host: Booted) -> None:
    """Wait until both services have said that they are ready, and the one node's machine is recorded as running."""
    for unit in (LAUNCHER, BUILDER):
        eventually(lambda unit=unit: host.property(unit, "ActiveState") == "active")
    eventually(lambda: [each for each in _listed(host) if each["State"] == "testing"])


def _qemu(host: Booted) -> tuple[str, str]:
    """Process id and start time (clock ticks since the boot) of the one QEMU process."""
    pid = next(host.path(SERVERS).glob("*/qemu.pid")).read_text().strip()
    return pid, host.path(f"proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def _status(host: Booted, pid: str) -> dict[str, list[str]]:
    """What the kernel says of a process: the key and its words (proc(5), /proc/pid/status)."""
    lines = host.path(f"proc/{pid}/status").read_text().splitlines()
    return {key: words.split() for key, _, words in (line.partition(":") for line in lines)}


def _listed(host: Booted) -> list[dict[str, str]]:
    answer = host.pool("list", "-f", "json")
    assert answer.returncode == 0, answer.stderr
    return list(json.loads(answer.stdout))


def test_the_launcher_and_its_machines_run_without_privileges(host: Booted) -> None:
    """Both are processes of the user nodepool, hold no capability, can gain none, and are filtered."""
    user = next(line for line in host.path("etc/passwd").read_text().splitlines() if line.startswith("nodepool:"))
    processes = {"launcher": _status(host, host.property(LAUNCHER, "MainPID")), "qemu": _status(host, _qemu(host)[0])}

    for name, status in processes.items():
        assert set(status["Uid"]) == {user.split(":")[2]}, name
        assert (status["CapEff"], status["CapBnd"]) == (["0" * 16], ["0" * 16]), name
        assert (status["NoNewPrivs"], status["Seccomp"]) == (["1"], ["2"]), name


def test_what_the_builder_makes_the_launcher_can_use(host: Booted) -> None:
    """The image that root built and uploaded is what the launcher's machine was made from."""
    node = _listed(host)[0]

    assert host.property(BUILDER, "MainPID") != "0"
    assert _status(host, host.property(BUILDER, "MainPID"))["Uid"][0] == "0"
    assert node["State"] == "testing"


def test_a_restart_of_the_launcher_leaves_machines_alone(host: Booted) -> None:
    """The same process serves the same node before and after, and a new launcher drives it."""
    before, node, launcher = _qemu(host), _listed(host)[0], host.property(LAUNCHER, "MainPID")

    host.ctl("restart", LAUNCHER)

    assert host.property(LAUNCHER, "MainPID") != launcher
    assert _qemu(host) == before
    assert [each["Server-ID"] for each in _listed(host)] == [node["Server-ID"]]


def test_a_machine_that_is_killed_does_not_end_the_launcher(host: Booted) -> None:
    """The node is replaced by another one, by the same launcher."""
    (pid, _), launcher = _qemu(host), host.property(LAUNCHER, "MainPID")
    failed = _listed(host)[-1]["ID"]

    host.kill("KILL", pid)

    eventually(lambda: [each for each in _listed(host) if each["ID"] > failed and each["State"] == "testing"])
    assert host.property(LAUNCHER, "MainPID") == launcher


def test_a_reload_is_told_and_a_bad_file_changes_nothing(host: Booted) -> None:
    """`systemctl reload` has the file read again; when it is refused the service goes on, and says so."""
    file = host.path("etc/nodepool-lite/nodepool.yaml")
    launcher = host.property(LAUNCHER, "MainPID")
    file.write_text(CONFIG.replace("min-ready", "min-redy"))

    host.ctl("reload", LAUNCHER)

    eventually(lambda: "config.refused" in host.said(LAUNCHER))
    assert (host.property(LAUNCHER, "ActiveState"), host.property(LAUNCHER, "MainPID")) == ("active", launcher)
    file.write_text(CONFIG)
    host.ctl("reload", LAUNCHER)
    eventually(lambda: "config.loaded" in host.said(LAUNCHER))


def test_a_launcher_whose_loop_stands_still_is_replaced(host: Booted) -> None:
    """The watchdog notices that no sign of life comes; machines survive that, too."""
    host.override(LAUNCHER, "[Service]\nWatchdogSec=4\nTimeoutAbortSec=1\n")
    host.ctl("restart", LAUNCHER)
    before = _qemu(host)

    host.kill("STOP", host.property(LAUNCHER, "MainPID"))

    eventually(lambda: host.property(LAUNCHER, "NRestarts") == "1")
    eventually(lambda: host.property(LAUNCHER, "ActiveState") == "active")
    assert _qemu(host) == before
    host.override(LAUNCHER, "")
    host.ctl("restart", LAUNCHER)


def test_a_bad_configuration_ends_the_service_for_good(host: Booted) -> None:
    """It exits 78 and is not started again, and the journal has every problem."""
    file = host.path("etc/nodepool-lite/nodepool.yaml")
    file.write_text(CONFIG.replace("min-ready", "min-redy"))

    host.ctl("restart", LAUNCHER, check=False)

    eventually(lambda: host.property(LAUNCHER, "ActiveState") == "failed")
    assert (host.property(LAUNCHER, "ExecMainStatus"), host.property(LAUNCHER, "NRestarts")) == ("78", "0")
    assert "min-redy" in host.said(LAUNCHER)
    file.write_text(CONFIG)
    host.ctl("reset-failed", LAUNCHER)
    host.ctl("start", LAUNCHER)


def test_enabling_the_services_enables_the_pool_at_boot(host: Booted) -> None:
    """The target is wanted by the boot, and wants the services that were enabled and no other."""
    host.ctl("enable", LAUNCHER)

    assert host.path("etc/systemd/system/multi-user.target.wants/nodepool-lite.target").is_symlink()
    assert host.property("nodepool-lite.target", "Wants") == LAUNCHER


def test_stopping_the_target_ends_both_and_no_machine(host: Booted) -> None:
    """What is left of the pool is its machines; the embedded ZooKeeper has ended with the launcher."""
    before = _qemu(host)
    host.ctl("enable", LAUNCHER, BUILDER)
    host.ctl("start", "nodepool-lite.target")

    host.ctl("stop", "nodepool-lite.target")

    for unit in (LAUNCHER, BUILDER):
        eventually(lambda unit=unit: host.property(unit, "ActiveState") == "inactive")
    assert _qemu(host) == before
    left = [host.path(f"proc/{each.name}/comm").read_text().strip() for each in host.path("proc").glob("[1-9]*")]
    assert sorted(left) == ["qemu-system-x86", "systemd"]
    host.ctl("start", LAUNCHER, BUILDER)
