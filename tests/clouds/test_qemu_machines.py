"""Real machines on this host: how they start, what they leave untouched, how they end."""

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nodepool_lite.clouds.driver import ServerState
from nodepool_lite.clouds.qemu import QemuDriver, console, locks, ports, process, qmp
from nodepool_lite.model.errors import BadRequestError, CapacityError
from tests.waiting import eventually

from . import guests
from .worlds import PROVIDER, World, spec

pytestmark = pytest.mark.machine


def boot(driver: QemuDriver, world: World, code: bytes, **fields: object) -> str:
    """Upload a disk with `code`, start a machine from it, and return the server's id."""
    image_id = driver.upload_image(guests.image(world.directory, code), lambda _: None)
    return driver.create_server(spec(image_id, **fields))


def home(world: World) -> Path:
    """Return where the servers' directories are."""
    return world.directory / "state" / "qemu" / PROVIDER / "servers"


def tell(directory: Path, command: str) -> None:
    """Give QEMU a command."""
    with qmp.Qmp(directory, 5) as monitor:
        monitor.status()
        monitor._ask(command)


def test_a_guest_runs_and_its_console_can_be_read(qemu_driver: QemuDriver, host: World) -> None:
    """What a guest says on its serial port is in the console log."""
    server_id = boot(qemu_driver, host, guests.HELLO)

    eventually(lambda: qemu_driver.console_log(server_id) == "hello\n", within=20)
    assert qemu_driver.list_servers()[0].state is ServerState.ACTIVE


def test_auto_picks_an_acceleration_that_runs_guests(host: World) -> None:
    """Whatever is found out about KVM on this host, a guest runs with it."""
    driver = QemuDriver(
        host.directory / "state" / "qemu", PROVIDER, pool_id="pool-1", clock=host.clock, acceleration="auto"
    )

    server_id = boot(driver, host, guests.HELLO)

    eventually(lambda: driver.console_log(server_id) == "hello\n", within=20)


def test_the_ssh_port_is_open_on_loopback_only(qemu_driver: QemuDriver, host: World) -> None:
    """The forwarded port accepts connections on 127.0.0.1 and nowhere else."""
    boot(qemu_driver, host, guests.HELLO)
    (server,) = qemu_driver.list_servers()

    socket.create_connection((str(server.address), server.port), timeout=5).close()

    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
    assert [each for each in listening if each.endswith(f":{server.port:04X}")] == [f"0100007F:{server.port:04X}"]


def test_a_guest_that_powers_off_is_stopped_and_says_so(qemu_driver: QemuDriver, host: World) -> None:
    """A shut-down machine is STOPPED, its disk and console are kept until it is deleted."""
    server_id = boot(qemu_driver, host, guests.POWERING_OFF)

    eventually(lambda: qemu_driver.list_servers()[0].state is ServerState.STOPPED, within=20)

    assert "guest shut down" in qemu_driver.list_servers()[0].fault
    assert qemu_driver.console_log(server_id) == "bye\n"


def test_a_killed_machine_is_told_from_one_that_shut_down(qemu_driver: QemuDriver, host: World) -> None:
    """The fault tells people where to look."""
    server_id = boot(qemu_driver, host, guests.HELLO)
    process.kill(home(host) / server_id)

    assert qemu_driver.list_servers()[0].fault == "QEMU was killed"


def test_a_terminated_machine_repeats_the_last_words_of_qemu(qemu_driver: QemuDriver, host: World) -> None:
    """A signal from outside is named with its sender."""
    server_id = boot(qemu_driver, host, guests.HELLO)
    os.kill(process.pid(home(host) / server_id) or 0, signal.SIGTERM)

    eventually(lambda: qemu_driver.list_servers()[0].state is ServerState.STOPPED, within=20)
    assert f"from pid {os.getpid()}" in qemu_driver.list_servers()[0].fault


def test_a_guest_writes_to_its_own_disk_only(qemu_driver: QemuDriver, host: World) -> None:
    """The next machine of the same image is pristine."""
    server_id = boot(qemu_driver, host, guests.SCRIBBLING)
    eventually(lambda: qemu_driver.console_log(server_id) == "written\n", within=20)
    process.kill(home(host) / server_id)

    sectors = guests.disk(guests.SCRIBBLING)[:512]
    content = home(host) / "content.raw"
    overlay = home(host) / server_id / "disk.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "raw", overlay, content], check=True)
    assert content.read_bytes()[:1024] == sectors * 2
    (base,) = (home(host).parent / "images").glob("*/disk.raw")
    assert base.read_bytes() == guests.disk(guests.SCRIBBLING)
    content.unlink()


