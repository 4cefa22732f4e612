"""What carrying out an action may use, and what it may answer."""

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nodepool_lite.access.script import ScriptStart, ScriptStatus, Verification
from nodepool_lite.actions.dib.recipe import Recipe
from nodepool_lite.actions.sightings import Sightings
from nodepool_lite.clouds.driver import Driver
from nodepool_lite.config.secrets import masked, secrets_of
from nodepool_lite.config.settings import Config, Diskimage
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import BadRequestError
from nodepool_lite.model.image import ImageFile
from nodepool_lite.model.node import Node
from nodepool_lite.store.base import Store


@dataclass(frozen=True)
class Done:
    """Carried out, or not needed any more: the next plan tells."""


@dataclass(frozen=True)
class Again:
    """Not yet: the same key is left alone for `after` seconds, because of `reason`."""

    after: float
    reason: str = ""


Outcome = Done | Again
DONE = Done()


class Reach(Protocol):
    """How the pool gets into its nodes: SSH, or a simulation of it. Every call is short; errors are access errors."""

    def login(self, node: Node) -> str:
        """Run a command on the node; return its public host key."""

    def write_info(self, node: Node, members: tuple[Node, ...]) -> None:
        """Write the files that tell the node what it is and to which set it belongs."""

    def start_script(self, node: Node, start: ScriptStart) -> None:
        """Start a ready-script detached, once per run id."""

    def poll_script(self, node: Node, run_id: str, offset: int) -> ScriptStatus:
        """Return how far the run is, and its output since `offset`."""

    def place_scripts(self, node: Node, files: Mapping[str, bytes]) -> None:
        """Put files where ready-scripts are."""

    def verify(self, node: Node, call: Verification) -> bool:
        """Return when a verify-script succeeded (not short), False at once without it; raises VerifyError."""

    def forget(self, node_id: str) -> None:
        """Close what is open towards a node."""


def new_attempt() -> str:
    """Return a mark that no other request for a server carries."""
    return uuid.uuid4().hex[:12]


class NoReach:
    """The way into servers that are no machines: everything has happened already."""

    def login(self, node: Node) -> str:
        """Return the key that the node was to have."""
        return node.host_key or ""

    def write_info(self, node: Node, members: tuple[Node, ...]) -> None:
        """Write nothing."""

    def start_script(self, node: Node, start: ScriptStart) -> None:
        """Start nothing."""

    def poll_script(self, node: Node, run_id: str, offset: int) -> ScriptStatus:  # noqa: ARG002 - the protocol's
        """Say that it succeeded."""
        return ScriptStatus(started=True, exit_status=0, offset=offset)

    def place_scripts(self, node: Node, files: Mapping[str, bytes]) -> None:
        """Write nothing."""

    def verify(self, node: Node, call: Verification) -> bool:  # noqa: ARG002 - the protocol's
        """Take it as working."""
        return True

    def forget(self, node_id: str) -> None:
        """Nothing is open."""


NO_REACH = NoReach()


@dataclass
class Context:
    """Shared by the loop and its workers; thread-safe, because each part is."""

    store: Store
    clock: Clock
    config: Callable[[], Config]
    drivers: Callable[[], Mapping[str, Driver]]
    sightings: Sightings
    ssh: Reach
    log: Any
    pool_id: str
    host: str
    recipes: Callable[[], Mapping[str, str]]
    """Diskimage name -> fingerprint of its recipe on this host."""
    formats: Callable[[], Mapping[str, tuple[str, ...]]]
    """Provider name -> image formats that its driver takes."""
    build: Callable[[Recipe, Callable[[str], None]], tuple[ImageFile, ...]]
    """Runs disk-image-create to its end, telling each phase; raises the build errors of model.errors."""
    build_environment: Callable[[Diskimage], Mapping[str, str]]
    """What disk-image-create is told besides the diskimage's own env-vars."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The NODEPOOL_ variables of this process, which every ready-script is told."""
    new_attempt: Callable[[], str] = new_attempt
    """Makes the mark of each request for a server."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the process is to end: long work gives up."""
    notes: dict[str, str] = field(default_factory=dict)
    """Node id -> the latest passing trouble, told as the reason when time runs out; also `check <node id>` and more."""

    def driver(self, provider: str) -> Driver:
        """Return the provider's driver; raises BadRequestError when it is not configured (any more)."""
        try:
            return self.drivers()[provider]
        except KeyError:
            raise BadRequestError(f"provider {provider} is not in the configuration") from None

    def reach(self, node: Node) -> Reach:
        """Return the way into a node: SSH, or nothing at all where `login-test` is off."""
        provider = self.config().provider(node.provider)
        return self.ssh if provider is None or provider.login_test else NO_REACH

    def public(self, text: str) -> str:
        """Return what a program or a machine said, without the secrets that it was told: for the records."""
        return masked(text, secrets_of(self.config(), self.environment))

    def node_logs(self, node_id: str) -> Path:
        """Return the directory that holds a node's logs on this host."""
        return self.config().state_dir / "logs" / "nodes" / node_id
