"""The effective configuration: what the rest of the house sees, whichever dialect it was written in.

All durations are seconds, RAM is MiB, disk is GiB. Values are frozen; a reload makes a new Config.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, field
from msgspec.structs import force_setattr

from nodepool_lite.config.section import Section
from nodepool_lite.config.texts import (
    CloudName,
    Command,
    Count,
    Directories,
    Duration,
    Element,
    Few,
    FileName,
    Format,
    Line,
    Location,
    Name,
    Port,
    Positive,
    Some,
    Span,
    User,
    Variable,
)
from nodepool_lite.config.zookeeper import ZooKeeperAuth, ZooKeeperServer, ZooKeeperTls


class Diskimage(Section):
    """A recipe for disk-image-create."""

    name: Name
    """How labels, providers and commands name it."""
    abstract: bool = False
    """Only a `parent` of others; it is not built itself."""
    parent: Name | None = None
    """A diskimage whose elements come first, and whose other settings hold where this one has none."""
    dib_cmd: Command = "disk-image-create"
    """The program to run, with its first arguments if it needs some."""
    pause: bool = False
    """Whether building is suspended; builds that exist go on serving."""
    elements: tuple[Element, ...] = ()
    """Elements of diskimage-builder, of `elements-dir`, or of those that ship with nodepool-lite."""
    formats: tuple[Format, ...] = ()
    """Formats wanted besides those that the providers ask for."""
    release: Line = ""
    """Passed to the elements as `DIB_RELEASE`."""
    rebuild_age: Span = 86400.0
    """A build older than this is followed by a new one."""
    build_timeout: Span = 28800.0
    """A build that takes longer is ended and has failed."""
    env_vars: Mapping[Variable, str] = field(default_factory=dict)
    """Environment of the build. Not a place for secrets: `$NODEPOOL_LITE_SECURE` names a file for them."""
    username: User = "jenkins"
    """The user that the image lets in by SSH."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Properties that every provider gives to the image; `visibility` (by default private) says who may use it."""


class NodesetMember(Section):
    """Machines of a node set that are made alike."""

    label: Name
    """A label, which is no node set itself: a machine is made as the provider's pool says of that label."""
    count: Some = 1
    """How many of them a set has."""


class Label(Section):
    """The kind of node that users ask for."""

    name: Name
    """What users ask for: `nodepool-lite grab NAME`."""
    min_ready: Count = 0
    """How many nodes are kept waiting; 0 makes them only on demand."""
    max_ready_age: Duration = 0.0
    """An unused node that is older is replaced by a fresh one; 0 never."""
    ready_script: FileName = ""
    """File name of the script in `scripts-dir`, or in /opt/nodepool-scripts of the image."""
    ready_script_timeout: Span = 7200.0
    """A ready-script that runs longer is ended and has failed."""
    ready_script_retries: Count = 0
    """How often a failed ready-script is run again on the same node."""
    verify_script: FileName = ""
    """File name of the script that tells whether a node works, like `ready-script`; by default the one it names."""
    verify_timeout: Span = 120.0
    """A verify-script that runs longer has failed."""
    subnodes: Few = 0
    """How many sub-nodes belong to each node; they are made and handed out together."""
    nodeset: tuple[NodesetMember, ...] = ()
    """Instead of `subnodes`: machines of several labels, made and handed out together; the first is the primary."""

    @property
    def members(self) -> tuple[str, ...]:
        """The label of each machine of a node set, the primary's first; empty for a label that is no `nodeset`."""
        return tuple(member.label for member in self.nodeset for _ in range(member.count))

    @property
    def size(self) -> int:
        """How many machines are handed out together."""
        return sum(member.count for member in self.nodeset) or 1 + self.subnodes


