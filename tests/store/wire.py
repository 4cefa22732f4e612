"""A wire between a client and a real server that a test can cut, or on which nothing moves until it says so."""

import selectors
import socket
import threading
from contextlib import suppress

PAUSE = 0.005
"""Seconds between two looks at a wire on which nothing may move."""


class Wire:
    """Listens on a loopback port and passes all on to the server. Methods are for the test's thread."""

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []
        self._whole = True
        self.requests = threading.Event()
        self.answers = threading.Event()
        self.mend()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and let none be made until `mend`."""
        with self._lock:
            self._whole = False
            for each in self._ends:
                _close(each)
            self._ends.clear()

    def mend(self) -> None:
        """Let connections be made, and everything move."""
        self._whole = True
        self.requests.set()
        self.answers.set()

    def close(self) -> None:
        """End it."""
        _close(self._listener)
        self.cut()
        self.mend()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                with self._lock:
                    if not self._whole:
                        _close(client)
                        continue
                    server = socket.create_connection(self._server)
                    self._ends += [client, server]
                for source, target, moves in ((client, server, self.requests), (server, client, self.answers)):
                    threading.Thread(target=_pump, args=(source, target, moves), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, moves: threading.Event) -> None:
    """Pass on what comes while that may move; a byte that was read already waits as well."""
    with suppress(OSError), selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        while True:
            selector.select()
            block = source.recv(65536)
            moves.wait()
            if not block:
                break
            target.sendall(block)
    _close(target)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
