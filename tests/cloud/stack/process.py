"""Services as processes: started in sessions of their own, known by pid and start time, ended by that alone."""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .place import API, CloudError, Place

STEP = 0.1
GRACE = 10.0
LOG_TAIL = 15
SERVER_ERROR = 500


@dataclass(frozen=True)
class Service:
    """How one service is started, and how it is known to answer."""

    name: str
    command: tuple[str, ...]
    answers: Callable[[], bool] = lambda: True
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    """The services that have to answer before this one is started."""
    then: Callable[[], None] | None = None
    """What is to be done as soon as it answers, before others are started that come after it."""
    patience: float = 300.0


@dataclass(frozen=True)
class Process:
    """A process that was started: its number may be reused by the kernel, its number and start time together not."""

    pid: int
    ticks: int
    since: float

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """Return the process that has this number now, or None."""
        ticks = _start_ticks(pid)
        return cls(pid, ticks, time.time()) if ticks is not None else None

    @classmethod
    def load(cls, record: Path) -> "Process | None":
        """Return the process that was recorded, whether it lives or not; None without a record."""
        try:
            return cls(**json.loads(record.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def save(self, record: Path) -> None:
        """Record it."""
        record.write_text(json.dumps({"pid": self.pid, "ticks": self.ticks, "since": self.since}))

    @property
    def alive(self) -> bool:
        """Whether it is still that process, and not a zombie."""
        return _start_ticks(self.pid) == self.ticks


def _start_ticks(pid: int) -> int | None:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] in "ZX" else int(words[19])


class _GaveUpError(CloudError):
    """Nothing is wrong with this service, as far as is known."""


class Services:
    """Starts, watches and ends the services of one cloud, from inside of its namespaces."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._gave_up = threading.Event()

    def process(self, name: str) -> Process | None:
        """Return the living process of a service, or None."""
        process = Process.load(self._record(name))
        return process if process and process.alive else None

    def start_all(self, services: Iterable[Service]) -> None:
        """Start services, each once those answer that it comes after (they stand before it), and wait for all."""
        begun: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(max_workers=32) as pool:
            for service in services:
                begun[service.name] = pool.submit(self._start_after, service, [begun[name] for name in service.after])
        problems = [problem for future in begun.values() if (problem := future.exception())]
        for problem in sorted(problems, key=lambda problem: isinstance(problem, _GaveUpError)):
            raise problem

    def _start_after(self, service: Service, earlier: list[Future[None]]) -> None:
        for future in earlier:
            future.result()
        try:
            self.start(service)
            self.wait(service)
            if service.then:
                service.then()
        except BaseException:
            self._gave_up.set()
            raise

    def start(self, service: Service) -> None:
        """Start a service unless it runs."""
        if self.process(service.name):
            return
        output = str(self._log(service.name)), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        try:
            pid = os.posix_spawnp(
                service.command[0],
                service.command,
                {**os.environ, **service.environment},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, *output),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )
        except OSError as problem:
            raise CloudError(f"{service.name}: {problem}") from problem
        process = Process.of(pid)
        if process is None:
            raise CloudError(f"{service.name}: ended at once\n{self._last_words(service.name)}")
        process.save(self._record(service.name))

    def wait(self, service: Service) -> None:
        """Wait until a service answers; complain when it dies or takes longer than its patience."""
        end = time.monotonic() + service.patience
        while True:
            alive = self.process(service.name) is not None
            if alive and service.answers():
                return
            if self._gave_up.is_set():
                raise _GaveUpError(f"{service.name}: another service failed")
            if not alive or time.monotonic() > end:
                why = f"does not answer after {service.patience:.0f} s" if alive else "died"
                raise CloudError(
                    f"{service.name}: {why}; see {self._log(service.name)}\n{self._last_words(service.name)}"
                )
            time.sleep(STEP)

    def stop(self, name: str, first: signal.Signals = signal.SIGTERM) -> None:
        """End a service and all of its session, at first politely; return when it is gone."""
        process = self.process(name)
        for how in (first, signal.SIGKILL):
            if process is None or not process.alive:
                break
            os.killpg(process.pid, how)
            end = time.monotonic() + GRACE
            while process.alive and time.monotonic() < end:
                time.sleep(STEP)
        self._record(name).unlink(missing_ok=True)

    def _record(self, name: str) -> Path:
        return self._place.run / f"{name}.process"

    def _log(self, name: str) -> Path:
        return self._place.log / f"{name}.log"

    def _last_words(self, name: str) -> str:
        lines = self._log(name).read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL:])


def listens(port: int, address: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def answers_http(port: int, path: str = "/") -> bool:
    """Whether a service of ours answers a request, with anything but a failure of its own."""
    connection = http.client.HTTPConnection(API, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def run(command: list[str], log: Path, **environment: str) -> None:
    """Run a command to its end, its words into a log; complain when it fails."""
    with log.open("ab") as out:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False, env={**os.environ, **environment}
        )
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL:])
        raise CloudError(f"{command[0]} failed ({done.returncode}); see {log}\n{tail}")
