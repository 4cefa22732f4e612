"""The effective configuration: what the rest of the house sees, whichever dialect it was written in.

All durations are seconds, RAM is MiB, disk is GiB. Values are frozen; a reload makes a new Config.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from nodepool_lite.config.duration import seconds

Duration = Annotated[float, BeforeValidator(seconds)]
"""Seconds; the file may say `90`, `90s`, `15m`, `8h` or `1d`."""


def _split(value: object) -> object:
    """Take one directory, or several with colons between, where a list is meant."""
    return value.split(":") if isinstance(value, str) else value


Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Directories = Annotated[tuple[Path, ...], BeforeValidator(_split)]
"""A list of directories, or one text with colons between them."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
"""A name that is safe as a file name, a host name part, a znode and a shell word."""


def kebab(name: str) -> str:
    """Return the key as it is written in the file: `min_ready` is `min-ready`."""
    return name.replace("_", "-")


class Section(BaseModel):
    """A mapping of the file. Unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, alias_generator=kebab, populate_by_name=True
    )

    @property
    def fingerprint(self) -> str:
        """A short hash of all settings in this section."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


class ZooKeeperServer(Section):
    """One member of the ensemble."""

    host: str
    port: Port = 2181
    chroot: str = ""


class Diskimage(Section):
    """A recipe for disk-image-create."""

    name: Name
    abstract: bool = False
    parent: Name | None = None
    dib_cmd: str = "disk-image-create"
    pause: bool = False
    elements: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    """Formats wanted besides those that the providers ask for."""
    release: str = ""
    rebuild_age: Duration = 86400
    build_timeout: Duration = 28800
    env_vars: Mapping[str, str] = Field(default_factory=dict)
    username: str = "jenkins"
    keep_formats: bool = True
    metadata: Mapping[str, str] = Field(default_factory=dict)


class Label(Section):
    """The kind of node that users ask for."""

    name: Name
    min_ready: Count = 0
    """How many nodes are kept waiting; 0 makes them only on demand."""
    max_ready_age: Duration = 0
    """Seconds after which an unused node is replaced by a fresh one; 0 never."""
    ready_script: str = ""
    """File name of the script in `scripts-dir`, or in /opt/nodepool-scripts of the image."""
    ready_script_timeout: Duration = 7200
    ready_script_retries: Count = 0
    """How often a failed ready-script is run again on the same node."""
    subnodes: Count = 0
    """How many sub-nodes belong to each node."""


class ProviderImage(Section):
    """A diskimage as this provider uses it."""

    name: Name
    alias: str = ""
    """Another name that commands know it by at this provider; the old dialect's image name."""
    pause: bool = False
    meta: Mapping[str, str] = Field(default_factory=dict)
    config_drive: bool = True
    format: str = ""
    """Overrides the provider's `image-type` for this image."""


class CloudImage(Section):
    """An image that is already at the provider and is not ours."""

    name: Name
    image_id: str = ""
    image_name: str = ""
    username: str = "jenkins"
    config_drive: bool = True
    connection_port: Port = 22


class PoolLabel(Section):
    """How one pool of a provider makes nodes of a label."""

    name: Name
    diskimage: Name | None = None
    cloud_image: Name | None = None
    min_ram: Positive | None = None
    cores: Positive | None = None
    disk: Positive | None = None
    flavor_name: str = ""
    key_name: str = ""
    console_log: bool = True
    boot_from_volume: bool = False
    volume_size: Positive = 50
    instance_properties: Mapping[str, str] = Field(default_factory=dict)
    userdata: str = ""
    networks: tuple[str, ...] = ()


class ProviderPool(Section):
    """A part of a provider with its own limits and its own labels."""

    name: Name = "main"
    max_servers: Count | None = None
    max_cores: Count | None = None
    max_ram: Count | None = None
    ignore_provider_quota: bool = False
    availability_zones: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    auto_floating_ip: bool = True
    host_key_checking: bool = True
    node_attributes: Mapping[str, str] = Field(default_factory=dict)
    priority: int | None = None
    labels: tuple[PoolLabel, ...] = ()