class ProviderImage(Section):
    """A diskimage as this provider uses it."""

    name: Name
    """A diskimage."""
    alias: CloudName = ""
    """Another name that commands know it by at this provider; the old dialect's image name."""
    pause: bool = False
    """Whether uploads to this provider are suspended; uploads that exist go on serving."""
    meta: Mapping[str, str] = field(default_factory=dict)
    """Properties of the image at this provider: at most 5 keys, 255 characters each; `visibility` as in `metadata`."""
    config_drive: bool = True
    """Whether servers made from it get a config drive."""
    format: Format = ""
    """Overrides the provider's `image-type` for this image."""


class CloudImage(Section):
    """An image that is already at the provider and is not ours."""

    name: Name
    """How pool labels name it; also the name at the provider, if neither `image-id` nor `image-name` is given."""
    image_id: CloudName = ""
    """Its id at the provider."""
    image_name: CloudName = ""
    """Its name at the provider."""
    username: User = "jenkins"
    """The user that the image lets in by SSH."""
    config_drive: bool = True
    """Whether servers made from it get a config drive."""
    connection_port: Port = 22
    """The port of its SSH server."""


class PoolLabel(Section):
    """How one pool of a provider makes nodes of a label; of a label with a `nodeset` it gives the name alone."""

    name: Name
    """A label."""
    diskimage: Name | None = None
    """The diskimage it is made from; this or `cloud-image` (a node set has neither)."""
    cloud_image: Name | None = None
    """The cloud-image it is made from; this or `diskimage`."""
    min_ram: Positive | None = None
    """MiB. The qemu driver gives as much; openstack takes the smallest flavor that has as much."""
    cores: Positive | None = None
    """Virtual CPUs (qemu driver)."""
    disk: Positive | None = None
    """GiB of disk, at least what the image needs (qemu driver)."""
    flavor_name: CloudName = ""
    """The flavor; together with `min-ram` a part of its name."""
    key_name: CloudName = ""
    """The cloud's key pair that servers get."""
    console_log: bool = True
    """Whether the console log of a server that failed is kept."""
    boot_from_volume: bool = False
    """Whether the root disk is a volume."""
    volume_size: Positive = 50
    """GiB of that volume."""
    instance_properties: Mapping[str, str] = field(default_factory=dict)
    """Properties that the cloud stores with the server."""
    userdata: str = ""
    """User data for cloud-init; the pool's own (host key, host name) is added to it."""
    networks: tuple[CloudName, ...] = ()
    """Networks by name or id, instead of the pool's."""

    @property
    def is_set(self) -> bool:
        """Whether it is a node set: its machines are made as their own labels say."""
        return self.diskimage is None and self.cloud_image is None


class ProviderPool(Section):
    """A part of a provider with its own limits and its own labels."""

    name: Name = "main"
    """Its name within the provider."""
    max_servers: Count | None = None
    """How many servers of this pool there may be; no value is no limit."""
    max_cores: Count | None = None
    """How many cores they may have together."""
    max_ram: Count | None = None
    """How many MiB of RAM they may have together."""
    max_volumes: Count | None = None
    """How many volumes they may have together (labels with `boot-from-volume`)."""
    max_volume_gb: Count | None = None
    """How many GiB these volumes may have together."""
    ignore_provider_quota: bool = False
    """Whether the cloud's quota is left out of account."""
    availability_zones: tuple[CloudName, ...] = ()
    """Zones to spread servers over."""
    networks: tuple[CloudName, ...] = ()
    """Networks by name or id."""
    security_groups: tuple[CloudName, ...] = ()
    """Security groups by name or id."""
    auto_floating_ip: bool = True
    """Whether a server gets a floating IP where it needs one: its fixed addresses cannot be reached from here."""
    floating_network: CloudName = ""
    """The external network that floating IPs come from; by default the one that the server's network is routed to."""
    public_networks: tuple[CloudName, ...] = ()
    """Networks whose fixed addresses can be reached from here, besides external ones: no floating IP is needed."""
    prefer_ipv6: bool = False
    """Whether nodes are reached by IPv6 where they have a global address."""
    host_key_checking: bool = True
    """Whether servers get an SSH host key of the pool's making; without it the key met at first contact is pinned."""
    node_attributes: Mapping[str, str] = field(default_factory=dict)
    """Facts about the nodes of this pool, told by `show`."""
    priority: int | None = None
    """Instead of the provider's."""
    labels: tuple[PoolLabel, ...] = ()
    """What this pool makes, and how."""

    def settings(self, name: str) -> PoolLabel | None:
        """Return how it makes nodes of the label of that name."""
        return next((each for each in self.labels if each.name == name), None)

    def machines(self, label: Label) -> tuple[PoolLabel, ...]:
        """Return how each machine of a label is made here, the primary first; nothing if the pool does not offer it."""
        own = self.settings(label.name)
        if own is None or not label.members:
            return () if own is None else (own,) * label.size
        made = [each for each in map(self.settings, label.members) if each is not None]
        return tuple(made) if len(made) == label.size else ()


