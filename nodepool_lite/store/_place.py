"""Where the embedded ZooKeeper keeps its files, and what they tell about it."""

import time
from pathlib import Path

from msgspec import Struct

from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.store._locks import is_held
from nodepool_lite.store._secret import SECRET

_POLL = 0.05


class Place(Struct, frozen=True):
    """The directory `zookeeper` in the state directory of a pool."""

    state_dir: Path

    @property
    def directory(self) -> Path:
        """All of it."""
        return self.state_dir / "zookeeper"

    @property
    def data(self) -> Path:
        """ZooKeeper's snapshots and transaction logs."""
        return self.directory / "data"

    @property
    def config(self) -> Path:
        """The generated zoo.cfg."""
        return self.directory / "zoo.cfg"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.directory / "server.log"

    @property
    def port_file(self) -> Path:
        """The port on 127.0.0.1; written before a server takes the server lock, so it is right while one runs."""
        return self.directory / "client-port"

    @property
    def daemon_lock(self) -> Path:
        """Held by the daemon that runs the server."""
        return self.directory / "daemon.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the server itself."""
        return self.directory / "server.lock"

    @property
    def secret(self) -> Path:
        """What a client must know; made with the pool."""
        return self.directory / "secret"

    def port(self) -> int | None:
        """Return the port that was last in use."""
        try:
            return int(self.port_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def address(self) -> str | None:
        """Return `127.0.0.1:PORT?secret=FILE` of the server that is alive; None when there is none. Raises OSError."""
        try:
            held = is_held(self.server_lock)
        except FileNotFoundError:
            return None
        port = self.port()  # only now: it is right once the lock is held, but for a daemon that looks for left-overs
        return f"127.0.0.1:{port}{SECRET}{self.secret}" if held and port is not None else None

    def find(self, timeout: float) -> str:
        """Return the address of the server of a running daemon, waiting a little for one that is just starting.

        Raises:
            StoreUnavailableError: no daemon runs here, or its server does not come within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        try:
            while not (address := self.address()):
                if not self.daemon_lock.exists() or not is_held(self.daemon_lock):
                    raise StoreUnavailableError(
                        f"no daemon is running here: nothing serves the pool in {self.state_dir}. Start one with "
                        "`nodepool-lite run`, or name a running ZooKeeper under `zookeeper-servers` in nodepool.yaml"
                    )
                if time.monotonic() > deadline:
                    raise StoreUnavailableError(f"the daemon's ZooKeeper is not running; see {self.log}")
                time.sleep(_POLL)
        except PermissionError as error:
            raise StoreUnavailableError(
                f"{error.filename} may not be read by this user: join the group that owns it, or use sudo"
            ) from error
        return address