def test_a_label_may_ask_for_a_larger_disk_but_gets_no_smaller_one(qemu_driver: QemuDriver, host: World) -> None:
    """The overlay has the size asked for, and never less than the image."""
    image_id = host.image(qemu_driver)
    sizes = []
    for number, asked in enumerate((3, None)):
        server_id = qemu_driver.create_server(spec(image_id, number, disk=asked))
        command = ["qemu-img", "info", "-U", "--output=json", home(host) / server_id / "disk.qcow2"]
        sizes.append(json.loads(subprocess.check_output(command))["virtual-size"])

    assert sizes == [3 << 30, 1 << 20]


def test_a_machine_outlives_the_process_that_made_it(qemu_driver: QemuDriver, host: World) -> None:
    """A launcher may be killed: its machines go on and are found again."""
    image_id = host.image(qemu_driver)
    creator = f"""
import os, signal
from tests.clouds import worlds
from pathlib import Path
with worlds.qemu(Path({str(host.directory)!r})) as world:
    world.open("pool-1").create_server(worlds.spec({image_id!r}))
    os.killpg(0, signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", creator], start_new_session=True, check=False)

    assert ended.returncode == -signal.SIGKILL
    assert qemu_driver.list_servers()[0].state is ServerState.ACTIVE


def test_deleting_leaves_no_process_and_no_file(qemu_driver: QemuDriver, host: World) -> None:
    """A deleted server is gone with all that came with it, also when it was stopped."""
    image_id = host.image(qemu_driver)
    running, stopped = (qemu_driver.create_server(spec(image_id, number)) for number in (1, 2))
    pid = process.pid(home(host) / running)
    process.kill(home(host) / stopped)

    qemu_driver.delete_server(running)
    qemu_driver.delete_server(stopped)

    assert not list(home(host).iterdir())
    assert not Path(f"/proc/{pid}/exe").exists()


def test_the_same_attempt_is_never_made_twice(qemu_driver: QemuDriver, host: World) -> None:
    """Asking again after a lost answer gives the server that is there."""
    image_id = host.image(qemu_driver)

    assert qemu_driver.create_server(spec(image_id)) == qemu_driver.create_server(spec(image_id))
    qemu_driver.create_server(spec(image_id, attempt="another"))
    assert len(qemu_driver.list_servers()) == 2


def test_machines_started_side_by_side_have_ports_of_their_own(qemu_driver: QemuDriver, host: World) -> None:
    """Workers create servers at the same time."""
    image_id = host.image(qemu_driver)

    with ThreadPoolExecutor(8) as workers:
        list(workers.map(lambda number: qemu_driver.create_server(spec(image_id, number)), range(8)))

    servers = qemu_driver.list_servers()
    assert {each.state for each in servers} == {ServerState.ACTIVE}
    assert len({each.port for each in servers}) == 8


def test_a_port_that_was_taken_in_the_meantime_is_replaced(
    qemu_driver: QemuDriver, host: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU's word counts, not the look at the port before."""
    image_id = host.image(qemu_driver)
    with socket.create_server((ports.ADDRESS, 0)) as taken:
        first, real = taken.getsockname()[1], ports.is_free
        monkeypatch.setattr(ports, "FIRST", first)
        monkeypatch.setattr(ports, "COUNT", 20)
        monkeypatch.setattr(ports, "is_free", lambda port: port == first or real(port))
        monkeypatch.setattr(ports, "zlib", _Zeros())
        qemu_driver.create_server(spec(image_id))

    (server,) = qemu_driver.list_servers()
    assert server.state is ServerState.ACTIVE
    assert server.port != first


class _Zeros:
    """Checksums that are all alike."""

    def crc32(self, _: bytes) -> int:
        """Return zero."""
        return 0


def test_a_machine_that_qemu_holds_is_not_called_active(qemu_driver: QemuDriver, host: World) -> None:
    """A running process is not a running machine."""
    server_id = boot(qemu_driver, host, guests.HELLO)
    tell(home(host) / server_id, "stop")

    assert (qemu_driver.list_servers()[0].state, qemu_driver.list_servers()[0].fault) == (
        ServerState.STOPPED,
        "QEMU holds the machine: paused",
    )


def test_a_machine_that_does_not_answer_stays_active_while_its_process_lives(
    qemu_driver: QemuDriver, host: World
) -> None:
    """A busy QEMU is not a dead one, and a list does not wait long for it."""
    server_id = boot(qemu_driver, host, guests.HELLO)
    qemu_driver.list_servers()
    host.clock.advance(1000)
    with qmp.Qmp(home(host) / server_id, 5):  # the monitor talks to one at a time
        assert qemu_driver.list_servers()[0].state is ServerState.ACTIVE


