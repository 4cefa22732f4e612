"""A gateway to ZooKeeper that counts what the client behind it asks for, without the client's help.

Every part of a transaction or of a batch of reads counts as an operation; pings, log-ins and the session itself do not.
The numbers are those of ZooKeeper's `ZooDefs.OpCode`, the encodings those of its `zookeeper.jute`.
"""

import asyncio
import contextlib
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

NAMES = {1: "create", 2: "delete", 3: "exists", 4: "get", 5: "set", 8: "children", 12: "children", 15: "create"}
_CLOSE, _PING, _AUTH, _MULTI, _MULTI_READ = -11, 11, 100, 14, 22
_NO_OPERATIONS = {_CLOSE, _PING, _AUTH}
_DELETE, _GET, _SET, _CHILDREN, _CHECK = 2, 4, 5, 8, 13
_CREATE, _CREATE2, _CREATE_CONTAINER, _CREATE_TTL = 1, 15, 19, 21
_INT, _LONG, _BOOL = 4, 8, 1


@dataclass(frozen=True)
class Mark:
    """One moment: what had been asked until then."""

    calls: int
    """Of a cloud."""
    operations: int
    """Of ZooKeeper."""
    at: float
    """Monotonic seconds."""


class Meter:
    """Listens on a loopback port of its own. `operations` and `kinds` may be read from any thread."""

    def __init__(self, upstream: str, tls: ssl.SSLContext | None = None) -> None:
        self.kinds: Counter[str] = Counter()
        self.port = 0
        self._upstream = upstream
        self._tls = tls

    @property
    def operations(self) -> int:
        """How many operations there were so far."""
        return self.kinds.total()

    @contextmanager
    def running(self) -> Iterator["Meter"]:
        """Be a gateway during this block."""
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls))
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(_end(server), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._upstream.partition(":")
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            answers, requests = await asyncio.open_connection(host, int(port))
            back = asyncio.create_task(_copy(answers, writer))
            try:
                await self._forward(reader, requests)
            finally:
                requests.close()
                back.cancel()
                writer.close()

    async def _forward(self, reader: asyncio.StreamReader, requests: asyncio.StreamWriter) -> None:
        """Hand on one request after the other; the first is the session's."""
        counts = False
        while True:
            head = await reader.readexactly(_INT)
            body = await reader.readexactly(int.from_bytes(head))
            if counts:
                self.kinds.update(operations(body))
            counts = True
            requests.write(head + body)
            await requests.drain()


def operations(request: bytes) -> list[str]:
    """Return the names of the operations in one request of a client."""
    _, kind = struct.unpack_from(">ii", request)
    if kind in _NO_OPERATIONS:
        return []
    if kind not in {_MULTI, _MULTI_READ}:
        return [NAMES.get(kind, str(kind))]
    found: list[str] = []
    offset = 2 * _INT
    while True:
        kind, done = struct.unpack_from(">i?", request, offset)
        if done:
            return found
        found.append(NAMES.get(kind, str(kind)))
        offset = _after(kind, request, offset + 2 * _INT + _BOOL)


def _after(kind: int, request: bytes, offset: int) -> int:
    """Return where the part of a transaction ends that begins at `offset`."""
    offset = _past_buffer(request, offset)  # the path
    if kind in {_GET, _CHILDREN}:
        return offset + _BOOL
    if kind in {_DELETE, _CHECK}:
        return offset + _INT
    offset = _past_buffer(request, offset)  # the data
    if kind == _SET:
        return offset + _INT
    if kind not in {_CREATE, _CREATE2, _CREATE_CONTAINER, _CREATE_TTL}:
        raise ValueError(f"a transaction with an operation of unknown kind: {kind}")
    (entries,) = struct.unpack_from(">i", request, offset)
    offset += _INT
    for _ in range(max(0, entries)):  # the access list: permissions, scheme, id
        offset = _past_buffer(request, _past_buffer(request, offset + _INT))
    return offset + _INT + (_LONG if kind == _CREATE_TTL else 0)


def _past_buffer(request: bytes, offset: int) -> int:
    length: int = struct.unpack_from(">i", request, offset)[0]
    return offset + _INT + max(0, length)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on one answer after the other, over TLS in a record of its own each, as ZooKeeper does.

    kazoo waits for its socket to be readable, and does not see what TLS has decrypted together with an answer before.
    """
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readexactly(_INT)
            writer.write(head + await reader.readexactly(int.from_bytes(head)))
            await writer.drain()
    writer.close()


async def _end(server: asyncio.Server) -> None:
    """Close the gateway and let what it serves end."""
    server.close()
    tasks = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
