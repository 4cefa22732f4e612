"""Telling systemd how it stands with us: sd_notify(3), over the datagram socket that $NOTIFY_SOCKET names."""

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends states to the service manager; does nothing when there is none. Used by the loop's thread."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = environ.get("WATCHDOG_USEC", "")
        own = environ.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        self.watchdog: float | None = int(usec) / 1e6 / 2 if usec.isdigit() and own else None
        """Seconds between two signs of life that the service manager wants, None when it wants none."""

    def ready(self, status: str) -> None:
        """Start-up, or a reload, is complete."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read again; MONOTONIC_USEC is what Type=notify-reload asks for."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def status(self, text: str) -> None:
        """Show a sentence in `systemctl status`."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """The loop has made progress."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            try:
                sock.sendto(message.encode(), self._address)
            except OSError:
                return  # the manager is gone or busy: nobody is there to be told
