"""A real machine from a real image: QEMU without KVM, a config drive with an injected host key, a login over SSH."""

import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nodepool_lite.clouds.driver import ServerSpec
from nodepool_lite.clouds.qemu import configdrive
from nodepool_lite.clouds.qemu.records import ServerRecord
from tests.waiting import eventually

_PATIENCE = 300


@dataclass(frozen=True)
class Machine:
    """A running guest."""

    directory: Path
    port: int
    key: Path

    @property
    def console(self) -> str:
        """What the guest wrote to its serial console."""
        return (self.directory / "console.log").read_text(errors="replace")

    def run(self, command: str, *options: str, user: str = "jenkins", timeout: float = 60) -> str:
        """Run a command over SSH, with nothing but the pinned host key accepted; return its output."""
        known_hosts = self.directory / "known_hosts"
        return subprocess.check_output(
            [
                *("ssh", "-p", str(self.port), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"),
                *("-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known_hosts}"),
                *("-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR", *(options or ("-i", str(self.key)))),
                *(f"{user}@127.0.0.1", command),
            ],
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=timeout,
        )

    def lets_in(self) -> bool:
        """Return whether a command can be run."""
        try:
            return self.run("echo yes") == "yes\n"
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return False


def make_key(file: Path) -> str:
    """Make an SSH key pair and return the public half, type and key."""
    subprocess.check_call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file])
    return " ".join(file.with_name(f"{file.name}.pub").read_text().split()[:2])


@contextmanager
def booted(directory: Path, image: Path, key: Path, name: str, ram: int = 512) -> Iterator[Machine]:
    """Boot `image` as a machine called `name` with `ram` MiB; yields it when it lets us in."""
    public = make_key(directory / "host_key")
    _write_config_drive(directory, name, public)
    subprocess.check_call(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2", directory / "disk.qcow2"]
    )
    port = _free_port()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n")
    machine = Machine(directory, port, key)
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *_qemu(directory, port, ram)])
    try:
        eventually(machine.lets_in, _PATIENCE)
        yield machine
    finally:
        process.kill()
        process.wait()


def _qemu(directory: Path, port: int, ram: int) -> list[str]:
    return shlex.split(
        f"qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m {ram} -display none -nodefaults"
        f" -serial file:{directory}/console.log -drive file={directory}/disk.qcow2,if=virtio,cache=unsafe"
        f" -drive file={directory}/config.img,if=virtio,format=raw,readonly=on"
        f" -nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{port}-:22"
    )


def _write_config_drive(directory: Path, name: str, public: str) -> None:
    private = "".join(f"    {line}\n" for line in (directory / "host_key").read_text().splitlines())
    user_data = (
        f"#cloud-config\nhostname: {name}\nssh_deletekeys: true\nssh_genkeytypes: []\nssh_keys:\n"
        f"  ed25519_private: |\n{private}  ed25519_public: {public}\n"
    )
    spec = ServerSpec(
        pool_id="pool",
        node_id="1",
        attempt="1",
        name=name,
        label="debian-12",
        generation="1",
        image_id="image",
        user_data=user_data,
    )
    record = ServerRecord.of(
        spec,
        id=str(time.time_ns()),
        cores=2,
        ram=512,
        port=22,
        created=0,
        boot_id="",
    )
    configdrive.write(directory / "config.img", spec, record)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
