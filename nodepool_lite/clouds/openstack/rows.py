"""One server as Nova's API lists it, reduced to what the driver uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from nodepool_lite.clouds.driver import ServerSpec, ServerState
from nodepool_lite.clouds.openstack.addresses import Address, parse

POOL, NODE, ATTEMPT = "nodepool_pool_id", "nodepool_node_id", "nodepool_attempt"
LABEL, GENERATION, PART = "nodepool_label", "nodepool_generation", "nodepool_provider_pool"
"""The marks of our servers, in their metadata; `PART` is the pool of the provider."""

_STATES: Mapping[str, ServerState] = {
    "BUILD": ServerState.STARTING,
    "REBUILD": ServerState.STARTING,
    "ERROR": ServerState.ERROR,
    "SHUTOFF": ServerState.STOPPED,
    "PAUSED": ServerState.STOPPED,
    "SUSPENDED": ServerState.STOPPED,
    "SHELVED": ServerState.STOPPED,
    "SHELVED_OFFLOADED": ServerState.STOPPED,
    "RESCUE": ServerState.STOPPED,
    "SOFT_DELETED": ServerState.DELETING,
    "DELETED": ServerState.DELETING,
}
"""What else there is (ACTIVE, REBOOT, MIGRATING ...) runs, or does so again in a moment."""
BUILT = ("ACTIVE", "ERROR", "SHUTOFF", "PAUSED", "SUSPENDED")
"""What may have become of a server that was being built a moment ago."""


@dataclass(frozen=True)
class Row:
    """A server with our pool's mark."""

    id: str
    name: str
    status: str
    created: float | None = None
    deleting: bool = False
    marks: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[Address, ...] = ()
    zone: str = ""
    fault: str = ""
    volumes: tuple[str, ...] = ()
    """Ids of volumes that are to end with it."""

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Self:
        """Return a server from an item of `GET /servers/detail`."""
        return cls(
            id=item["id"],
            name=item.get("name", ""),
            status=item.get("status", "UNKNOWN"),
            created=epoch(item.get("created", "")),
            deleting=item.get("OS-EXT-STS:task_state") == "deleting",
            marks=item.get("metadata") or {},
            addresses=parse(item.get("addresses") or {}),
            zone=item.get("OS-EXT-AZ:availability_zone") or "",
            fault=str((item.get("fault") or {}).get("message") or ""),
            volumes=tuple(
                each["id"]
                for each in item.get("os-extended-volumes:volumes_attached", ())
                if each.get("delete_on_termination")
            ),
        )

    @classmethod
    def asked(cls, server_id: str, spec: ServerSpec, now: float) -> Self:
        """Return a server that was asked for just now, before any list has it."""
        return cls(server_id, spec.name, "BUILD", created=now, marks=marks(spec))

    @property
    def state(self) -> ServerState:
        """What the pool acts on."""
        return ServerState.DELETING if self.deleting else _STATES.get(self.status, ServerState.ACTIVE)

    @property
    def pool_id(self) -> str:
        """Whose it is."""
        return self.marks.get(POOL, "")


def marks(spec: ServerSpec) -> dict[str, str]:
    """Return the metadata by which a server is known to be ours, and for what it was made."""
    return {
        POOL: spec.pool_id,
        NODE: spec.node_id,
        ATTEMPT: spec.attempt,
        LABEL: spec.label,
        GENERATION: spec.generation,
        PART: spec.pool,
    }


def tag(pool_id: str) -> str:
    """Return the tag of all servers and images of a pool: lists can be limited by it."""
    return f"nodepool-{pool_id}"


def rows(items: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return all servers of a list."""
    return [Row.of(each) for each in items]


def epoch(text: str) -> float | None:
    """Return an API's time (`2026-01-31T12:00:00Z`) as seconds since the epoch."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
