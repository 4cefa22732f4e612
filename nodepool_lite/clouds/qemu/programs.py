"""The programs that the driver runs: where they are, which package brings them, and what their failure means."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nodepool_lite.model.errors import BadRequestError, TryAgainLaterError


class Program(NamedTuple):
    """A program under the names that distributions give it, and the packages that bring it."""

    names: tuple[str, ...]
    debian: str
    centos: str

    @property
    def missing(self) -> str:
        """The sentence for a host that lacks it."""
        return (
            f"{self.names[0]} is not installed; "
            f"install {self.debian} (Debian: apt install) or {self.centos} (CentOS: dnf install)"
        )


QEMU = Program(("qemu-system-x86_64", "/usr/libexec/qemu-kvm"), "qemu-system-x86", "qemu-kvm")
QEMU_IMG = Program(("qemu-img",), "qemu-utils", "qemu-img")
MKE2FS = Program(("mke2fs",), "e2fsprogs", "e2fsprogs")
SETSID = Program(("setsid",), "util-linux", "util-linux")
ALL = (QEMU, QEMU_IMG, MKE2FS, SETSID)


def find(program: Program) -> str:
    """Return the program's path; raises BadRequestError that names the package of Debian and of CentOS."""
    # An ordinary user's PATH lacks the sbin directories, where Debian keeps mke2fs.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    for name in program.names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise BadRequestError(program.missing)


def environment() -> Mapping[str, str]:
    """Return what our programs see: nothing of the daemon's own (systemd's sockets, secrets), messages in English."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def run(program: Program, arguments: Sequence[str], timeout: float = 60) -> str:
    """Run the program to its end, at most `timeout` seconds, and return what it printed.

    Raises:
        BadRequestError: it is not installed, or refused; the message has its last words.
        TryAgainLaterError: it could not be started, or took too long.
    """
    command = [find(program), *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TryAgainLaterError(f"{program.names[0]} did not end within {timeout:g} s") from error
    except OSError as error:
        raise TryAgainLaterError(f"{program.names[0]} could not be started: {error.strerror}") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise BadRequestError(f"{program.names[0]} {arguments[0]} failed: {words}")
    return done.stdout.decode(errors="replace")
