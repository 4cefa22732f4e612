"""Starting and ending the QEMU process of one server's directory."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from nodepool_lite.clouds.qemu import locks, programs
from nodepool_lite.clouds.qemu.command import PID_FILE
from nodepool_lite.model.errors import BadRequestError, CapacityError, CloudError, TryAgainLaterError

LOCK = "lock"
LOG = "qemu.log"
START_TIMEOUT = 20.0
KILL_TIMEOUT = 10.0
_LAST_WORDS = 1000


class PortTakenError(Exception):
    """Somebody else listens on the port by now."""


def start(command: Sequence[str], directory: Path, inherited: Sequence[int]) -> None:
    """Start QEMU in a session of its own and wait (well under a second) until it is up, not until its guest is.

    It becomes a child of init, so that it neither ends with us nor leaves us a zombie. It inherits `inherited`: the
    directory's lock, which thereby tells of its life, and the listening socket of its monitor.

    Raises:
        PortTakenError: the port is taken; choose another.
        CapacityError, BadRequestError, TryAgainLaterError: with QEMU's own words. It does not run then.
    """
    with (directory / LOG).open("ab") as log:
        try:
            subprocess.run(
                [programs.find(programs.SETSID), "--fork", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                env=programs.environment(),
                pass_fds=tuple(inherited),
                timeout=START_TIMEOUT,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise TryAgainLaterError(f"QEMU could not be started: {error}") from error


def failure(directory: Path) -> CloudError | PortTakenError:
    """Return the error for a QEMU that did not come up, from what it wrote to its log."""
    words = last_words(directory)
    if "host forwarding rule" in words:
        return PortTakenError(words)
    if "annot allocate memory" in words or "cannot set up guest memory" in words:
        return CapacityError(f"this host has no memory left for another server: {words}")
    if words:
        return BadRequestError(f"QEMU does not start: {words}")
    return TryAgainLaterError(f"QEMU did not come up within {START_TIMEOUT:g} s and said nothing")


def last_words(directory: Path) -> str:
    """Return the end of QEMU's log on one line; empty when it said nothing."""
    try:
        text = (directory / LOG).read_bytes()[-_LAST_WORDS:].decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def runs(directory: Path) -> bool:
    """Return whether a process made for this directory is alive, or its creation is under way."""
    return locks.is_held(directory / LOCK)


def pid(directory: Path) -> int | None:
    """Return what QEMU wrote into its pid file: worth something only while `runs`."""
    try:
        return int((directory / PID_FILE).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


def kill(directory: Path) -> None:
    """End every process made for this directory and wait for its end; raises TryAgainLaterError if one will not go.

    They are known by the pid file's path among their arguments, looked at after a pidfd has fixed which process is
    meant, so that no recycled pid is hit.
    """
    mark = str(directory / PID_FILE).encode()
    deadline = time.monotonic() + KILL_TIMEOUT
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and mark in _arguments(entry.name):
            _kill_one(int(entry.name), mark, deadline)


def _kill_one(candidate: int, mark: bytes, deadline: float) -> None:
    try:
        descriptor = os.pidfd_open(candidate)
    except ProcessLookupError:
        return
    try:
        if mark not in _arguments(str(candidate)):
            return
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        if not ended.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TryAgainLaterError(f"QEMU process {candidate} does not end although it was killed")
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def _arguments(entry: str) -> list[bytes]:
    try:
        return Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
