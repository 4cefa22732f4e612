"""Namespaces for all that a run starts and makes: the kernel removes it with the first process, whatever ends that.

Inside are a process table, a network, mounts and a host name apart from the host's. The only thing that is not ours is
the real cloud's network, which a file descriptor brings along: a wire is led there, and vanishes with our end of it.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.cloud.stack.enclosure import Enclosure
from tests.cloud.stack.place import CloudError, Place

APART = ("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc")
CLOUD_NAMESPACE = "cloud"
FRESH = ("/run/netns", "/dev/shm")
"""Directories of our own: names of networks, and what libfaketime keeps for a process number."""


def enter(*arguments: str) -> None:
    """Become `python ARGUMENTS --inside FD` in namespaces of its own; does not return.

    Raises:
        CloudError: there is no cloud, or we may not do this.
    """
    if os.geteuid() != 0:
        raise CloudError("this makes namespaces and networks: run it as root")
    process = Enclosure(Place.find()).process
    if process is None:
        raise CloudError("there is no cloud for the pool; bring it up with tests/cloud/up")
    network = os.open(f"/proc/{process.pid}/ns/net", os.O_RDONLY)
    os.set_inheritable(network, True)  # noqa: FBT003 - its only form
    command = [*APART, sys.executable, *arguments, "--inside", str(network)]
    os.execvp(command[0], command)


def settle_in(network: int) -> None:
    """Finish what `enter` began, from inside: directories of our own, and a name for the cloud's network."""
    for directory in FRESH:
        Path(directory).mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "chaos", directory], check=True)
    name = Path("/run/netns") / CLOUD_NAMESPACE
    name.touch()
    subprocess.run(["mount", "--bind", f"/proc/self/fd/{network}", name], check=True, pass_fds=(network,))
    os.close(network)
