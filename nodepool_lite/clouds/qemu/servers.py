"""The servers' directories: how one is made, looked at and removed, so that no crash leaks a process or a disk."""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nodepool_lite.clouds.driver import ServerSpec
from nodepool_lite.clouds.qemu import command, host, locks, ports, process, qmp, records
from nodepool_lite.clouds.qemu.accel import Acceleration
from nodepool_lite.clouds.qemu.records import ServerRecord
from nodepool_lite.config.ownership import made_directory
from nodepool_lite.model.errors import TryAgainLaterError

_RECORD = "server.json"
_PORT_TRIES = 5


class Place(NamedTuple):
    """A server's published directory; `lock` is the descriptor of its lock, held by us and then by QEMU as well."""

    record: ServerRecord
    directory: Path
    lock: int

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Give our copy of the lock back at the end of a block."""
        try:
            yield
        finally:
            os.close(self.lock)


class Servers:
    """The servers of one provider. Any thread of any process may call anything: locks on files keep order.

    `root` is `<state-dir>/qemu`, shared with the other qemu providers of this host; `name` is the provider's.
    """

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._home = root / name
        self.directory = self._home / "servers"
        self._known: dict[Path, dict[str, tuple[int, ServerRecord | None]]] = {}

    def prepare(self) -> None:
        """Make the directories; only their owner may look into them, for they hold nodes' secrets."""
        made_directory(self.directory, 0o700)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep everybody from choosing ports and images, on this whole host, during a (short) block."""
        self.prepare()
        with locks.holding(self._root / "lock"):
            yield

    def all(self) -> Mapping[str, ServerRecord]:
        """Return the records of all servers of this provider, whoever's, by id."""
        return {each.id: each for each in self._read(self.directory)}

    def on_host(self) -> Sequence[tuple[Path, ServerRecord]]:
        """Return directory and record of the servers of all qemu providers on this host."""
        homes = [home / "servers" for home in records.published(self._root)]
        return [(home / each.id, each) for home in homes for each in self._read(home)]

    def running(self) -> Sequence[tuple[Path, ServerRecord]]:
        """Return directory and record of those on this host whose process is alive."""
        return [(directory, record) for directory, record in self.on_host() if process.runs(directory)]

    def _read(self, parent: Path) -> list[ServerRecord]:
        """Return the records under `parent`; a file is read again only when it changed."""
        known, found = self._known.get(parent, {}), {}
        for directory in records.published(parent):
            path = directory / _RECORD
            try:
                changed = path.stat().st_mtime_ns
            except FileNotFoundError:
                continue  # removed in this moment
            entry = known.get(directory.name)
            if entry is None or entry[0] != changed:
                entry = (changed, records.read(ServerRecord, path))
            found[directory.name] = entry
        self._known[parent] = found
        return [record for _, record in found.values() if record is not None]

    def reserve(
        self, spec: ServerSpec, needed: tuple[int, int], now: float, check: Callable[[], None]
    ) -> ServerRecord | Place:
        """Publish the directory of a new server with its record and a port of its own, locked by us.

        `check` is called while nobody else can reserve, and may refuse by raising. If the same attempt was reserved
        before, its record is returned and nothing is done.
        """
        with self.quiet():
            for each in self.all().values():
                if (each.pool_id, each.node_id, each.attempt) == (spec.pool_id, spec.node_id, spec.attempt):
                    return each
            check()
            server_id = secrets.token_hex(8)
            record = ServerRecord.of(
                spec,
                id=server_id,
                cores=needed[0],
                ram=needed[1],
                port=self._free_port(server_id),
                created=now,
                boot_id=host.boot_id(),
            )
            unpublished = self.directory / f".new-{server_id}"
            unpublished.mkdir(mode=0o700)
            records.write(record, unpublished / _RECORD)
            lock = locks.take(unpublished / process.LOCK, timeout=1)
            directory = unpublished.rename(self.directory / server_id)
        return Place(record, directory, lock)

    def _free_port(self, server_id: str) -> int:
        return ports.choose(server_id, {record.port for _, record in self.on_host()})

    def start(self, place: Place, qemu: str, accel: Acceleration) -> None:
        """Start the server's QEMU, on another port when somebody took the chosen one; raises what its log tells."""
        record = place.record
        for _ in range(_PORT_TRIES):
            failure = self._start_once(place._replace(record=record), qemu, accel)
            if failure is None:
                return
            if not isinstance(failure, process.PortTakenError):
                raise failure
            with self.quiet():
                port = self._free_port(secrets.token_hex(4))
                record = record.but(port=port)
                records.write(record, place.directory / _RECORD)
            (place.directory / process.LOG).unlink(missing_ok=True)
        raise TryAgainLaterError(f"server {record.id}: {_PORT_TRIES} ports in a row were taken by others")

    def _start_once(self, place: Place, qemu: str, accel: Acceleration) -> Exception | None:
        with qmp.listen(place.directory) as listener, qmp.Qmp(place.directory, process.START_TIMEOUT) as monitor:
            arguments = command.arguments(place.record, place.directory, accel.arguments, listener.fileno())
            process.start([qemu, *arguments], place.directory, (place.lock, listener.fileno()))
            # Ours is closed, so that the call is cut off at once if QEMU ends before it answers.
            listener.close()
            try:
                monitor.status()
            except qmp.QmpError:
                process.kill(place.directory)
                return process.failure(place.directory)
        return None

    def remove(self, server_id: str) -> None:
        """End the server's process and remove its directory; one that is gone is no error.

        Raises:
            TryAgainLaterError: the process does not end, or its creation is under way at this moment.
        """
        directory = self.directory / server_id
        if not directory.exists():
            return
        process.kill(directory)
        lock = locks.take(directory / process.LOCK, timeout=2)
        try:
            records.remove(directory)
        finally:
            os.close(lock)

    def discard(self, place: Place) -> None:
        """Undo a reservation whose server could not be started; whatever stays is found by the next list."""
        process.kill(place.directory)
        records.remove(place.directory)

    def sweep(self) -> None:
        """Remove what crashes left behind: directories that were never published, or not removed to the end."""
        if not records.hidden(self.directory):
            return
        with self.quiet():
            for each in records.hidden(self.directory):
                records.remove(each)


def why_stopped(directory: Path, record: ServerRecord) -> str:
    """Return the sentence that tells why the server's process is not there any more."""
    words = process.last_words(directory)
    said = f" (QEMU said: {words})" if words else ""
    if record.boot_id != host.boot_id():
        return f"this host was restarted{said}"
    if process.pid(directory) is not None:
        return f"QEMU was killed{said}"
    if (directory / command.CONSOLE).exists():
        return f"the guest shut down, or QEMU was told to end{said}"
    return f"its launcher ended before QEMU was started{said}"
