"""What a planner may look at: the records, what each cloud said last, and what this process is and leads."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from nodepool_lite.clouds.driver import Image, Need, Quota, Server
from nodepool_lite.config.settings import Config, Label, Provider
from nodepool_lite.model.image import Build, BuildState, Upload, UploadState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.pool import Backoff
from nodepool_lite.store.base import Snapshot

SETTLE = 5.0
"""Seconds that a cloud may take until a server that was asked for shows up in its list."""
DELETE_PATIENCE = 10.0
"""Seconds after which a server's end is asked for again, if it is still listed as if nothing had been said."""


@dataclass(frozen=True)
class CloudView:
    """What one provider said last; `listed_at` is when that list was asked for (None: never)."""

    servers: Mapping[str, Server] = field(default_factory=dict)
    since: Mapping[str, float] = field(default_factory=dict)
    """Server id -> when this process saw it first."""
    images: Mapping[str, Image] = field(default_factory=dict)
    images_since: Mapping[str, float] = field(default_factory=dict)
    """Image id -> when this process saw it first."""
    images_listed_at: float | None = None
    listed_at: float | None = None
    stale: float | None = None
    """When something was asked of the cloud since the last list: look again at once."""
    ending: Mapping[str, float] = field(default_factory=dict)
    """Server id -> when this process asked for its end, while it is still listed."""
    poll_interval: float = 1.0
    quota: Quota = field(default_factory=Quota)
    needs: Mapping[tuple[str, str], Need] = field(default_factory=dict)
    """(pool, label) -> what one server takes there; absent for labels that cannot be made."""
    swept_at: float | None = None
    """When left-overs were last looked for."""

    def server_of(self, node: Node) -> Server | None:
        """Return the server that was made for this node's present attempt, if the last list had it."""
        if node.server_id is not None:
            return self.servers.get(node.server_id)
        return self._by_mark.get((node.id, node.attempt))

    def deletable(self, server: str) -> float:
        """Return from when on the end of a listed server may be asked for (again): epoch seconds.

        Never before a list that was asked for since: an older one knows nothing of it, and a busy cloud's takes long.
        """
        asked = self.ending.get(server)
        if asked is None:
            return 0.0
        return asked + DELETE_PATIENCE if self.listed_after(asked) else math.inf

    @cached_property
    def _by_mark(self) -> Mapping[tuple[str, str], Server]:
        return {(server.node_id, server.attempt): server for server in self.servers.values()}

    def listed_after(self, moment: float) -> bool:
        """Tell whether the last list was asked for at or after `moment`."""
        return self.listed_at is not None and self.listed_at >= moment


