"""Servers on this host: QEMU processes that survive the daemon, overlay disks, and an SSH port on loopback for each.

Everything about a server is in one directory, `<state-dir>/qemu/<provider>/servers/<id>/`. Whether it runs is told by
one lock in it, which QEMU inherits and the kernel gives back when the process is gone, whatever ended it: no pid is
believed. A directory appears and disappears by one rename, so a crash at any instruction leaves a server that is
listed, or a left-over that the next list removes.
"""

from nodepool_lite.clouds.qemu.driver import QemuDriver

__all__ = ["QemuDriver"]
