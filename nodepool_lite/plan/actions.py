"""What a plan can ask for. An action is a value: what, on what, when at the earliest, and why."""

from dataclasses import dataclass
from typing import ClassVar

from msgspec import Struct

from nodepool_lite.plan.backoff import Wait


class Action(Struct, frozen=True, kw_only=True):
    """One thing to do. `at` is epoch seconds; an action whose time has not come is the loop's next deadline."""

    at: float
    why: str = ""
    inline: ClassVar[bool] = False
    """Only writes records: carried out by the loop itself, before it plans again."""
    long: ClassVar[bool] = False
    """May take minutes or hours: gets a thread of its own."""
    goes_in: ClassVar[bool] = False
    """Goes into a node, which may take as long as a connection's time-out."""

    looks: ClassVar[bool] = False
    """Changes nothing, and has a lane of its own: nobody waits for it when the process is to end."""

    @property
    def key(self) -> str:
        """What is being acted on: at most one action per key is carried out at a time."""
        raise NotImplementedError

    @property
    def lane(self) -> str:
        """Which threads carry it out: what waits in one lane holds up nothing in another."""
        return "node" if self.goes_in else "cloud"


class NodeAction(Action, frozen=True, kw_only=True):
    """Something about one node."""

    node: str
    version: int
    """Of the record that this was decided on: when it has changed, there is something else to decide."""

    @property
    def key(self) -> str:
        """One action per node at a time."""
        return f"node/{self.node}"


# --- nodes: written by the global planner -------------------------------------------------------------


@dataclass(frozen=True)
class Placement:
    """Where one node (with its sub-nodes) is to be made, and from what."""

    label: str
    provider: str
    pool: str
    generation: str
    machines: tuple["Machine", ...]
    """The node, and its sub-nodes."""


@dataclass(frozen=True)
class Machine:
    """What one machine is made from."""

    diskimage: str
    build: str
    image_id: str
    username: str
    member: str = ""
    """The label that it is made as, of a node set of several labels."""


class Launch(Action, frozen=True, kw_only=True):
    """Record new nodes; the owners of their providers will make them."""

    placements: tuple[Placement, ...]
    inline = True

    @property
    def key(self) -> str:
        """All launches are one decision."""
        return "launch"


class Retire(NodeAction, frozen=True, kw_only=True):
    """Mark a node for deletion."""

    inline = True


class LeaseAction(Action, frozen=True, kw_only=True):
    """Something about one lease."""

    lease: str
    version: int
    """Of the record that this was decided on: when it has changed, there is something else to decide."""
    inline = True

    @property
    def key(self) -> str:
        """One action per lease at a time."""
        return f"lease/{self.lease}"


class Grant(LeaseAction, frozen=True, kw_only=True):
    """Give these nodes (sub-nodes included) to a waiting lease."""

    nodes: tuple[str, ...]


class EndLease(LeaseAction, frozen=True, kw_only=True):
    """End a lease, with `why`, and mark its nodes for deletion."""


class SignLease(LeaseAction, frozen=True, kw_only=True):
    """Sign the certificates that a lease with a public key still lacks."""


class ForgetLease(LeaseAction, frozen=True, kw_only=True):
    """Remove the record of a lease that ended long ago."""


class ForgetBackoff(Action, frozen=True, kw_only=True):
    """Remove a back-off that speaks of something that is no longer configured like that."""

    backoff: str
    inline = True

    @property
    def key(self) -> str:
        """One action per back-off at a time."""
        return f"backoff/{self.backoff}"


# --- nodes: carried out by the owner of their provider ------------------------------------------------


class ProviderAction(Action, frozen=True, kw_only=True):
    """Something that is asked of a provider as a whole."""

    provider: str

    @property
    def lane(self) -> str:
        """Threads of the provider's own: a slow cloud holds up no other."""
        return f"cloud/{self.provider}"


class ListServers(ProviderAction, frozen=True, kw_only=True):
    """Ask a provider for all our servers at once."""

    looks: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """One list per provider at a time."""
        return f"list/{self.provider}"

    @property
    def lane(self) -> str:
        """A thread of its own: it waits for no other call."""
        return self.key


class ListImages(ProviderAction, frozen=True, kw_only=True):
    """Ask a provider for all our images at once."""

    @property
    def key(self) -> str:
        """One list per provider at a time."""
        return f"list-images/{self.provider}"


class SweepLeftovers(ProviderAction, frozen=True, kw_only=True):
    """Remove what came with servers of ours that are gone: floating IPs, ports, volumes."""

    @property
    def key(self) -> str:
        """One sweep per provider at a time."""
        return f"sweep/{self.provider}"


class ServerAction(NodeAction, frozen=True, kw_only=True):
    """Something that is asked of the cloud about a node's server."""

    provider: str = ""

    @property
    def lane(self) -> str:
        """The provider's own threads."""
        return f"cloud/{self.provider}"


class CreateServer(ServerAction, frozen=True, kw_only=True):
    """Ask the cloud for the node's server."""


class GiveAddress(ServerAction, frozen=True, kw_only=True):
    """Ask the cloud for an address by which the node's server can be reached."""

    server: str


class MarkBooted(NodeAction, frozen=True, kw_only=True):
    """The server runs: record its address and go on to testing."""

    server: str
    inline = True


class TestLogin(NodeAction, frozen=True, kw_only=True):
    """Log in and run a command."""

    __test__ = False  # not a test class, whatever its name says to pytest
    goes_in = True


class Prepare(NodeAction, frozen=True, kw_only=True):
    """Write the info files, run the ready-script or look how far it is."""

    goes_in = True


class CheckNode(NodeAction, frozen=True, kw_only=True):
    """Log in to a ready node to see that it still answers."""

    goes_in = True


class FailNode(NodeAction, frozen=True, kw_only=True):
    """Record that the node failed; `why` is the reason."""

    counts: bool = True
    """Whether it tells something about the label at this provider, so that the back-off grows."""
    wait: Wait = Wait.AFTER_RETRIES
    """From which failure on, and how long, the next attempt waits."""


class DeleteServer(ServerAction, frozen=True, kw_only=True):
    """Ask the cloud to delete the node's server."""

    server: str


class DropServer(NodeAction, frozen=True, kw_only=True):
    """The server of a failed node is gone: record that."""

    inline = True


class ForgetNode(NodeAction, frozen=True, kw_only=True):
    """The server is gone: remove the record."""

    inline = True


class DeleteAlien(ProviderAction, frozen=True, kw_only=True):
    """Delete a server that carries our mark and that no record knows."""

    server: str

    @property
    def key(self) -> str:
        """One action per server at a time."""
        return f"server/{self.provider}/{self.server}"
