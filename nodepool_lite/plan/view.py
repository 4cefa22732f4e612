"""What a planner may look at: the records, what each cloud said last, and what this process is and leads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nodepool_lite.clouds.driver import Image, Quota, Server
from nodepool_lite.config.settings import Config
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.pool import Backoff
from nodepool_lite.store.base import Snapshot

SETTLE = 5.0
"""Seconds that a cloud may take until a server that was asked for shows up in its list."""


@dataclass(frozen=True)
class CloudView:
    """What one provider said last; `listed_at` is when that list was asked for (None: never)."""

    servers: Mapping[str, Server] = field(default_factory=dict)
    since: Mapping[str, float] = field(default_factory=dict)
    """Server id -> when this process saw it first."""
    images: Mapping[str, Image] = field(default_factory=dict)
    images_listed_at: float | None = None
    listed_at: float | None = None
    stale: float | None = None
    """When something was asked of the cloud since the last list: look again at once."""
    poll_interval: float = 1.0
    quota: Quota = field(default_factory=Quota)
    error: str = ""

    def server_of(self, node: Node) -> Server | None:
        """Return the server that was made for this node's present attempt, if the last list had it."""
        if node.server_id is not None:
            return self.servers.get(node.server_id)
        for server in self.servers.values():
            if server.node_id == node.id and server.attempt == node.attempt:
                return server
        return None

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
    running: frozenset[str] = frozenset()
    """Keys of the actions that this process is carrying out."""
    script_digests: Mapping[str, str] = field(default_factory=dict)
    """Ready-script name -> hash of its content; absent when it is only in the image."""
    builder: bool = True
    """Whether this process is a builder: only such a one may touch the files of this host's builds."""
    recipes: Mapping[str, str] = field(default_factory=dict)
    """Diskimage name -> fingerprint of its recipe on this host; of builders only."""
    image_formats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Provider name -> formats that its driver takes, the preferred first."""
    build_obstacle: str = ""
    """Why no build may start on this host now (disk nearly full), empty when one may."""

    def nodes(self, *states: NodeState) -> Iterable[Node]:
        """Return the nodes in these states (all, if none is named), the oldest first."""
        chosen = self.records.nodes.values()
        return sorted(
            (node for node in chosen if not states or node.state in states), key=lambda node: (node.created, node.id)
        )

    def backoff(self, name: str, fingerprint: str) -> Backoff | None:
        """Return the back-off of that name, unless the configuration that it speaks of has changed since."""
        found = self.records.backoffs.get(name)
        return found if found is not None and found.fingerprint == fingerprint else None
