"""The simulated cloud itself: what outlives any driver, and the handles by which tests hurt it."""

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from nodepool_lite.clouds.driver import ImageSpec, ServerSpec, ServerState
from nodepool_lite.clouds.simulated.options import SimulatedOptions
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import BadRequestError, CapacityError, CloudError, TryAgainLaterError

_FAILURES: Mapping[str, type[CloudError]] = {
    "try-again-later": TryAgainLaterError,
    "capacity": CapacityError,
    "bad-request": BadRequestError,
}


@dataclass(frozen=True)
class SimulatedServer:
    """One server of the cloud, whoever's it is; `asked` and `delete_asked` are clock times."""

    id: str
    spec: ServerSpec
    asked: float
    active_at: float
    cores: int
    ram: int
    boots_into_error: bool = False
    delete_asked: float | None = None
    stopped: str = ""
    """Why it does not run any more."""
    broken: str = ""
    """Why it is in ERROR."""
    no_room: bool = False
    """It is in ERROR because the cloud had no room for it."""
    addressed: bool = False
    """It was given an address."""

    def state(self, now: float) -> ServerState:
        """Return its state at `now`."""
        if self.delete_asked is not None:
            return ServerState.DELETING
        if self.broken or (self.boots_into_error and now >= self.active_at):
            return ServerState.ERROR
        if self.stopped:
            return ServerState.STOPPED
        return ServerState.ACTIVE if now >= self.active_at else ServerState.STARTING


@dataclass(frozen=True)
class SimulatedImage:
    """One image of the cloud, whoever's it is."""

    id: str
    spec: ImageSpec
    created: float
    ready_at: float
    complete: bool = False
    """All of it was sent."""


@dataclass
class _Fault:
    error: Exception
    call: str
    lost_answer: bool


