"""Builders of records and a clock, for tests of this project and of whoever builds on it.

Everything has a default, so that a test names only what it is about: `make_node(state=NodeState.IN_USE)`.
Nothing in the product imports this module.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nodepool_lite.config.settings import Config, Diskimage, Label, PoolLabel, Provider, ProviderImage, ProviderPool
from nodepool_lite.model.image import Build, BuildState, Upload, UploadState
from nodepool_lite.model.lease import Lease, LeaseState, Waiter
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.record import Event

NOW = 1_700_000_000.0
"""The moment at which a FakeClock starts and at which built records entered their state."""
LABEL = "debian-12"
PROVIDER = "local"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHYV/xlA+rA/+hBMvAfYGcvSFWupmbH+23e2+E5zHG1Y"


class FakeClock:
    """A clock that stands still until the test moves it; `sleep` moves it too. Thread-safe."""

    def __init__(self, now: float = NOW) -> None:
        self._now = now
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return seconds since the epoch."""
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        """Move this clock forward by `seconds` and return at once."""
        self.advance(seconds)

    def advance(self, seconds: float) -> float:
        """Move this clock forward by `seconds` and return the new time."""
        with self._lock:
            self._now += seconds
            return self._now


def numbered(number: int | str) -> str:
    """Return the ten-digit id that the store gives to its `number`-th record."""
    return f"{number:010d}" if isinstance(number, int) else number


def make_node(number: int | str = 1, *, state: NodeState = NodeState.READY, since: float = NOW, **fields: Any) -> Node:
    """Return a node that entered `state` at `since`; one that has a server gets an address, a port and a host key."""
    node_id = numbered(number)
    values: dict[str, Any] = {
        "label": LABEL,
        "provider": PROVIDER,
        "state": state,
        "state_since": since,
        "created": since,
        "history": (Event(time=since, state=state, reason="made by a test"),),
    }
    values["diskimage"] = fields.get("label", LABEL)
    values["build"] = f"{values['diskimage']}/{numbered(1)}"
    values["hostname"] = f"{fields.get('label', LABEL)}-{node_id}"
    if state is not NodeState.BUILDING:
        values |= {
            "asked": since,
            "server_id": f"server-{node_id}",
            "address": "127.0.0.1",
            "port": 22000 + int(node_id) % 1000 if node_id.isdigit() else 22,
            "username": "jenkins",
            "host_key": HOST_KEY,
            "host_key_source": "injected",
        }
    return Node(id=node_id, **(values | fields))


def make_lease(
    lease_id: str = "abcd2345",
    *,
    state: LeaseState = LeaseState.WAITING,
    since: float = NOW,
    order: int = 1,
    **fields: Any,
) -> Lease:
    """Return a lease that entered `state` at `since`; `order` is its place in the queue until a store gives one."""
    values: dict[str, Any] = {
        "label": LABEL,
        "owner": "alice",
        "state": state,
        "state_since": since,
        "created": since,
        "history": (Event(time=since, state=state, reason="made by a test"),),
        "lifetime": 14400.0,
        "expires": since + 14400.0 if state is LeaseState.ACTIVE else None,
    }
    return Lease(id=lease_id, order=order, **(values | fields))


def make_waiter(lease_id: str = "abcd2345") -> Waiter:
    """Return the record that says that somebody waits for the lease."""
    return Waiter(id=lease_id, host="a", pid=1)


def make_build(
    number: int | str = 1,
    *,
    diskimage: str = LABEL,
    state: BuildState = BuildState.READY,
    since: float = NOW,
    **fields: Any,
) -> Build:
    """Return a build `<diskimage>/<number>` that entered `state` at `since`."""
    values: dict[str, Any] = {
        "diskimage": diskimage,
        "state": state,
        "state_since": since,
        "created": since,
        "history": (Event(time=since, state=state, reason="made by a test"),),
        "builder": "builder-1",
        "fingerprint": "recipe-1",
        "formats": ("qcow2",),
        "username": "jenkins",
    }
    return Build(id=f"{diskimage}/{numbered(number)}", **(values | fields))


def make_upload(
    number: int | str = 1,
    *,
    diskimage: str = LABEL,
    provider: str = PROVIDER,
    state: UploadState = UploadState.READY,
    since: float = NOW,
    **fields: Any,
) -> Upload:
    """Return the upload to `provider` of the build `<diskimage>/<number>`, which entered `state` at `since`."""
    build = f"{diskimage}/{numbered(number)}"
    values: dict[str, Any] = {
        "diskimage": diskimage,
        "build": build,
        "provider": provider,
        "state": state,
        "state_since": since,
        "created": since,
        "history": (Event(time=since, state=state, reason="made by a test"),),
        "builder": "builder-1",
        "format": "qcow2",
        "image_name": f"{diskimage}-{numbered(number)}",
        "image_id": f"image-{numbered(number)}" if state is UploadState.READY else "",
        "username": "jenkins",
    }
    return Upload(id=f"{build}/{provider}", **(values | fields))


def make_config(
    labels: Sequence[str | Label] = (LABEL,),
    *,
    providers: Sequence[str] = (PROVIDER,),
    min_ready: int = 1,
    max_servers: int | None = 10,
    state_dir: Path | None = None,
    **fields: Any,
) -> Config:
    """Return a configuration in which every provider (driver `simulated`) makes every label.

    A label that is given by name gets `min_ready`; each label but a nodeset has a diskimage of its own name.
    """
    made = tuple(Label(name=each, min_ready=min_ready) if isinstance(each, str) else each for each in labels)
    names = tuple(each.name for each in made if not each.nodeset)
    sets = tuple(PoolLabel(name=each.name) for each in made if each.nodeset)
    pool = ProviderPool(
        max_servers=max_servers,
        labels=(*(PoolLabel(name=name, diskimage=name, min_ram=512) for name in names), *sets),
    )
    values: dict[str, Any] = {
        "labels": made,
        "diskimages": tuple(Diskimage(name=name, elements=("debian-minimal", "vm")) for name in names),
        "providers": tuple(
            Provider(
                name=name,
                driver="simulated",
                diskimages=tuple(ProviderImage(name=image) for image in names),
                pools=(pool,),
            )
            for name in providers
        ),
    }
    if state_dir is not None:
        values |= {
            "state_dir": state_dir,
            "images_dir": state_dir / "images",
            "build_log_dir": state_dir / "logs" / "builds",
        }
    return Config(**(values | fields))
