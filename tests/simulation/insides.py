"""What happens inside of the simulated servers: each has a fate of its own, drawn when it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from nodepool_lite.access.script import ScriptStart, ScriptStatus, Verification
from nodepool_lite.clouds.driver import ServerState
from nodepool_lite.clouds.simulated import SimulatedCloud
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import NotYetReachableError
from nodepool_lite.model.node import Node
from tests.simulation.weather import Weather

OUTPUT = b"::step:: working\ndone\n"
USUAL_SCRIPT = 6.0
"""Seconds that a ready-script takes at most where nothing is slow."""


@dataclass
class Inside:
    """One server from inside."""

    mute: bool = False
    """Nobody gets in any more, or ever did."""
    login_after: float = 0.0
    """Seconds from its start until sshd answers."""
    script_seconds: float = 0.0
    exit_status: int = 0
    restarts: bool = False
    """It is restarted in the middle of a ready-script, which leaves no exit status then."""
    runs: dict[str, float] = field(default_factory=dict)
    """Run id -> when that run of a ready-script was really started."""
    members: tuple[str, ...] = ()
    """The ids of its set, as last written there."""

    def succeeded(self, run_id: str, now: float) -> bool:
        """Tell whether that run ended well."""
        over = run_id in self.runs and now >= self.runs[run_id] + self.script_seconds
        return over and self.exit_status == 0 and not self.restarts


class Insides:
    """All servers from inside, by their id."""

    def __init__(self, random: Random, weather: Weather) -> None:
        self._random = random
        self._weather = weather
        self.failing_label = ""
        """A label whose ready-script fails everywhere."""
        self.known: dict[str, Inside] = {}

    def made(self, server_id: str, label: str) -> None:
        """Draw the fate of a new server."""
        random, weather = self._random, self._weather
        fails = label == self.failing_label or weather.strikes(weather.bad_scripts)
        self.known[server_id] = Inside(
            mute=weather.strikes(weather.mute_servers),
            login_after=random.choice([0.0, 0.0, 3.0]),
            script_seconds=random.choice([0.0, 2.0, USUAL_SCRIPT]) * (40 if weather.strikes(weather.slowness) else 1),
            exit_status=int(fails),
            restarts=weather.strikes(weather.bad_scripts / 4),
        )

    def hurry(self) -> None:
        """Let no ready-script take longer than it usually does."""
        for inside in self.known.values():
            inside.script_seconds = min(inside.script_seconds, USUAL_SCRIPT)


class InsideReach:
    """The way into the simulated servers."""

    def __init__(self, insides: Insides, clouds: dict[str, SimulatedCloud], clock: Clock) -> None:
        self._insides = insides
        self._clouds = clouds
        self._clock = clock

    def login(self, node: Node) -> str:
        """Succeed once the node's server answers."""
        self._inside(node)
        return node.host_key or "ssh-ed25519 SEEN"

    def write_info(self, node: Node, members: tuple[Node, ...]) -> None:
        """Remember it."""
        self._inside(node).members = tuple(member.id for member in members)

    def start_script(self, node: Node, start: ScriptStart) -> None:
        """Start it, once per run id."""
        self._inside(node).runs.setdefault(start.run_id, self._clock.now())

    def poll_script(self, node: Node, run_id: str, offset: int) -> ScriptStatus:
        """Tell how far it is."""
        inside = self._inside(node)
        began = inside.runs.get(run_id)
        if began is None:
            return ScriptStatus(started=False)
        over = self._clock.now() >= began + inside.script_seconds
        output = OUTPUT if over else OUTPUT[: OUTPUT.index(b"\n") + 1]
        lost = over and inside.restarts
        return ScriptStatus(
            started=True,
            running=not over,
            exit_status=inside.exit_status if over and not lost else None,
            output=output[offset:],
            offset=len(output),
        )

    def place_scripts(self, node: Node, files: Mapping[str, bytes]) -> None:  # noqa: ARG002 - of the protocol
        """Need the server to answer."""
        self._inside(node)

    def verify(self, node: Node, call: Verification) -> bool:  # noqa: ARG002 - of the protocol
        """Take every server that answers as working: no label of the simulation has a verify-script."""
        self._inside(node)
        return True

    def forget(self, node_id: str) -> None:
        """Nothing is kept open."""

    def _inside(self, node: Node) -> Inside:
        cloud, now = self._clouds.get(node.provider), self._clock.now()
        server = None if cloud is None else cloud.servers().get(node.server_id or "")
        inside = self._insides.known.get(node.server_id or "")
        if server is None or inside is None or server.state(now) is not ServerState.ACTIVE:
            raise NotYetReachableError(f"{node.id}: no route to host")
        if inside.mute or now < server.active_at + inside.login_after:
            raise NotYetReachableError(f"{node.id}: connection refused")
        return inside
