"""A tiny synchronous client of the QEMU Machine Protocol: greeting, one command, its answer.

The `qemu.qmp` library is built on asyncio, whose import alone costs 9 MiB of memory and 30 ms; the driver asks one
question of one socket from a worker's thread, and that is these lines.
"""

import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

SOCKET = "qmp.sock"


class QmpError(Exception):
    """QEMU did not answer, or not with what the protocol says."""


@contextmanager
def _short(directory: Path) -> Iterator[str]:
    """Yield a path to the directory's socket that fits into the 108 bytes of a socket address (unix(7))."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


def listen(directory: Path) -> socket.socket:
    """Return a socket that listens in the directory, for QEMU to inherit."""
    (directory / SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(directory) as path:
        listener.bind(path)
    listener.listen()
    return listener


class Qmp:
    """One conversation with one QEMU; `timeout` seconds for each answer. Not thread-safe."""

    def __init__(self, directory: Path, timeout: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            with _short(directory) as path:
                self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise QmpError(f"nobody listens on {directory / SOCKET}: {error}") from error
        self._file = self._socket.makefile("rwb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up, so that the next one may ask."""
        try:
            self._file.close()
        except OSError:
            pass  # the last words could not be sent: QEMU hung up first
        finally:
            self._socket.close()

    def status(self) -> str:
        """Return QEMU's run state (`running`, `paused`, `io-error` ...: RunState in the QMP reference).

        Raises:
            QmpError: QEMU ended, or did not answer in time.
        """
        self._receive(lambda message: "QMP" in message)
        self._ask("qmp_capabilities")
        return str(self._ask("query-status")["status"])

    def _ask(self, command: str) -> dict[str, Any]:
        # The answer is known by its id: a caller before us who hung up early may have left one on its way.
        token = secrets.token_hex(8)
        try:
            self._file.write(json.dumps({"execute": command, "id": token}).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise QmpError(f"QEMU hung up: {error}") from error
        answer = self._receive(lambda message: message.get("id") == token)
        if "error" in answer:
            raise QmpError(f"QEMU refused {command}: {answer['error'].get('desc')}")
        return dict(answer["return"])

    def _receive(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the next message that is wanted; events and the answers to others are passed over."""
        while True:
            try:
                message = json.loads(self._file.readline() or b"null")
            except (OSError, ValueError) as error:
                raise QmpError(f"QEMU did not answer: {error}") from error
            if message is None:
                raise QmpError("QEMU hung up")
            if wanted(message):
                return dict(message)


def status(directory: Path, timeout: float) -> str | None:
    """Return the run state of the QEMU that listens in the directory, or None when it does not answer in time."""
    try:
        with Qmp(directory, timeout) as qmp:
            return qmp.status()
    except QmpError:
        return None