def test_a_guest_that_babbles_does_not_fill_the_disk(
    qemu_driver: QemuDriver, host: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console is cut to its tail while the guest goes on talking."""
    monkeypatch.setattr(console, "LIMIT", 1 << 10)
    monkeypatch.setattr(console, "TAIL", 1 << 8)
    server_id = boot(qemu_driver, host, guests.BABBLING)
    log = home(host) / server_id / "console.log"

    eventually(lambda: log.stat().st_size > 2000, within=20)
    tell(home(host) / server_id, "stop")
    qemu_driver.list_servers()

    assert log.read_bytes() == b"x" * 256
    tell(home(host) / server_id, "cont")
    eventually(lambda: log.stat().st_size > 256, within=20)
    assert set(qemu_driver.console_log(server_id)) == {"x"}


def test_a_long_state_directory_is_no_obstacle(host: World) -> None:
    """Socket addresses hold 108 bytes; paths are longer at times."""
    root = host.directory / "state" / ("d" * 120) / "qemu"
    driver = QemuDriver(root, PROVIDER, pool_id="pool-1", clock=host.clock, acceleration="tcg")
    server_id = boot(driver, host, guests.HELLO)
    try:
        assert driver.list_servers()[0].state is ServerState.ACTIVE
    finally:
        driver.delete_server(server_id)


def test_a_machine_that_qemu_refuses_is_a_bad_request_and_leaves_nothing(host: World, qemu_driver: QemuDriver) -> None:
    """The words of QEMU reach the operator."""
    image_id = host.image(qemu_driver)

    with pytest.raises(BadRequestError, match=r"QEMU does not start: .*CPUs"):
        qemu_driver.create_server(spec(image_id, cores=100_000))

    assert not list(home(host).iterdir())


def test_a_machine_larger_than_the_host_is_refused(host: World, qemu_driver: QemuDriver) -> None:
    """No memory means capacity, with both numbers."""
    image_id = host.image(qemu_driver)

    with pytest.raises(CapacityError, match=r"has \d+ MiB of memory left, 99000000 \+ 128 are needed"):
        qemu_driver.create_server(spec(image_id, ram=99_000_000))

    assert not list(home(host).iterdir())


def test_memory_that_a_guest_has_not_touched_yet_is_promised_all_the_same(host: World, qemu_driver: QemuDriver) -> None:
    """Ten idle guests may wake at once."""
    before = qemu_driver.quota()
    qemu_driver.create_server(spec(host.image(qemu_driver), ram=4096))

    assert qemu_driver.quota().ram_used - before.ram_used > 3000


def test_after_a_restart_of_the_host_all_are_stopped(host: World, qemu_driver: QemuDriver) -> None:
    """What ran in another boot does not run now, and says so."""
    server_id = boot(qemu_driver, host, guests.HELLO)
    process.kill(home(host) / server_id)
    record = home(host) / server_id / "server.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"boot_id": "another"}))

    (server,) = host.open("pool-1").list_servers()

    assert (server.state, server.fault) == (ServerState.STOPPED, "this host was restarted")


def test_a_server_is_starting_while_its_creator_works_on_it(host: World, qemu_driver: QemuDriver) -> None:
    """A directory that is locked, with no QEMU yet, is being made; unlocked, its maker is dead."""
    server_id = boot(qemu_driver, host, guests.HELLO)
    process.kill(home(host) / server_id)
    for leftover in ("console.log", "qemu.pid", "qmp.sock"):
        (home(host) / server_id / leftover).unlink()

    with locks.holding(home(host) / server_id / "lock"):
        assert qemu_driver.list_servers()[0].state is ServerState.STARTING

    (server,) = qemu_driver.list_servers()
    assert (server.state, server.fault) == (ServerState.STOPPED, "its launcher ended before QEMU was started")


def test_a_list_runs_no_program_and_takes_no_time(host: World, qemu_driver: QemuDriver) -> None:
    """Listing is cheap enough to be asked twice a second."""
    image_id = host.image(qemu_driver)
    for number in range(4):
        qemu_driver.create_server(spec(image_id, number))
    qemu_driver.list_servers()
    events: list[str] = []
    active = [True]
    sys.addaudithook(lambda name, _: events.append(name) if active[0] else None)

    qemu_driver.list_servers()

    active[0] = False
    assert not [each for each in events if each.startswith(("subprocess", "os.posix_spawn", "os.fork", "socket"))]
    assert len(events) < 100
