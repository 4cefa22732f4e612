"""The driver for servers on this host: the contract's calls, in terms of directories and processes."""

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from nodepool_lite.clouds.driver import Image, ImageSpec, Need, Quota, Server, ServerSpec, ServerState
from nodepool_lite.clouds.qemu import (
    accel,
    command,
    configdrive,
    console,
    disk,
    host,
    ports,
    process,
    programs,
    qmp,
    setnet,
)
from nodepool_lite.clouds.qemu.images import FORMATS, Images
from nodepool_lite.clouds.qemu.records import ServerRecord
from nodepool_lite.clouds.qemu.servers import Place, Servers, why_stopped
from nodepool_lite.config.settings import PoolLabel, ProviderPool
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import BadRequestError, CapacityError, CloudError, GoneError, TryAgainLaterError

DEFAULT_CORES = 1
DEFAULT_RAM = 1024
"""MiB."""
CORES_OVERCOMMIT = 4
"""Virtual cores per core of the host: nodes that wait are idle, and a pool is mostly nodes that wait."""
RAM_OVERHEAD = 128
"""MiB that QEMU itself takes beside its guest's."""
RAM_RESERVE = 256
"""MiB of the host's memory that no server may take, or a twentieth of it, if that is more."""
DISK_RESERVE = 2048
"""MiB that must be free before another disk is made; overlays grow as their guests write."""

_STATUS_TIMEOUT = 0.5
_TRUST = 60.0
"""Seconds for which a machine that ran is believed to run while its process lives, without asking QEMU again."""
_RUN_STATES = {
    "running": ServerState.ACTIVE,
    "prelaunch": ServerState.STARTING,
    "inmigrate": ServerState.STARTING,
    "io-error": ServerState.ERROR,
    "internal-error": ServerState.ERROR,
    "guest-panicked": ServerState.ERROR,
}


