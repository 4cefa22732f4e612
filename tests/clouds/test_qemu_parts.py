"""The parts of the qemu driver, each for itself."""

import base64
import hashlib
import itertools
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nodepool_lite.clouds.qemu import QemuDriver, command, configdrive, locks, ports, programs, qmp, records, setnet
from nodepool_lite.clouds.qemu.records import ServerRecord
from nodepool_lite.model.errors import BadRequestError, CapacityError, TryAgainLaterError
from tests.program import Program

from . import guests
from .worlds import PROVIDER, World, spec

RECORD = ServerRecord.of(
    spec("image-1", name="a,b"),
    id="0123456789abcdef",
    cores=2,
    ram=2048,
    port=20022,
    created=0,
    boot_id="boot",
)


def pairs(arguments: list[str]) -> set[tuple[str, str]]:
    """Return each option with what follows it."""
    return set(itertools.pairwise(arguments))


def test_the_command_line_has_the_label_s_size_and_one_port_on_loopback(tmp_path: Path) -> None:
    """What the record says is what QEMU is told."""
    arguments = command.arguments(RECORD, tmp_path, ["-accel", "tcg"], 7)

    assert {("-smp", "2"), ("-m", "2048M"), ("-accel", "tcg")} <= pairs(arguments)
    assert ("-netdev", "user,id=net,ipv6=off,hostfwd=tcp:127.0.0.1:20022-:22") in pairs(arguments)
    assert ("-chardev", "socket,id=qmp,fd=7,server=on,wait=off") in pairs(arguments)


def test_commas_in_names_and_paths_do_not_become_options(tmp_path: Path) -> None:
    """QEMU's lists are separated by commas; a doubled one is a comma."""
    arguments = command.arguments(RECORD, tmp_path / "x,y", [], 7)

    assert ("-name", "guest=a,,b") in pairs(arguments)
    assert any("x,,y/disk.qcow2," in each for each in arguments)


def test_each_server_has_a_hardware_address_of_its_own() -> None:
    """Local, unicast, and the same whenever it is asked for."""
    assert command.mac("a") != command.mac("b")
    assert command.mac("a") == command.mac("a")
    assert command.mac("a").startswith("52:54:00:")


def member(number: int, set_id: str = "0000000007", pool_id: str = "pool-1") -> ServerRecord:
    """Return the record of one server of a set."""
    changes = {"id": f"{number:016x}", "node_id": f"{number:010d}", "set_id": set_id, "pool_id": pool_id}
    return RECORD.but(**changes)


def test_the_servers_of_a_set_share_a_network_that_no_other_set_has() -> None:
    """Multicast on loopback; the group and port follow from the pool and the set alone."""

    def network(record: ServerRecord) -> str:
        (found,) = (each for each in setnet.arguments(record) if each.startswith("socket,"))
        return found

    assert network(member(7)) == network(member(8))
    assert network(member(7)).endswith("localaddr=127.0.0.1")
    others = {network(member(7, "0000000009")), network(member(7, pool_id="pool-2"))}
    assert network(member(7)) not in others
    assert len(others) == 2
    assert setnet.arguments(RECORD) == []


def test_the_servers_of_a_set_have_different_addresses_on_their_network() -> None:
    """Whatever their numbers are, and hardware addresses unlike those of the first interface."""
    for first in (1, 254, 65530, 9999999000):
        servers = [member(first + each) for each in range(10)]
        addresses = {setnet.address(each) for each in servers}
        assert len(addresses) == len({setnet.mac(each) for each in servers}) == 10
        assert all(address and address.startswith("198.19.") for address in addresses)
    assert setnet.mac(member(1)) != command.mac(member(1).id)
    assert setnet.address(RECORD) is None


def test_the_config_drive_tells_a_server_of_its_set(tmp_path: Path) -> None:
    """In the words of nodepool-firstboot, and in those of cloud-init."""
    record = member(7)
    configdrive.write(tmp_path / "config.img", spec("image-1", set_id=record.set_id), record)
    meta = json.loads(read_from(tmp_path / "config.img", "/openstack/latest/meta_data.json"))["meta"]
    assert meta["nodepool_set_mac"] == setnet.mac(record)
    assert meta["nodepool_set_address"] == f"{setnet.address(record)}/16"
    data = json.loads(read_from(tmp_path / "config.img", "/openstack/latest/network_data.json"))
    assert [each["ethernet_mac_address"] for each in data["links"]] == [command.mac(record.id), setnet.mac(record)]
    assert [each["type"] for each in data["networks"]] == ["ipv4_dhcp", "ipv4"]


def read_from(drive: Path, name: str) -> bytes:
    """Return a file's content from an ext2 image, without mounting it."""
    return subprocess.run(
        [programs.find(programs.Program(("debugfs",), "", "")), "-R", f"cat {name}", drive],
        check=True,
        capture_output=True,
    ).stdout


