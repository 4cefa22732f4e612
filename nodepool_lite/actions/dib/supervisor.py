"""The process between the builder and disk-image-create: when either of them ends, all of the build ends.

Run as `python -m nodepool_lite.actions.dib.supervisor WORK_DIR PARTIAL_DIR LOG COMMAND...`. Standard input is a pipe
that the builder holds open for as long as the build may run; the kernel closes it when the builder dies, however it
dies. The command runs in its own session, mount and process-id namespaces. Should the supervisor itself be killed,
the kernel kills `unshare`, with it the first process of the namespace, and with that one all others; what is left then
(loop devices, directories) is for the sweep.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from nodepool_lite.actions.dib import devices
from nodepool_lite.model.clock import SystemClock

ENDED = 128 + signal.SIGTERM
"""Exit status: the build was ended from outside, by the builder's end or a signal."""

_NAMESPACES = (
    "unshare",
    "--mount",
    "--propagation=private",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--",
)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(arguments: Sequence[str]) -> int:
    """Run the command until it or the builder ends; return its exit status, or ENDED."""
    work_dir, partial_dir, log, *command = arguments
    told_to_end = _pipe_on_sigterm()
    os.umask(0o022)
    os.nice(5)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # so that the first process of the namespace can be waited for, too
    with Path(log).open("ab") as output:
        child = _start(command, output.fileno())
    ended = _wait(child, (sys.stdin.fileno(), told_to_end))
    if ended:
        child.kill()
    _reap_all(child)
    devices.release(Path(work_dir), SystemClock())
    if ended:
        for directory in (work_dir, partial_dir):
            devices.remove(Path(directory))
        return ENDED
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _start(command: Sequence[str], output: int) -> subprocess.Popen[bytes]:
    supervisor = os.getpid()

    def die_with_supervisor() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(ENDED)

    return subprocess.Popen(
        (*_NAMESPACES, *command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        close_fds=False,  # the locks of the build's directories go along: they are free when the last process is gone
        start_new_session=True,
        preexec_fn=die_with_supervisor,  # noqa: PLW1509 - this process has one thread
    )


def _wait(child: subprocess.Popen[bytes], ends: Sequence[int]) -> bool:
    """Return whether the build is to be ended (True) or the child ended by itself (False)."""
    pidfd = os.pidfd_open(child.pid)
    poll = select.poll()
    for descriptor in (pidfd, *ends):
        poll.register(descriptor, select.POLLIN)
    ready = {descriptor for descriptor, _ in poll.poll()}
    os.close(pidfd)
    return pidfd not in ready


def _reap_all(child: subprocess.Popen[bytes]) -> None:
    child.wait()
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return


def _pipe_on_sigterm() -> int:
    """Return a descriptor that becomes readable when SIGTERM or SIGINT comes."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer)
    return reader


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
