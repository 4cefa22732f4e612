"""The private ZooKeeper of a pool on one host: the daemon's child on loopback, its data in the state directory."""

import contextlib
import logging
import os
import random
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.store import _java
from nodepool_lite.store._locks import LockFile, holders
from nodepool_lite.store._place import Place
from nodepool_lite.store._secret import SECRET, make_secret
from nodepool_lite.store.zookeeper import ZooKeeperStore

STOP_TIMEOUT = 1.0
"""Seconds that our server has to end by itself before it is killed, which loses nothing: all is on disk by then."""
LEFT_OVER_TIMEOUT = 5.0
"""The same for one that outlived its daemon."""

_ATTEMPTS = 3
_POLL = 0.02
_TURN = 0.2
_PAUSES = (1.0, 30.0)
"""Seconds before a server that ended is started again: the first time, and at most."""
_LOG_LIMIT = 1 << 20

_log = logging.getLogger(__name__)


class EmbeddedZooKeeper:
    """Runs one server for all daemons of this host that share `state_dir`.

    The first daemon runs it; the others use it, and one of them takes it over when the first is gone. A server that
    dies is started again; one that outlived its daemon is replaced. Locks say who is alive, not process ids: the daemon
    holds one, the server (which inherits the open file) another. Only daemons of the user who owns the directory
    `zookeeper` run the server, so that it never finds files there that it may not read; others, root too, only use it.

    A thread of its own starts the server and waits for its end. The kernel kills the server when that thread dies,
    which it does with the daemon and not before: no server outlives a daemon that was killed.
    """

    def __init__(self, state_dir: Path) -> None:
        self._place = Place(state_dir.absolute())
        self._daemon_lock = LockFile(self._place.daemon_lock)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="zookeeper-keeper", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0

    @property
    def pid(self) -> int | None:
        """The process id of the server; None while another daemon runs it."""
        process = self._process
        return process.pid if process else None

    def start(self, timeout: float = 30.0) -> str:
        """Return how stores reach the server, `127.0.0.1:PORT?secret=FILE`, once it answers.

        Raises:
            StoreUnavailableError: something is not installed, or it did not answer within `timeout` seconds.
        """
        self._place.directory.mkdir(parents=True, exist_ok=True)
        owner = self._place.directory.stat().st_uid
        if owner == os.geteuid():
            self._place.data.mkdir(mode=0o700, exist_ok=True)
            _java.command(self._place.config)  # so that what is missing is said now, by this thread
            self._keeper.start()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._failures < _ATTEMPTS:
            address = self._place.address()
            if address and _answers(address.partition(SECRET)[0]):
                self._guard(address)
                return address
            self._stopping.wait(_POLL)
        self.stop()
        if owner != os.geteuid():
            raise StoreUnavailableError(
                f"the embedded ZooKeeper is run by the owner of {self._place.directory} (user id {owner}), "
                f"and did not answer within {timeout:g} s; start that user's daemon first"
            )
        raise StoreUnavailableError(f"the embedded ZooKeeper does not start: {self._last_words()}")

    def stop(self) -> None:
        """End the server, if this daemon runs it; returns when it is gone."""
        with self._lock:
            self._stopping.set()
        if self._process:
            _end(self._process)
        if self._keeper.is_alive():
            self._keeper.join()

    def _guard(self, address: str) -> None:
        """Let nobody in without the secret; if that fails there is no server."""
        if self._process:
            try:
                with contextlib.closing(ZooKeeperStore.connect(address)) as store:
                    store.guard()
            except StoreUnavailableError:
                self.stop()
                raise

    def _keep(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            if not self._daemon_lock.acquire():
                pause = _TURN  # another daemon runs the server; we are here to take over
                continue
            began = time.monotonic()
            try:
                self._run()
            except (OSError, StoreUnavailableError) as error:
                _log.error("store.embedded_failed %s", error)
            if not self._stopping.is_set():
                self._failures += 1
                lasted = time.monotonic() - began > _PAUSES[1]
                pause = _PAUSES[0] if lasted or pause < _PAUSES[0] else min(2 * pause, _PAUSES[1])
                _log.error("store.embedded_ended next_try=%gs %s", pause, self._last_words())
        self._daemon_lock.release()

    def _run(self) -> None:
        """Start the server and return when it has ended."""
        if not _replace_left_over(self._place, self._stopping):
            return
        port = _free_port(self._place.port())
        make_secret(self._place.secret)
        self._place.port_file.write_text(f"{port}\n")
        self._place.config.write_text(_java.CONFIG.format(data=self._place.data, port=port))
        server_lock = LockFile(self._place.server_lock)
        if not server_lock.acquire():
            return
        try:
            self._spawn(server_lock)
        finally:
            server_lock.release()  # from here on it is the server's alone
        if self._process:
            self._process.wait()

    def _spawn(self, server_lock: LockFile) -> None:
        command = _java.command(self._place.config)
        if self._place.log.exists() and self._place.log.stat().st_size > _LOG_LIMIT:
            self._place.log.replace(self._place.log.with_suffix(".log.1"))
        with self._lock, self._place.log.open("ab") as log:
            if self._stopping.is_set():
                return
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._place.directory,
                pass_fds=(server_lock.fd,) if server_lock.fd is not None else (),
                start_new_session=True,  # a Ctrl-C at the daemon's terminal is for the daemon
            )
        _log.info("store.embedded_started pid=%d", self._process.pid)

    def _last_words(self) -> str:
        try:
            lines = self._place.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return f"{' / '.join(lines[-3:]) or 'it said nothing'} (see {self._place.log})"


def _answers(address: str) -> bool:
    host, port = address.split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1) as connection:
            connection.sendall(b"srvr")
            return connection.recv(9) == b"Zookeeper"
    except OSError:
        return False


def _free_port(wanted: int | None) -> int:
    """Return `wanted` if it is free, or another port that no outgoing connection will take by chance."""
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = random.sample(range(10000, max(first_outgoing, 20000)), 50)
    for port in [wanted, *candidates] if wanted else candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise OSError("no free port was found on 127.0.0.1")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _replace_left_over(place: Place, stopping: threading.Event) -> bool:
    """End whatever still serves from this directory although its daemon is gone.

    Returns whether the way is free; not when `stopping` was set meanwhile. Raises OSError when it does not end.
    """
    lock = LockFile(place.server_lock)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + LEFT_OVER_TIMEOUT
        if lock.acquire():
            break
        for pid in holders(place.server_lock, str(place.config)):
            _log.warning("store.embedded_left_over pid=%d", pid)
            _signal(pid, place, sign)
        while not lock.acquire() and time.monotonic() < deadline:
            if stopping.wait(_POLL):
                return False
    if not lock.acquire():
        raise OSError(f"a server that outlived its daemon holds {place.server_lock} and could not be ended")
    lock.release()
    return True


def _signal(pid: int, place: Place, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            if pid in holders(place.server_lock, str(place.config)):  # and not somebody who got its number meanwhile
                signal.pidfd_send_signal(process, sign)
        finally:
            os.close(process)