class SimulatedCloud:
    """What outlives any driver: servers, images, faults to come, and how often it was called.

    Several drivers may share one, as several launchers share a cloud. Thread-safe.
    """

    def __init__(self, clock: Clock, options: SimulatedOptions | None = None) -> None:
        self.clock = clock
        self.options = options or SimulatedOptions()
        self.calls: Counter[str] = Counter()
        """Calls by the name of the driver's method, failed ones included."""
        self.asked: list[ServerSpec] = []
        """Every server that was ever made, in order: a node must never be in it twice for one attempt."""
        self.peak = 0
        """The most servers that were there at one time."""
        self._random = random.Random(self.options.seed)  # noqa: S311 - faults must be repeatable, not secret
        self._servers: dict[str, SimulatedServer] = {}
        self._ending: deque[str] = deque()
        """Ids of the servers whose end was asked for, in that order."""
        self._images: dict[str, SimulatedImage] = {}
        self._consoles: dict[str, str] = {}
        self._faults: list[_Fault] = []
        self._lock = threading.RLock()
        self._numbers = 0

    def fail_next(self, error: Exception, call: str = "", *, lost_answer: bool = False) -> None:
        """Let the next call (of the method named `call`, if given) raise `error`; may be said several times.

        With `lost_answer` the call has its effect before it raises.
        """
        with self._lock:
            self._faults.append(_Fault(error, call, lost_answer))

    def vanish(self, server_id: str) -> None:
        """Remove the server as if it had never been, e.g. deleted by somebody else."""
        with self._lock:
            del self._servers[server_id]

    def stop(self, server_id: str, fault: str = "shut down from inside") -> None:
        """Shut the server down."""
        self._change(server_id, stopped=fault)

    def break_server(self, server_id: str, fault: str = "No valid host was found", *, no_room: bool = False) -> None:
        """Put the server into ERROR; `no_room` if that is because the cloud is full."""
        self._change(server_id, broken=fault, no_room=no_room)

    def write_console(self, server_id: str, text: str) -> None:
        """Append to the server's serial console."""
        with self._lock:
            self._consoles[server_id] = self._consoles.get(server_id, "") + text

    def servers(self) -> Mapping[str, SimulatedServer]:
        """Return all servers that are there now, whoever's they are, by id."""
        with self._lock:
            self._end_servers()
            return dict(self._servers)

    def server(self, server_id: str) -> SimulatedServer | None:
        """Return a server if it is there now."""
        with self._lock:
            self._end_servers()
            return self._servers.get(server_id)

    def images(self) -> Mapping[str, SimulatedImage]:
        """Return all uploaded images that are there now, by id."""
        with self._lock:
            return dict(self._images)

    def console(self, server_id: str) -> str:
        """Return all that the server wrote to its console."""
        return self._consoles.get(server_id, "")

    def add_server(self, spec: ServerSpec, cores: int, ram: int) -> str:
        """Make a server and return its id; raises like a cloud that has no room or no such image."""
        self._refuse(spec, cores, ram)
        now = self.clock.now()
        fails = self._random.random() < self.options.boot_error_rate
        server_id = self._number("server")
        self._servers[server_id] = SimulatedServer(
            server_id, spec, now, now + self.options.boot_time, cores, ram, boots_into_error=fails
        )
        self.asked.append(spec)
        self.peak = max(self.peak, len(self._servers))
        return server_id

    def ask_deletion(self, server_id: str) -> None:
        """Let the server end `delete-time` from now; asking twice does not prolong it."""
        with self._lock:
            if self._servers[server_id].delete_asked is None:
                self._change(server_id, delete_asked=self.clock.now())
                self._ending.append(server_id)

    def give_address(self, server_id: str) -> None:
        """Let the server be reached, if the options say that it needs that."""
        self._change(server_id, addressed=True)

    def add_image(self, spec: ImageSpec) -> str:
        """Register an image, which has no content yet, and return its id."""
        image_id, now = self._number("image"), self.clock.now()
        self._images[image_id] = SimulatedImage(image_id, spec, now, now)
        return image_id

    def complete_image(self, image_id: str) -> None:
        """Take the content of an image, which is ready `upload-time` from now on."""
        with self._lock:
            ready_at = self.clock.now() + self.options.upload_time
            self._images[image_id] = replace(self._images[image_id], complete=True, ready_at=ready_at)

    def remove_image(self, image_id: str) -> None:
        """Forget an image."""
        del self._images[image_id]

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Count a driver's call, hold the cloud still during it, and raise the faults that are due."""
        with self._lock:
            self.calls[name] += 1
            fault = self._fault(name)
            if fault and not fault.lost_answer:
                raise fault.error
            yield
            if fault:
                raise fault.error

    def _fault(self, name: str) -> _Fault | None:
        for each in self._faults:
            if each.call in {"", name}:
                self._faults.remove(each)
                return each
        if self._random.random() < self.options.error_rate:
            return _Fault(TryAgainLaterError(f"simulated cloud: {name} timed out"), name, lost_answer=False)
        if self._random.random() < self.options.lost_answer_rate:
            return _Fault(TryAgainLaterError(f"simulated cloud: the answer to {name} was lost"), name, lost_answer=True)
        return None

    def _refuse(self, spec: ServerSpec, cores: int, ram: int) -> None:
        self._end_servers()
        options, servers = self.options, self._servers.values()
        if options.fail_create:
            raise _FAILURES[options.fail_create](f"simulated cloud: every server is refused ({options.fail_create})")
        image = self._images.get(spec.image_id)
        if (image is None or not image.complete) and spec.image_id not in options.images:
            raise BadRequestError(f"simulated cloud: there is no image {spec.image_id}")
        limits: tuple[tuple[str, int | None, Callable[[], int]], ...] = (
            ("servers", options.max_servers, lambda: len(servers) + 1),
            ("cores", options.max_cores, lambda: sum(each.cores for each in servers) + cores),
            ("MiB of RAM", options.max_ram, lambda: sum(each.ram for each in servers) + ram),
        )
        for what, limit, used in limits:  # added up only where there is a limit: ten thousand servers are many
            if limit is not None and (use := used()) > limit:
                raise CapacityError(f"simulated cloud: {use} {what} would be above the quota of {limit}")

    def _end_servers(self) -> None:
        """Forget those whose end was asked for long enough ago."""
        ends = self.clock.now() - self.options.delete_time
        while self._ending:
            server = self._servers.get(self._ending[0])
            if server is not None and server.delete_asked is not None and server.delete_asked > ends:
                break
            self._servers.pop(self._ending.popleft(), None)

    def _change(self, server_id: str, **changes: object) -> None:
        with self._lock:
            self._servers[server_id] = replace(self._servers[server_id], **changes)  # type: ignore[arg-type]

    def _number(self, kind: str) -> str:
        self._numbers += 1
        return f"{kind}-{self._numbers:06}"


_shared: dict[str, SimulatedCloud] = {}


def shared_cloud(name: str, clock: Clock, options: SimulatedOptions) -> SimulatedCloud:
    """Return this process' cloud of that name with `options` in force: a reopened driver finds its servers again."""
    cloud = _shared.setdefault(name, SimulatedCloud(clock, options))
    cloud.clock, cloud.options = clock, options
    return cloud