@dataclass(frozen=True)
class View:
    """One moment, as one process sees it."""

    records: Snapshot
    config: Config
    me: str = ""
    """This process's member id."""
    host: str = ""
    leads: frozenset[str] = frozenset()
    """What this process leads: `planner`, `builder`, `provider/<name>`."""
    led_since: Mapping[str, float] = field(default_factory=dict)
    """Since when this process leads each of these without a break: nothing that happened before was looked after."""
    clouds: Mapping[str, CloudView] = field(default_factory=dict)
    answered: Mapping[str, float] = field(default_factory=dict)
    """Node id -> when the cloud answered (or failed to answer) this process's latest request for its server."""
    checked: Mapping[str, float] = field(default_factory=dict)
    """Node id -> when a login last succeeded, as far as this process knows."""
    attended: Mapping[str, float] = field(default_factory=dict)
    """Lease id -> when this process last saw its client, for waiting leases that have one."""
    away: Mapping[str, float] = field(default_factory=dict)
    """Host -> since when this process has seen no builder there, for hosts that hold builds."""
    running: frozenset[str] = frozenset()
    """Keys of the actions that this process is carrying out."""
    script_digests: Mapping[str, str] = field(default_factory=dict)
    """Label -> hash of its ready-script and of all that goes to the node with it; absent when all is in the image."""
    builder: bool = True
    """Whether this process is a builder: only such a one may touch the files of this host's builds."""
    recipes: Mapping[str, str] = field(default_factory=dict)
    """Diskimage name -> fingerprint of its recipe on this host; of builders only."""
    image_formats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Provider name -> formats that its driver takes, the preferred first."""
    build_obstacle: str = ""
    """Why no build may start on this host now (disk nearly full), empty when one may."""

    def shows_the_same(self, other: "View") -> bool:
        """Tell whether nothing but time distinguishes the two.

        `attended` and `away` are not looked at: they follow from records.
        """
        same = all(getattr(self, name) is getattr(other, name) for name in _KEPT)
        same = same and self.clouds.keys() == other.clouds.keys()
        same = same and all(cloud is other.clouds[name] for name, cloud in self.clouds.items())
        return same and all(getattr(self, name) == getattr(other, name) for name in _SMALL)

    def nodes(self, *states: NodeState) -> Iterable[Node]:
        """Return the nodes in these states (all, if none is named), the oldest first."""
        if len(states) == 1:
            return self._by_state.get(states[0], ())
        return (node for node in self._by_age if not states or node.state in states)

    def strangers(self, provider: str) -> int:
        """Return how many servers of a provider belong to nodes whose records cannot be read."""
        unreadable = self.records.unreadable(Node)
        cloud = self.clouds.get(provider) if unreadable else None
        return 0 if cloud is None else sum(1 for each in cloud.servers.values() if each.node_id in unreadable)

    def nodes_at(self, provider: str) -> Sequence[Node]:
        """Return the nodes of a provider, the oldest first."""
        return self._by_provider.get(provider, ())

    def set_is_whole(self, node: Node) -> bool:
        """Tell whether all records of the node's set came to be: a launcher may have died between two of them.

        The records tell; of what has no `set_size` only the configuration can, which may have changed.
        """
        if node.primary is not None:
            primary = self.records.nodes.get(node.primary)
            return primary is not None and node.id in primary.subnodes
        if node.set_size:
            return 1 + len(node.subnodes) == node.set_size
        label = self.labels.get(node.label)
        return label is None or 1 + len(node.subnodes) == label.size

    def backoff(self, name: str, fingerprint: str) -> Backoff | None:
        """Return the back-off of that name, unless the configuration that it speaks of has changed since."""
        found = self.records.backoffs.get(name)
        return found if found is not None and found.fingerprint == fingerprint else None

    def provider_backoff(self, provider: Provider) -> Backoff | None:
        """Return why a provider cannot be used, if its last list failed."""
        name = f"provider/{provider.name}"
        return self.backoff(name, provider.fingerprint) if name in self.records.backoffs else None

    @cached_property
    def labels(self) -> Mapping[str, Label]:
        """The configured labels by name."""
        return {label.name: label for label in self.config.labels}

    @cached_property
    def newest_builds(self) -> Mapping[str, Build]:
        """The newest build of each diskimage that is ready."""
        ready = (build for build in self.records.builds.values() if build.state is BuildState.READY)
        return {build.diskimage: build for build in sorted(ready, key=lambda each: each.id)}

    @cached_property
    def needed_builds(self) -> frozenset[str]:
        """Builds that an upload (at a provider that is still there) or a node was made from and still needs."""
        providers = {provider.name for provider in self.config.providers}
        uploads = (each for each in self.records.uploads.values() if each.state is not UploadState.FAILED)
        kept = {upload.build for upload in uploads if upload.provider in providers}
        kept |= {upload.rpartition("/")[0] for upload in self.records.unreadable(Upload)}
        return frozenset(kept | {build for build, _provider in self.images_in_use})

    @cached_property
    def images_in_use(self) -> frozenset[tuple[str, str]]:
        """The build and the provider of every node that has a server, or is to get one."""
        users = (n for n in self.records.nodes.values() if n.state is not NodeState.FAILED or n.asked is not None)
        return frozenset((node.build, node.provider) for node in users if node.build)

    @cached_property
    def _by_age(self) -> tuple[Node, ...]:
        return tuple(sorted(self.records.nodes.values(), key=lambda node: (node.created, node.id)))

    @cached_property
    def _by_state(self) -> Mapping[NodeState, list[Node]]:
        found: dict[NodeState, list[Node]] = {}
        for node in self._by_age:
            found.setdefault(node.state, []).append(node)
        return found

    @cached_property
    def _by_provider(self) -> Mapping[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for node in self._by_age:
            found.setdefault(node.provider, []).append(node)
        return found


_KEPT = ("records", "config", "script_digests", "recipes")
"""Parts of a view that are the same object until they change."""
_SMALL = (
    "me",
    "host",
    "leads",
    "led_since",
    "answered",
    "checked",
    "running",
    "builder",
    "image_formats",
    "build_obstacle",
)
"""Parts of a view that are made anew each time."""