def test_the_config_drive_has_openstack_s_layout_and_label(tmp_path: Path) -> None:
    """cloud-init and small scripts find metadata and user data where a cloud puts them."""
    drive = tmp_path / "config.img"
    asked = spec("image-1", user_data="#cloud-config\nssh_deletekeys: true\n", meta={"flavour": "sweet"})

    configdrive.write(drive, asked, RECORD)

    assert drive.read_bytes()[1024 + 120 : 1024 + 136].rstrip(b"\0") == b"config-2"
    assert read_from(drive, "/openstack/latest/user_data").decode() == asked.user_data
    metadata = json.loads(read_from(drive, "/openstack/latest/meta_data.json"))
    assert (metadata["uuid"], metadata["hostname"]) == (command.machine_uuid(RECORD.id), asked.name)
    assert metadata["meta"] == {
        "flavour": "sweet",
        "nodepool_pool_id": "pool-1",
        "nodepool_node_id": "0000000001",
        "nodepool_attempt": "attempt-1",
        "nodepool_label": "debian-12",
        "nodepool_generation": "g1",
    }
    assert len(base64.b64decode(metadata["random_seed"])) == 512


def test_the_config_drive_keeps_its_secrets(tmp_path: Path) -> None:
    """It holds the node's host key: nobody else on the host reads it, and no copy stays beside it."""
    drive = tmp_path / "config.img"
    configdrive.write(drive, spec("image-1", user_data="secret"), RECORD)

    assert stat.S_IMODE(drive.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [drive]


def test_the_config_drive_has_room_for_large_user_data(tmp_path: Path) -> None:
    """User data may hold whole scripts."""
    text = "#!/bin/sh\n" + "# a line of a long script\n" * 100_000
    configdrive.write(tmp_path / "config.img", spec("image-1", user_data=text), RECORD)

    assert read_from(tmp_path / "config.img", "/openstack/latest/user_data").decode() == text


def test_a_port_that_is_taken_or_recorded_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a listener nor another server's record is trodden on."""
    with socket.create_server((ports.ADDRESS, 0)) as listener:
        first = listener.getsockname()[1]
        monkeypatch.setattr(ports, "FIRST", first)
        monkeypatch.setattr(ports, "COUNT", 3)

        chosen = {ports.choose(f"server-{number}", {first + 1}) for number in range(20)}

        assert not chosen & {first, first + 1}
        with pytest.raises(CapacityError, match="all ports"):
            ports.choose("server", {first + 1, first + 2})


def test_a_lock_is_free_again_when_its_holder_was_killed(tmp_path: Path) -> None:
    """The kernel gives it back, whatever ended the process."""
    path = tmp_path / "lock"
    program = (
        "import sys; from pathlib import Path; from nodepool_lite.clouds.qemu import locks;"
        "locks.take(Path(sys.argv[1]), 1); print('held', flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", program, str(path)]
    with Program(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert locks.is_held(path)
        with pytest.raises(TryAgainLaterError, match="locked by another process"):
            locks.take(path, timeout=0.05)
        holder.kill()

    assert not locks.is_held(path)
    os.close(locks.take(path, timeout=0))


def test_a_record_that_cannot_be_read_is_no_record(tmp_path: Path) -> None:
    """A broken file neither stops the list nor is taken for a server."""
    records.write(RECORD, tmp_path / "server.json")
    assert records.read(ServerRecord, tmp_path / "server.json") == RECORD

    (tmp_path / "server.json").write_text('{"id": ')
    assert records.read(ServerRecord, tmp_path / "server.json") is None
    assert records.read(ServerRecord, tmp_path / "nothing") is None


def test_a_missing_program_is_named_with_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator is told what to type on either distribution."""
    with pytest.raises(BadRequestError, match=r"qemu-system-no.* apt install.* dnf install"):
        programs.find(programs.Program(("qemu-system-no",), "qemu-system-no", "qemu-no"))


def test_problems_name_every_missing_program(qemu_driver: QemuDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` shows all at once."""
    assert not qemu_driver.problems()

    monkeypatch.setattr(
        programs, "ALL", [programs.Program((each,), f"{each}-deb", f"{each}-rpm") for each in ("no-qemu", "no-img")]
    )

    assert [each.split()[0] for each in qemu_driver.problems()] == ["no-qemu", "no-img"]


def test_an_image_that_is_not_what_was_built_is_refused(qemu_driver: QemuDriver, host: World) -> None:
    """A file that changed after its build, or came in half, never becomes a node."""
    asked = guests.image(host.directory)
    asked.path.write_bytes(b"something else")

    with pytest.raises(BadRequestError, match="sha256"):
        qemu_driver.upload_image(asked, lambda _: None)

    assert not qemu_driver.list_images()
    assert not list((host.directory / "state" / "qemu" / PROVIDER / "images").iterdir())


def test_an_image_that_refers_to_other_files_is_refused(qemu_driver: QemuDriver, host: World) -> None:
    """A crafted image could show any file of this host to its guest."""
    path = host.directory / "sly.qcow2"
    arguments = ["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", path, "1M"]
    subprocess.run(arguments, check=True)
    digest = subprocess.check_output(["sha256sum", path], text=True).split()[0]
    asked = guests.image(host.directory).but(path=path, format="qcow2", sha256=digest)

    with pytest.raises(BadRequestError, match="/etc/shadow"):
        qemu_driver.upload_image(asked, lambda _: None)


@pytest.mark.parametrize(
    ("content", "image_format", "message"),
    [
        (b"", "raw", "this image is empty"),
        (b"", "qcow2", "qemu-img info failed: .*not in qcow2 format"),
        (b"I am no image", "qcow2", "qemu-img info failed: .*not in qcow2 format"),
        (b"QFI\xfb\x00\x00\x00\x63" + b"\xff" * 600, "qcow2", "qemu-img info failed: "),
    ],
)
def test_a_file_that_is_no_image_is_refused(
    qemu_driver: QemuDriver, host: World, content: bytes, image_format: str, message: str
) -> None:
    """Empty, something else, or damaged: QEMU's own words tell, and nothing is kept."""
    path = host.directory / "image"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    asked = guests.image(host.directory).but(path=path, format=image_format, sha256=digest)

    with pytest.raises(BadRequestError, match=message):
        qemu_driver.upload_image(asked, lambda _: None)

    assert not qemu_driver.list_images()


def test_an_image_of_the_same_name_with_other_content_is_refused(qemu_driver: QemuDriver, host: World) -> None:
    """A name stands for one content."""
    qemu_driver.upload_image(guests.image(host.directory), lambda _: None)

    with pytest.raises(BadRequestError, match="other content"):
        qemu_driver.upload_image(guests.image(host.directory, guests.POWERING_OFF), lambda _: None)


def test_an_uploaded_image_stays_when_the_build_is_removed(qemu_driver: QemuDriver, host: World) -> None:
    """The upload shares the file's content with the build, not its name."""
    asked = guests.image(host.directory)
    image_id = qemu_driver.upload_image(asked, lambda _: None)

    kept = host.directory / "state" / "qemu" / PROVIDER / "images" / image_id / "disk.raw"
    assert kept.samefile(asked.path)
    asked.path.unlink()
    assert kept.read_bytes() == guests.disk(guests.HELLO)


def test_an_upload_that_was_cut_off_is_swept_by_the_next_one(qemu_driver: QemuDriver, host: World) -> None:
    """Half an image is never listed and does not stay; one that is being made is left alone."""
    images = host.directory / "state" / "qemu" / PROVIDER / "images"
    dead, alive = images / ".upload-dead", images / ".upload-alive"
    for each in (dead, alive):
        each.mkdir(parents=True)
        (each / "disk.raw").write_bytes(b"half")

    with locks.holding(alive / "lock"):
        host.image(qemu_driver)

    assert len(qemu_driver.list_images()) == 1
    assert not dead.exists()
    assert alive.exists()


def test_a_format_that_qemu_is_not_given_is_refused(qemu_driver: QemuDriver, host: World) -> None:
    """The formats are those that the driver names."""
    asked = guests.image(host.directory).but(format="vhd")

    with pytest.raises(BadRequestError, match="qcow2, raw"):
        qemu_driver.upload_image(asked, lambda _: None)


def test_an_answer_to_a_caller_who_was_killed_is_not_taken_for_ours(tmp_path: Path) -> None:
    """QEMU may still send what the caller before us had asked for; the ids tell whose it is."""

    def late_answers() -> None:
        caller = listener.accept()[0]
        with caller, caller.makefile("rw") as lines:
            lines.write('{"QMP": {}}\n{"return": {}}\n{"error": {"desc": "not for us"}}\n')
            for answer in ({}, {"status": "running"}):
                lines.flush()
                asked = json.loads(lines.readline())
                lines.write(json.dumps({"return": answer, "id": asked["id"]}) + "\n")

    with qmp.listen(tmp_path) as listener:
        server = threading.Thread(target=late_answers)
        server.start()
        try:
            assert qmp.status(tmp_path, 5) == "running"
        finally:
            server.join()


def test_a_monitor_that_nobody_serves_has_no_status(tmp_path: Path) -> None:
    """A socket file alone is no machine, and its absence no error."""
    assert qmp.status(tmp_path, 1) is None
    qmp.listen(tmp_path).close()
    assert qmp.status(tmp_path, 1) is None
    with qmp.listen(tmp_path):
        assert qmp.status(tmp_path, 0.05) is None