class Provider(Section):
    """One source of servers."""

    name: Name
    driver: Literal["openstack", "qemu", "simulated"] = "openstack"
    cloud: str = ""
    region_name: str = ""
    priority: int = 100
    """Lower is asked first."""
    max_concurrency: Positive = 10
    """Servers that are being launched at the same time."""
    boot_timeout: Duration = 60
    """Seconds from a running server to the first SSH login."""
    launch_timeout: Duration = 3600
    """Seconds from asking for a server until it runs."""
    launch_retries: Count = 3
    """Failures in a row that are tried again at once; after these the back-off grows."""
    image_upload_timeout: Duration = 3600
    image_name_format: str = "{image_name}-{timestamp}"
    image_type: str = ""
    """Format to upload; empty takes what the driver prefers."""
    hostname_format: str = "{label}-{node_id}"
    rate: Duration = 1.0
    clean_floating_ips: bool = True
    port_cleanup_interval: Duration = 600
    diskimages: tuple[ProviderImage, ...] = ()
    cloud_images: tuple[CloudImage, ...] = ()
    pools: tuple[ProviderPool, ...] = ()
    accel: Literal["auto", "kvm", "tcg"] = "auto"
    """qemu driver: `auto` tries KVM once and falls back to TCG."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    """Parameters of the simulated driver."""


STATE_DIR = Path("/var/lib/nodepool-lite")


def _below_state(data: dict[str, Any], name: str) -> Path:
    """Return a directory in the state directory that was given."""
    return Path(data.get("state_dir", STATE_DIR)) / name


class Config(Section):
    """A whole nodepool.yaml."""

    pool_name: Name = "nodepool"
    state_dir: Path = STATE_DIR
    elements_dir: Directories = ()
    """Directories with elements, searched in order before the ones that ship with nodepool-lite."""
    images_dir: Path = Field(default_factory=lambda data: _below_state(data, "images"))
    """Where builds put their files; by default `images` in the state directory."""
    build_log_dir: Path = Field(default_factory=lambda data: _below_state(data, "logs/builds"))
    """One log file per build; by default `logs/builds` in the state directory."""
    build_log_retention: Count = 7
    scripts_dir: Directories = ()
    """Directories with ready-scripts, searched in order before the ones that ship with nodepool-lite."""
    private_key: Path | None = None
    """The pool's SSH key; by default `ssh/id_ed25519` in the state directory, made at the first start."""
    zookeeper_servers: tuple[ZooKeeperServer, ...] = ()
    """Empty: the daemon runs a private ZooKeeper on loopback."""
    zookeeper_timeout: Duration = 10
    max_hold_age: Duration = 0
    """The longest hold, in seconds; 0 is unlimited."""
    check_interval: Duration = 300
    """Seconds between two logins to each ready node. From `cron: {check: ...}` too."""
    cleanup_interval: Duration = 600
    check_cron: str = ""
    """Set by `cron: {check: ...}`, in five-field form; wins over the interval."""
    cleanup_cron: str = ""
    failed_retention: Duration = 3600
    """How long the record of a failed node is kept for `show`."""
    lease_lifetime: Duration = 14400
    lease_retention: Duration = 86400
    """How long an ended lease is kept for `leases --all`."""
    build_jobs: Positive = 1
    """Builds at the same time on one builder."""
    build_min_free: Annotated[float, Field(ge=0)] = 5
    """GiB that must be free under images-dir before a build starts."""
    labels: tuple[Label, ...] = ()
    diskimages: tuple[Diskimage, ...] = ()
    providers: tuple[Provider, ...] = ()

    def label(self, name: str) -> Label | None:
        """Return the label of that name."""
        return next((each for each in self.labels if each.name == name), None)

    def diskimage(self, name: str) -> Diskimage | None:
        """Return the diskimage of that name (parents already merged in)."""
        return next((each for each in self.diskimages if each.name == name), None)

    def provider(self, name: str) -> Provider | None:
        """Return the provider of that name."""
        return next((each for each in self.providers if each.name == name), None)