class QemuDriver:
    """The servers under `root` (`<state-dir>/qemu`) of the provider `name` that carry `pool_id`.

    Thread-safe; any thread may call anything. Several drivers, also of other processes, may share one root.
    """

    poll_interval = 0.5
    image_formats: Sequence[str] = FORMATS
    injects_host_key = True

    def __init__(
        self, root: Path, name: str, *, pool_id: str, clock: Clock, acceleration: Literal["auto", "kvm", "tcg"] = "auto"
    ) -> None:
        self._root = root.absolute()
        self._pool_id = pool_id
        self._clock = clock
        self._wanted = acceleration
        self._servers = Servers(self._root, name)
        self._images = Images(self._root / name / "images", self._servers)
        self._seen_running: dict[str, float] = {}

    def create_server(self, spec: ServerSpec) -> str:
        """Start a machine and return its id, when its process runs and long before its guest is up (0.3 s).

        The same attempt for the same node is never made twice.
        """
        with _mapped("create a server"):
            needed = (spec.cores or DEFAULT_CORES, spec.ram or DEFAULT_RAM)
            qemu = programs.find(programs.QEMU)
            acceleration = self.acceleration()
            place = self._servers.reserve(spec, needed, self._clock.now(), lambda: self._check(spec, needed[1]))
            if isinstance(place, ServerRecord):
                return place.id
            with place.locked():
                try:
                    self._make_disks(spec, place)
                    self._servers.start(place, qemu, acceleration)
                except BaseException:
                    self._servers.discard(place)
                    raise
            return place.record.id

    def _check(self, spec: ServerSpec, ram: int) -> None:
        """Refuse a server that has no image or no room; called while nobody else takes room."""
        self._images.get(spec.image_id)
        quota = self.quota()
        free = (quota.ram or 0) - quota.ram_used
        if ram + RAM_OVERHEAD > free:
            raise CapacityError(f"this host has {max(0, free)} MiB of memory left, {ram} + {RAM_OVERHEAD} are needed")
        space = host.free_space(self._servers.directory)
        if space < DISK_RESERVE:
            raise CapacityError(f"{self._servers.directory} has {space} MiB free, {DISK_RESERVE} must stay free")

    def _make_disks(self, spec: ServerSpec, place: Place) -> None:
        image = self._images.get(spec.image_id)
        disk.make_overlay(place.directory / command.OVERLAY, self._images.file(image), image, spec.disk)
        configdrive.write(place.directory / command.CONFIG_DRIVE, spec, place.record)

    def acceleration(self) -> accel.Acceleration:
        """Return whether KVM or TCG is used and why; tries KVM out once per boot of this host, if it may choose."""
        return accel.choose(self._wanted, programs.find(programs.QEMU), self._root / "accel.json")

    def list_servers(self) -> Sequence[Server]:
        """Return our pool's servers: files are read and locks tried, no program is run."""
        with _mapped("list servers"):
            self._servers.sweep()
            ours = [each for each in self._servers.all().values() if each.pool_id == self._pool_id]
            return [self._look(each) for each in ours]

    def _look(self, record: ServerRecord) -> Server:
        state, fault = self._state(record)
        return Server(
            id=record.id,
            node_id=record.node_id,
            attempt=record.attempt,
            name=record.name,
            state=state,
            address=ports.ADDRESS,
            port=record.port,
            private_address=setnet.address(record) or command.GUEST_ADDRESS,
            fault=fault,
            created=record.created,
        )

    def _state(self, record: ServerRecord) -> tuple[ServerState, str]:
        directory, now = self._servers.directory / record.id, self._clock.now()
        if not process.runs(directory):
            self._seen_running.pop(record.id, None)
            return ServerState.STOPPED, why_stopped(directory, record)
        console.hold_small(directory / command.CONSOLE)
        seen = self._seen_running.get(record.id)
        if seen is not None and now - seen < _TRUST:
            return ServerState.ACTIVE, ""
        status = qmp.status(directory, _STATUS_TIMEOUT)
        if status is None:  # being started, or too busy to answer
            return (ServerState.STARTING if seen is None else ServerState.ACTIVE), ""
        if status == "running":
            self._seen_running[record.id] = now
            return ServerState.ACTIVE, ""
        return _RUN_STATES.get(status, ServerState.STOPPED), f"QEMU holds the machine: {status}"

    def delete_server(self, server_id: str) -> None:
        """End the machine at once and remove its directory; one that is gone is no error."""
        with _mapped("delete a server"):
            record = self._servers.all().get(server_id)
            if record is None:
                return
            self._must_be_ours(record.pool_id, f"server {server_id}")
            self._servers.remove(server_id)
            self._seen_running.pop(server_id, None)

    def console_log(self, server_id: str) -> str:
        """Return the last 64 KiB of the serial console; raises GoneError when there is no such server."""
        with _mapped("read a console"):
            if server_id not in self._servers.all():
                raise GoneError(f"there is no server {server_id} on this host")
            return console.tail(self._servers.directory / server_id / command.CONSOLE).decode(errors="replace")

    def upload_image(self, spec: ImageSpec, progress: Callable[[int], None]) -> str:
        """Link (or copy) the file into the state directory, compare its checksum, and return the image's id."""
        with _mapped("take in an image"):
            return self._images.add(spec, self._clock.now(), progress)

    def list_images(self) -> Sequence[Image]:
        """Return our pool's images."""
        with _mapped("list images"):
            return [
                Image(id=each.id, upload_id=each.upload_id, name=each.name, ready=True, created=each.created)
                for each in self._images.all()
                if each.pool_id == self._pool_id
            ]

    def delete_image(self, image_id: str) -> None:
        """Delete the image; raises TryAgainLaterError while a server's disk is an overlay on it."""
        with _mapped("delete an image"):
            for each in self._images.all():
                if each.id == image_id:
                    self._must_be_ours(each.pool_id, f"image {image_id}")
                    self._images.remove(each)

    def quota(self) -> Quota:
        """Return what this host has and what is used of it, by the servers of all qemu providers and by others.

        A server counts with the RAM that it was promised, even while its guest has not touched all of it.
        """
        total, available = host.memory()
        limit = total - max(RAM_RESERVE, total // 20)
        running = self._servers.running()
        untouched = sum(_untouched(directory, record) for directory, record in running)
        return Quota(
            servers_used=len(self._servers.all()),
            cores=host.cores() * CORES_OVERCOMMIT,
            cores_used=sum(record.cores for _, record in running),
            ram=limit,
            ram_used=max(0, total - available + untouched),
        )

    def need(self, pool: ProviderPool, label: PoolLabel) -> Need:  # noqa: ARG002 - of the protocol
        """Return what the label asks for, or one core and 1024 MiB."""
        return Need(cores=label.cores or DEFAULT_CORES, ram=label.min_ram or DEFAULT_RAM)

    def give_address(self, server_id: str) -> None:
        """Do nothing: every server has a forwarded port."""

    def note_gone(self, server_id: str) -> None:
        """Do nothing: it took all that belonged to it along."""

    def sweep_leftovers(self) -> Sequence[str]:
        """Return nothing: all that belongs to a server is in its directory."""
        return ()

    def problems(self) -> Sequence[str]:
        """Return what is missing on this host: programs, a writable directory, KVM where the configuration wants it."""
        found = []
        for each in programs.ALL:
            try:
                programs.find(each)
            except BadRequestError as error:
                found.append(str(error))
        try:
            self._servers.prepare()
        except OSError as error:
            found.append(f"{self._servers.directory} cannot be made: {error.strerror}")
        if not found and self._wanted == "kvm":
            able = accel.choose("auto", programs.find(programs.QEMU), self._root / "accel.json")
            if able.name != "kvm":
                found.append(f"`accel: kvm` is asked for, but KVM does not work ({able.reason}); use auto or tcg")
        return found

    def close(self) -> None:
        """Do nothing: there are no connections, and servers go on running."""

    def _must_be_ours(self, theirs: str, what: str) -> None:
        if theirs != self._pool_id:
            raise BadRequestError(f"{what} belongs to pool {theirs}, not to ours ({self._pool_id}); leave it alone")


def _untouched(directory: Path, record: ServerRecord) -> int:
    """Return the MiB that a running server was promised and does not have in memory yet."""
    pid = process.pid(directory)
    return max(0, record.ram + RAM_OVERHEAD - (host.resident(pid) if pid else 0))


@contextmanager
def _mapped(what: str) -> Iterator[None]:
    """Map the errors of this host's files and processes onto the four kinds of the contract."""
    try:
        yield
    except CloudError:
        raise
    except OSError as error:
        message = f"could not {what} on this host: {error}"
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM}:
            raise CapacityError(message) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise BadRequestError(message) from error
        raise TryAgainLaterError(message) from error
