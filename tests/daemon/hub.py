"""A simulated cloud that several daemons share although each is a process of its own."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any

from nodepool_lite.clouds.driver import ImageSpec
from nodepool_lite.clouds.simulated import SimulatedDriver

SECRET = b"of this test"
_NAMES = (
    *("create_server", "list_servers", "delete_server", "console_log", "list_images", "delete_image"),
    *("quota", "need", "give_address", "note_gone", "sweep_leftovers", "problems"),
)


class Hub(BaseManager):
    """Serves drivers of the one cloud by their pool's id, and is how to reach them."""


Hub.register("driver", exposed=("call",))


class _Served:
    """The driver, for callers elsewhere: what they ask for comes by name."""

    def __init__(self, driver: SimulatedDriver) -> None:
        self._driver = driver

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        if name == "upload_image":
            arguments = (*arguments, lambda _percent: None)
        return getattr(self._driver, name)(*arguments)


@contextlib.contextmanager
def serving(address: Path, driver: Callable[[str], SimulatedDriver]) -> Iterator[None]:
    """Let other processes reach the drivers that `driver` makes, at a socket, until the context ends."""
    hub = type("Serving", (BaseManager,), {})(address=str(address), authkey=SECRET)
    hub.register("driver", callable=lambda pool_id: _Served(driver(pool_id)), exposed=("call",))
    server = hub.get_server()

    def serve() -> None:
        with contextlib.suppress(SystemExit):  # how it ends
            server.serve_forever()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop_event.set()
        thread.join()


class RemoteDriver:
    """The same driver, in another process than the cloud."""

    image_formats = ("qcow2",)
    poll_interval = 0.2
    injects_host_key = True

    def __init__(self, address: str, pool_id: str) -> None:
        hub = Hub(address=address, authkey=SECRET)
        hub.connect()
        self._served = hub.driver(pool_id)  # type: ignore[attr-defined]  # registered above
        for name in _NAMES:
            setattr(self, name, self._caller(name))

    def upload_image(self, spec: ImageSpec, progress: Callable[[int], None]) -> str:
        """Make the image known; its progress is told at once."""
        progress(100)
        return str(self._served.call("upload_image", (spec,)))

    def close(self) -> None:
        """Do nothing: the cloud goes on."""

    def _caller(self, name: str) -> Callable[..., Any]:
        return lambda *arguments: self._served.call(name, arguments)