class Provider(Section):
    """One source of servers."""

    name: Name
    """Its name; shown with every node and image."""
    driver: Literal["openstack", "qemu", "simulated"] = "openstack"
    """How to talk to it: `openstack`, `qemu` (this host) or `simulated` (tests)."""
    cloud: CloudName = ""
    """An entry of clouds.yaml."""
    region_name: CloudName = ""
    """The region of that cloud."""
    priority: int = 100
    """Lower is asked first."""
    max_concurrency: Positive = 10
    """Servers that are being launched at the same time."""
    boot_timeout: Span = 60.0
    """Time from a running server to the first SSH login."""
    launch_timeout: Span = 3600.0
    """Time from asking for a server until it runs."""
    launch_retries: Count = 3
    """Failures in a row that are tried again at once; after these the back-off grows."""
    login_test: bool = True
    """False is for tests with servers that are no machines: no login, no info files, no ready-script, no checks.
    Never for a pool that people use: its nodes count as ready although nobody has seen that they can be used.
    """
    image_upload_timeout: Span = 3600.0
    """An upload that takes longer has failed."""
    image_name_format: str = "{image_name}-{timestamp}"
    """Name of images at the provider: `{image_name}` and `{timestamp}` are filled in."""
    image_type: Format = ""
    """Format to upload; empty takes what the driver prefers."""
    hostname_format: str = "{label}-{node_id}"
    """Host name of nodes: `{label}`, `{node_id}` and `{provider}` are filled in (`{label.name}` and the like too)."""
    rate: Duration = 1.0
    """Seconds between two calls to the provider."""
    clean_floating_ips: bool = True
    """Whether floating IPs that no server uses are removed."""
    port_cleanup_interval: Duration = 600.0
    """Above 0, network ports that servers of ours left behind are removed with each clean-up; 0 leaves them.

    Nodepool's key: how often is up to `cleanup-interval`.
    """
    diskimages: tuple[ProviderImage, ...] = ()
    """The diskimages that are uploaded to it; those that its labels name need not be listed."""
    cloud_images: tuple[CloudImage, ...] = ()
    """Images that it has already."""
    pools: tuple[ProviderPool, ...] = ()
    """Its parts, each with limits and labels; most have one."""
    accel: Literal["auto", "kvm", "tcg"] = "auto"
    """qemu driver: `auto` tries KVM once and falls back to TCG."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the simulated driver."""


STATE_DIR = Path("/var/lib/nodepool-lite")


_BELOW_STATE = {"images_dir": Path("images"), "build_log_dir": Path("logs/builds")}
"""Settings whose default is a place in the state directory."""
_NO_PLACE = Path()


