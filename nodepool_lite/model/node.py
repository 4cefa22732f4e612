"""Nodes: one server made for one label, handed out at most once, never returned to the pool."""

from enum import StrEnum
from typing import ClassVar, Self

from nodepool_lite.model.errors import IllegalTransitionError
from nodepool_lite.model.record import Event, Part, Record


class NodeState(StrEnum):
    """Where a node stands between "wanted" and "gone"."""

    BUILDING = "building"
    TESTING = "testing"
    PREPARING = "preparing"
    READY = "ready"
    IN_USE = "in-use"
    HOLD = "hold"
    FAILED = "failed"
    DELETING = "deleting"


_S = NodeState
TRANSITIONS: dict[NodeState, frozenset[NodeState]] = {
    _S.BUILDING: frozenset({_S.TESTING, _S.FAILED, _S.DELETING}),
    _S.TESTING: frozenset({_S.PREPARING, _S.FAILED, _S.DELETING}),
    _S.PREPARING: frozenset({_S.READY, _S.FAILED, _S.DELETING}),
    _S.READY: frozenset({_S.IN_USE, _S.HOLD, _S.FAILED, _S.DELETING}),
    _S.IN_USE: frozenset({_S.HOLD, _S.FAILED, _S.DELETING}),
    _S.HOLD: frozenset({_S.FAILED, _S.DELETING}),
    _S.FAILED: frozenset({_S.DELETING}),
    _S.DELETING: frozenset(),
}

PENDING = frozenset({_S.BUILDING, _S.TESTING, _S.PREPARING})
"""On the way to ready."""


class ScriptRun(Part):
    """One run of a ready-script, as any launcher can take it up again."""

    name: str
    run_id: str
    """Names the directory on the node that holds its output and exit status."""
    started: float
    finished: float | None = None
    exit_status: int | None = None
    step: str = ""
    """The script's last progress line, for people."""


class Node(Record):
    """A server of the pool, from the wish to make it until it is gone."""

    HISTORY: ClassVar[int] = 50
    """Steps of its life that are kept."""

    label: str
    """What users ask for; all machines of a node set have the set's."""
    provider: str
    pool: str = "main"
    state: NodeState
    state_since: float
    created: float
    history: tuple[Event, ...] = ()

    diskimage: str = ""
    """The diskimage, or the cloud-image, it is made from."""
    build: str = ""
    """The id of the build that was uploaded (`<diskimage>/<number>`); empty for a cloud-image."""
    image_id: str = ""
    """The image as the provider knows it."""
    generation: str = ""
    username: str = ""
    primary: str | None = None
    """For a sub-node: the id of the primary node of its set."""
    subnodes: tuple[str, ...] = ()
    """For a primary node: the ids of its sub-nodes, once all of them are recorded."""
    set_size: int = 0
    """For a primary node: how many machines its set is to have, itself included.

    0 of a node that stands alone, and of a set that a former version recorded.
    """
    member: str = ""
    """For a machine of a `nodeset`: the label that it is made as."""

    hostname: str = ""
    attempt: str = ""
    """Unique for each time the cloud is asked; written before asking, and carried by the server as a mark."""
    asked: float | None = None
    """When the cloud was (about to be) asked for the server; the host key was made before that."""
    tries: int = 0
    """How often the cloud was asked for it."""
    server_id: str | None = None
    address: str | None = None
    """The address that SSH uses, as seen from the launcher."""
    port: int = 22
    private_address: str | None = None
    az: str = ""
    host_key: str | None = None
    """The pinned public host key in OpenSSH form, `ssh-ed25519 AAAA...`."""
    host_key_source: str = ""
    """`injected`, `console` or `first-contact`."""
    script: ScriptRun | None = None
    lease: str | None = None
    hold_reason: str = ""
    hold_until: float | None = None
    error: str = ""
    """Why it failed, in one sentence; the whole story is in `history` and in its logs."""

    def to(self, state: NodeState, now: float, reason: str, **changes: object) -> Self:
        """Return this node in `state`, with the step appended to its history.

        Raises:
            IllegalTransitionError: `state` cannot follow the present state.
        """
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"node {self.id}: {self.state} cannot become {state}")
        event = Event(time=now, state=state, reason=reason)
        history = (*self.history, event)[-self.HISTORY :]
        return self.but(state=state, state_since=now, history=history, **changes)

    def noted(self, now: float, reason: str, **changes: object) -> Self:
        """Return this node in the same state, with something worth remembering in its history."""
        event = Event(time=now, state=self.state, reason=reason)
        return self.but(history=(*self.history, event)[-self.HISTORY :], **changes)

    @property
    def made_as(self) -> str:
        """The label whose settings it is made by."""
        return self.member or self.label

    @property
    def set_id(self) -> str:
        """The id of the primary node of the set this node belongs to (its own, if it stands alone)."""
        return self.primary or self.id

    @property
    def role(self) -> str:
        """`primary` or `sub`, as written to /etc/nodepool/role."""
        return "sub" if self.primary else "primary"
