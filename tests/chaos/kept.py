"""A process that is started again whatever ends it, as systemd would, and what can be done to it meanwhile."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class Kept:
    """Used by one thread. It does nothing by itself: whoever keeps it looks whether it has ended."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.frozen = False
        self.status = 0
        """How it ended the last time."""
        self._command = list(command)
        self._log = log
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it is there; a frozen one is, too."""
        if self._process is not None and (status := self._process.poll()) is not None:
            self.status = status
            self._process = None
        return self._process is not None

    @property
    def pid(self) -> int:
        """Its process id; 0 when it is not there."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it."""
        self.frozen = False
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )

    def kill(self) -> None:
        """End it as a power cut would."""
        self._send(signal.SIGKILL)
        if self._process:
            self._process.wait()

    def stop(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it stand still, as a host that is suspended."""
        self.frozen = True
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had been."""
        if self.frozen:
            self._send(signal.SIGCONT)
        self.frozen = False

    def _send(self, what: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(what)