class Config(Section):
    """A whole nodepool.yaml."""

    pool_name: Name = "nodepool"
    """The name of this pool, shown in `status`."""
    state_dir: Location = STATE_DIR
    """Where the daemon keeps what must survive a restart."""
    elements_dir: Directories = ()
    """Directories with elements, searched in order before the ones that ship with nodepool-lite."""
    images_dir: Location = _NO_PLACE
    """Where builds put their files; by default `images` in the state directory."""
    build_log_dir: Location = _NO_PLACE
    """One log file per build; by default `logs/builds` in the state directory."""
    build_log_retention: Count = 7
    """How many build logs are kept for each diskimage."""
    scripts_dir: Directories = ()
    """Directories with ready-scripts, searched in order before the ones that ship with nodepool-lite."""
    private_key: Location | None = None
    """The pool's SSH key; by default `ssh/id_ed25519` in the state directory, made at the first start."""
    zookeeper_servers: tuple[ZooKeeperServer, ...] = ()
    """Empty: the daemon runs a private ZooKeeper on loopback."""
    zookeeper_timeout: Span = 10.0
    """After so much silence a process counts as dead, and another one takes over what it led."""
    zookeeper_tls: ZooKeeperTls | None = None
    """Encrypted connections to `zookeeper-servers`."""
    zookeeper_auth: ZooKeeperAuth | None = None
    """A user and password for `zookeeper-servers`."""
    max_hold_age: Duration = 0.0
    """The longest hold; 0 is unlimited."""
    check_interval: Span = 300.0
    """Time between two logins to each ready node; one that does not answer is looked up in the cloud at once."""
    cleanup_interval: Span = 600.0
    """Time between two searches for servers without a record and records without a server."""
    check_cron: str = ""
    """When to check, as a cron expression of five fields in the host's local time; wins over the interval."""
    cleanup_cron: str = ""
    """As `check-cron`, for the clean-up."""
    failed_retention: Duration = 3600.0
    """How long the record of a failed node is kept for `show`."""
    lease_lifetime: Span = 14400.0
    """How long a lease lasts unless `grab --lifetime` says otherwise."""
    lease_retention: Duration = 86400.0
    """How long an ended lease is kept for `leases --all`."""
    build_jobs: Positive = 1
    """Builds at the same time on one builder."""
    build_min_free: Annotated[float, Meta(ge=0)] = 5
    """GiB that must be free under images-dir before a build starts."""
    labels: tuple[Label, ...] = ()
    """The kinds of nodes that users can ask for."""
    diskimages: tuple[Diskimage, ...] = ()
    """The images that are built."""
    providers: tuple[Provider, ...] = ()
    """Where servers come from."""

    def __post_init__(self) -> None:
        """Put what has no place of its own into the state directory."""
        for name, below in _BELOW_STATE.items():
            if getattr(self, name) is _NO_PLACE:
                force_setattr(self, name, self.state_dir / below)

    def label(self, name: str) -> Label | None:
        """Return the label of that name."""
        return next((each for each in self.labels if each.name == name), None)

    def images_of(self, name: str) -> tuple[str, ...]:
        """Return the diskimages and cloud-images that machines of a label are made from, the primary's first."""
        label = self.label(name)
        pools = (pool for provider in self.providers for pool in provider.pools)
        made = (each for pool in pools for each in (() if label is None else pool.machines(label)))
        return tuple(dict.fromkeys(each.diskimage or each.cloud_image or "" for each in made))

    def diskimage(self, name: str) -> Diskimage | None:
        """Return the diskimage of that name (parents already merged in)."""
        return next((each for each in self.diskimages if each.name == name), None)

    def resolve_diskimage(self, name: str) -> Diskimage | None:
        """Return the diskimage that a person means by a name, which may be an alias of it at a provider."""
        aliases = (image.name for each in self.providers for image in each.diskimages if name and image.alias == name)
        return self.diskimage(name) or self.diskimage(next(aliases, ""))

    def provider(self, name: str) -> Provider | None:
        """Return the provider of that name."""
        return next((each for each in self.providers if each.name == name), None)
