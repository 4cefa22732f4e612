"""A stand-in for a node: a real sshd in mount and process namespaces of its own, with its own /etc, /opt and homes.

Its first process reads commands from a pipe that only the test process holds. However the test process ends, the pipe
ends too, and the kernel ends everything inside the namespaces with it.
"""

import os
import secrets
import shlex
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nodepool_lite.access.keys import KeyPair, new_host_key
from nodepool_lite.access.session import Target

NO_SUDO = "nosudo"
"""A user that may not use sudo; `jenkins` may, without a password."""
SSHD_CONFIG = """\
Include /etc/ssh/sshd_config.d/*.conf
ListenAddress 127.0.0.1
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
AuthorizedKeysFile .ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
MaxSessions 50
MaxStartups 100
"""
_FIRST_PROCESS = Path(__file__).with_name("guest.sh")


@dataclass
class Guest:
    """One stand-in; `do` runs a line of shell inside it, as root and without SSH."""

    tree: Path
    port: int
    key: KeyPair
    host_key: KeyPair
    _process: subprocess.Popen[str] | None = None

    @classmethod
    def make(cls, folder: Path, key: KeyPair, sshd_config: str = "") -> Self:
        """Lay out the files of a new stand-in and start it."""
        guest = cls(folder / "tree", _free_port(), key, new_host_key())
        keys = folder / "tree.keys"
        keys.mkdir()
        (keys / "authorized").write_text(f"{key.public}\n")
        (keys / "host_key").write_text(guest.host_key.private_openssh)
        (keys / "sshd_config").write_text(SSHD_CONFIG + sshd_config)
        (keys / "boot_id").write_text("first-boot\n")
        guest.start()
        return guest

    def start(self) -> None:
        """Boot, and return when sshd takes connections."""
        unshare = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._process = subprocess.Popen(
            [
                *([] if os.geteuid() == 0 else ["sudo", "-n"]),
                *(*unshare, "bash", str(_FIRST_PROCESS), str(self.tree), str(self.port)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.do("true")
        self.wait_for_sshd()

    def stop(self) -> None:
        """Take the power away."""
        assert self._process is not None
        self._process.communicate(timeout=30)

    def reboot(self) -> None:
        """Take the power away and boot again, with the same disk."""
        self.stop()
        (self.tree.with_name("tree.keys") / "boot_id").write_text(f"{secrets.token_hex(8)}\n")
        self.start()

    def remove(self) -> None:
        """Wipe the disk and take the power away."""
        self.do(f"rm -rf {shlex.quote(str(self.tree))}")
        self.stop()

    def do(self, line: str) -> str:
        """Run a line of shell inside, as root, and return what it printed; it has to succeed."""
        status, output = self.attempt(line)
        assert status == 0, f"{line}: {output}"
        return output

    def attempt(self, line: str) -> tuple[int, str]:
        """Run a line of shell inside, as root, and return its exit status and what it printed."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        mark = f"mark-{secrets.token_hex(8)}"
        self._process.stdin.write(f"mark={mark}; {line}\n")
        self._process.stdin.flush()
        output: list[str] = []
        for each in self._process.stdout:
            text, found, status = each.partition(f"{mark} ")
            output.append(text)
            if found:
                return int(status), "".join(output)
        raise AssertionError(f"the guest died: {self._process.communicate()[1]}")

    def freeze(self) -> None:
        """Stop every process inside, sshd too; the kernel goes on to acknowledge what is sent to it."""
        self.do("kill -STOP -1")

    def thaw(self) -> None:
        """Let every process go on."""
        self.do("kill -CONT -1")

    def target(self, username: str = "jenkins", host_key: str | None = "") -> Target:
        """Return how to log in; the host key is pinned unless another, or None, is given."""
        return Target("127.0.0.1", self.port, username, self.host_key.public if host_key == "" else host_key)

    def wait_for_sshd(self) -> None:
        """Return when sshd answers with its banner."""
        deadline = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
                    assert sock.recv(4) == b"SSH-"
                    return
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, self.do("cat /run/sshd.log")
                time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
