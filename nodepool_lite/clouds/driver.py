"""The protocol that every cloud driver keeps. Everything clever lives above it."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from msgspec import field

from nodepool_lite.config.settings import PoolLabel, ProviderPool
from nodepool_lite.model.value import Frozen


class ServerState(StrEnum):
    """What a cloud says of a server, reduced to what the pool acts on."""

    STARTING = "starting"
    ACTIVE = "active"
    STOPPED = "stopped"
    """It exists but does not run: shut down by somebody, or its process died."""
    ERROR = "error"
    DELETING = "deleting"


class ServerSpec(Frozen):
    """What is asked of the cloud for one node; `ram` and `disk` are in MiB and GiB."""

    pool_id: str
    node_id: str
    attempt: str
    """Unique for each time a server is asked for, so that a lost answer can be told from a second server."""
    name: str
    label: str
    generation: str
    image_id: str
    pool: str = "main"
    """The provider's pool whose label settings apply."""
    cores: int | None = None
    ram: int | None = None
    disk: int | None = None
    user_data: str = ""
    """`#cloud-config` text, e.g. with the host key to take; secret."""
    meta: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    """The driver's own keys of the label (flavor-name, networks ...), already validated by the config room."""
    set_id: str = ""
    """For a node of a set: the id of its primary node; servers with the same one are kept together."""
    config_drive: bool = True


class Server(Frozen):
    """One server as the cloud lists it. Only servers with our pool's mark are ever listed or touched."""

    id: str
    node_id: str
    attempt: str
    name: str
    state: ServerState
    address: str | None = None
    port: int = 22
    private_address: str | None = None
    az: str = ""
    fault: str = ""
    """Why it is in ERROR or STOPPED, in the cloud's own words."""
    no_room: bool = False
    """The fault is that the cloud had no room for it."""
    lacks_address: bool = False
    """It runs, and can be reached only after `give_address`."""
    created: float | None = None


class ImageSpec(Frozen):
    """One image file to make known to the provider under `name`."""

    pool_id: str
    upload_id: str
    name: str
    path: Path
    format: str
    sha256: str
    meta: Mapping[str, str] = field(default_factory=dict)


class Image(Frozen):
    """One image as the provider lists it; only our pool's."""

    id: str
    upload_id: str
    name: str
    ready: bool
    created: float | None = None


class Need(Frozen):
    """What one server takes of a provider's quota; RAM in MiB, volumes in GiB."""

    cores: int
    ram: int
    ports: int = 0
    addresses: int = 0
    """Floating IPs."""
    volumes: int = 0
    gigabytes: int = 0


class Quota(Frozen):
    """Limits of the provider and what is used of them by anyone; None is unlimited or unknown. RAM in MiB."""

    servers: int | None = None
    servers_used: int = 0
    cores: int | None = None
    cores_used: int = 0
    ram: int | None = None
    ram_used: int = 0
    ports: int | None = None
    ports_used: int = 0
    addresses: int | None = None
    addresses_used: int = 0
    volumes: int | None = None
    volumes_used: int = 0
    gigabytes: int | None = None
    gigabytes_used: int = 0
    at: float | None = None
    """When the provider was asked; None: at the same time as the server list."""


class Driver(Protocol):
    """One provider. Thread-safe: the workers call it side by side.

    Every call has a time-out and raises one of TryAgainLaterError, CapacityError, BadRequestError, GoneError.
    """

    poll_interval: float
    """Seconds between two server lists while something is expected to change."""
    image_formats: Sequence[str]
    """Formats it can take, the preferred first (`qcow2`, `raw`)."""
    injects_host_key: bool
    """Whether `user_data` reaches the guest over a channel that the network cannot forge."""

    def create_server(self, spec: ServerSpec) -> str:
        """Ask for a server and return its id at once, without waiting for it to run."""

    def list_servers(self) -> Sequence[Server]:
        """Return all servers that carry our pool's id, in one bulk request."""

    def delete_server(self, server_id: str) -> None:
        """Ask for the server's end, with all that came with it; a server that is gone is no error."""

    def console_log(self, server_id: str) -> str:
        """Return the last 64 KiB of the serial console (empty when there is none)."""

    def upload_image(self, spec: ImageSpec, progress: Callable[[int], None]) -> str:
        """Make the image known and return its id; calls `progress(percent)` now and then.

        Idempotent: done again for the same upload, it gives the same image.
        """

    def list_images(self) -> Sequence[Image]:
        """Return all images that carry our pool's id."""

    def delete_image(self, image_id: str) -> None:
        """Delete the image; one that is gone is no error. Raises TryAgainLaterError while it is in use."""

    def quota(self) -> Quota:
        """Return limits and use."""

    def need(self, pool: ProviderPool, label: PoolLabel) -> Need:
        """Return what one server of this label takes there.

        Raises BadRequestError when none can be made: something that the settings name does not exist.
        """

    def give_address(self, server_id: str) -> None:
        """Give a server that lacks one an address that can be reached from here; one that has it is no error."""

    def note_gone(self, server_id: str) -> None:
        """Take note that a server of ours is gone, whoever asked for that: what came with it has to go as well."""

    def sweep_leftovers(self) -> Sequence[str]:
        """Remove what came with servers of ours that are gone; return a sentence for each thing removed."""

    def problems(self) -> Sequence[str]:
        """Return what keeps this provider from working at the moment, one sentence each (empty: nothing)."""

    def close(self) -> None:
        """Give back connections; servers go on running."""
