"""A session on a node: commands, programs and files over one SSH connection, each within its time."""

import secrets
import select
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nodepool_lite.access.connection import Target, Watchdog, close_transport, host_key_of, open_transport
from nodepool_lite.access.keys import KeyPair
from nodepool_lite.access.shell import RUNNER, FileContent, program, write_files
from nodepool_lite.model.errors import RemoteError, SessionLostError

if TYPE_CHECKING:
    import paramiko

__all__ = ["OUTPUT_LIMIT", "Result", "Session", "Target", "connect", "login_test"]

OUTPUT_LIMIT = 4 * 1024 * 1024
"""Bytes kept of each of a command's two outputs; the rest is read and thrown away."""
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended; `exit_status` is -1 when a signal ended it."""

    exit_status: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)

    @property
    def complaint(self) -> str:
        """The last line of stderr, or the exit status, for a message to people."""
        lines = self.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else f"exit status {self.exit_status}"


class Session:
    """One connection. Any thread may call it; a call that runs out of time closes it for all of them."""

    def __init__(self, transport: "paramiko.Transport", target: Target) -> None:
        self.target = target
        self.host_key = host_key_of(transport)
        """The key that the node proved to have, `TYPE BASE64`: to be pinned when nothing was."""
        self._transport = transport

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as this side knows."""
        return self._transport.is_active() and self._transport.is_authenticated()

    def run(self, command: str, timeout: float, stdin: bytes = b"") -> Result:
        """Run a line of the user's login shell, with `stdin` sent before its output is read.

        Raises:
            SessionLostError: the connection ended, or the command did not within `timeout` seconds.
        """
        import paramiko  # noqa: PLC0415 - slow to import

        with Watchdog(timeout, self.close) as watchdog:
            try:
                result = self._exchange(command, stdin, timeout)
            except (paramiko.SSHException, EOFError, OSError) as error:
                trouble = str(error) or "the connection ended"
            else:
                trouble = "" if result.exit_status >= 0 or self.alive else "the connection ended"
        if watchdog.expired:
            raise SessionLostError(f"{self.target}: the node did not finish a command within {timeout:g} s")
        if trouble:
            raise SessionLostError(f"{self.target}: {trouble}")
        return result

    def script(self, body: str, timeout: float) -> Result:
        """Run a program of POSIX sh commands; its output is free of what the user's login files print.

        Raises:
            SessionLostError: as `run`.
            RemoteError: the login gives no shell.
        """
        marker = f"nodepool-{secrets.token_hex(8)}"
        result = self.run(RUNNER, timeout, program(body, marker))
        _, found, output = result.stdout.partition(f"\n{marker}\n".encode())
        if not found:
            raise RemoteError(f"{self.target}: the login runs no shell: {result.complaint}")
        return Result(result.exit_status, output, result.stderr)

    def put(self, files: Mapping[str, FileContent], *, as_root: bool = False, timeout: float = 60) -> None:
        """Write files at absolute paths in one round trip, each appearing whole, those of a directory in order.

        The login user owns them (sudo is used where it cannot write), or root does, when asked for.

        Raises:
            SessionLostError: as `run`.
            RemoteError: the node does not let us.
        """
        result = self.script(write_files(files, root=as_root), timeout)
        if result.exit_status != 0:
            raise RemoteError(f"{self.target}: cannot write {', '.join(files)}: {result.complaint}")

    def close(self) -> None:
        """End the connection; what runs detached on the node goes on."""
        close_transport(self._transport)

    def _exchange(self, command: str, stdin: bytes, timeout: float) -> Result:
        channel = self._transport.open_session(timeout=timeout)
        try:
            channel.exec_command(command)
            _feed(channel, stdin)
            stdout, stderr = _read_both(channel)
            return Result(channel.recv_exit_status(), stdout, stderr)
        finally:
            channel.close()


def connect(target: Target, key: KeyPair, timeout: float) -> Session:
    """Log in within `timeout` seconds.

    Raises:
        NotYetReachableError: nobody answered, or not in time; try again.
        LoginRefusedError: sshd did not take the key; while a machine boots, try again.
        HostKeyMismatchError: another key than the pinned one answered; do not try again in silence.
    """
    return Session(open_transport(target, key, timeout), target)


def login_test(session: Session, timeout: float = 30) -> None:
    """Return when a command ran on the node: an open port, or even a login, proves less.

    Raises:
        SessionLostError: as `Session.run`.
        RemoteError: the node is there and runs no commands for us.
    """
    result = session.script("echo here", timeout)
    if result.stdout != b"here\n":
        raise RemoteError(f"{session.target}: a command did not run as it should: {result.complaint}")


def _feed(channel: "paramiko.Channel", stdin: bytes) -> None:
    """Give a command its input; one that has ended without reading it is judged by what it said."""
    try:
        if stdin:
            channel.sendall(stdin)
        channel.shutdown_write()
    except OSError:
        if not channel.closed:
            raise


def _read_both(channel: "paramiko.Channel") -> tuple[bytes, bytes]:
    """Read both outputs as they come, so that neither fills the window while we wait for the other."""
    stdout, stderr = bytearray(), bytearray()
    poller = select.poll()
    poller.register(channel.fileno(), select.POLLIN)
    while True:
        ended = channel.eof_received or channel.closed
        if channel.recv_ready():
            _keep(stdout, channel.recv(_CHUNK))
        elif channel.recv_stderr_ready():
            _keep(stderr, channel.recv_stderr(_CHUNK))
        elif ended:
            return bytes(stdout), bytes(stderr)
        else:
            poller.poll()


def _keep(buffer: bytearray, data: bytes) -> None:
    buffer += data[: OUTPUT_LIMIT - len(buffer)]
