"""The cloud's own namespaces (processes, mounts, network, ...): ending their first process ends all that is in them."""

import os
import socket
import subprocess
import time
from pathlib import Path

from .place import WIRES, CloudError, Place, Wire
from .process import Process

NAMESPACES = ("--mount", "--pid", "--net", "--ipc", "--uts")
INIT = (
    "import signal\n"
    "signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps what we inherit\n"
    "while True: signal.pause()\n"
)
"""The first process: it only lasts, and inherits the daemons."""

STEP = 0.05
PATIENCE = 60.0
INSIDE = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "PYTHONWARNINGS": "ignore",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""The environment of all services: nothing of the caller's, least of all a proxy or another python3 in front."""


class Enclosure:
    """The namespaces of one cloud as seen from the host."""

    def __init__(self, place: Place) -> None:
        self._record = place.home / "enclosure.process"
        self._place = place

    @property
    def process(self) -> Process | None:
        """Return the living first process, by its number on the host; None when the cloud is down."""
        process = Process.load(self._record)
        return process if process and process.alive else None

    def create(self) -> None:
        """Make the namespaces and the wires to them."""
        taken = _wires_here()
        if taken:
            raise CloudError(
                f"the interface {taken[0]} exists: another cloud runs on this host, with another home;"
                f" if none does, remove it: ip link del {taken[0]}"
            )
        unshare = subprocess.Popen(
            ["unshare", *NAMESPACES, "--fork", "--mount-proc", "/usr/bin/python3", "-c", INIT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=INSIDE,
            start_new_session=True,
        )
        process = self._first_child(unshare)
        process.save(self._record)
        for wire in WIRES:
            _connect(wire, process.pid)

    def command(self, *command: str) -> list[str]:
        """Return the command line that runs a command inside."""
        process = self.process
        if process is None:
            raise CloudError("the cloud is down; bring it up with tests/cloud/up")
        return ["nsenter", "--target", str(process.pid), *NAMESPACES, "--root", "--wd=/", "--", *command]

    def environment(self) -> dict[str, str]:
        """Return the environment for commands inside."""
        here = Path(__file__).resolve().parent.parent
        home, temporary = self._place.data / "home", self._place.data / "tmp"
        ours = {"HOME": home, "TMPDIR": temporary, "PYTHONPATH": here, "NODEPOOL_TEST_CLOUD": self._place.home}
        return {**INSIDE, **{name: str(path) for name, path in ours.items()}, **_terminal()}

    def destroy(self) -> None:
        """End everything inside, and return when it is gone, interfaces included; again if it was cut short."""
        process = self.process
        if process:
            os.kill(process.pid, 9)
            end = time.monotonic() + PATIENCE
            while process.alive:
                if time.monotonic() > end:
                    raise CloudError(f"process {process.pid} does not go away")
                time.sleep(STEP)
        if self._record.exists():
            for name in _wires_here():  # they would last for as long as anybody looks into the namespace
                _cut(name)
            self._record.unlink()

    @staticmethod
    def _first_child(unshare: "subprocess.Popen[bytes]") -> Process:
        """Return the first process of the namespaces, when it has become what it is to be."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if unshare.poll() is not None:
                reason = unshare.stderr.read().decode().strip() if unshare.stderr else ""
                raise CloudError(f"the kernel gives us no namespaces: {reason}")
            children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text().split()
            process = Process.of(int(children[0])) if children else None
            if process and b"signal.pause" in Path(f"/proc/{process.pid}/cmdline").read_bytes():
                return process
            time.sleep(STEP)
        raise CloudError("the first process of the cloud's namespaces does not start")


def _wires_here() -> list[str]:
    present = {name for _, name in socket.if_nameindex()}
    return [wire.host for wire in WIRES if wire.host in present]


def _connect(wire: Wire, pid: int) -> None:
    _ip("link", "add", wire.host, "type", "veth", "peer", "name", wire.inside, "netns", str(pid))
    _ip("addr", "add", f"{wire.address}/24", "dev", wire.host)
    _ip("link", "set", wire.host, "up")


def _cut(name: str) -> None:
    try:
        _ip("link", "del", name)
    except CloudError:
        if name in _wires_here():
            raise


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise CloudError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def _terminal() -> dict[str, str]:
    return {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}
