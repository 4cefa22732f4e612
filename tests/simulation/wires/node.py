"""The way into nodes: nobody answers, the door stays shut, or the session ends in the middle."""

from collections.abc import Callable
from typing import Any, TypeVar

from nodepool_lite.model.errors import LoginRefusedError, NotYetReachableError, SessionLostError
from tests.simulation.insides import InsideReach
from tests.simulation.wires.caller import Caller

T = TypeVar("T")


class NodeWire:
    """The way into nodes: one process's SSH."""

    def __init__(self, caller: Caller, reach: InsideReach) -> None:
        self._caller = caller
        self._reach = reach
        self.forget = reach.forget

    def login(self, node: Any) -> Any:
        """Log in."""
        return self._ask(lambda: self._reach.login(node))

    def write_info(self, node: Any, members: Any) -> Any:
        """Write files."""
        return self._ask(lambda: self._reach.write_info(node, members))

    def start_script(self, node: Any, start: Any) -> Any:
        """Start a script."""
        return self._ask(lambda: self._reach.start_script(node, start))

    def poll_script(self, node: Any, run_id: str, offset: int) -> Any:
        """Read output."""
        return self._ask(lambda: self._reach.poll_script(node, run_id, offset))

    def place_scripts(self, node: Any, files: Any) -> Any:
        """Write files."""
        return self._ask(lambda: self._reach.place_scripts(node, files))

    def verify(self, node: Any, call: Any) -> Any:
        """Run a script to its end."""
        return self._ask(lambda: self._reach.verify(node, call))

    def _ask(self, call: Callable[[], T]) -> T:
        caller, weather = self._caller, self._caller.weather
        caller.point(weather.node_delay())
        trouble = weather.strikes(weather.node_trouble)
        if trouble and caller.draw() < 1 / 2:
            raise (NotYetReachableError if caller.draw() < 1 / 2 else LoginRefusedError)("the node does not let us in")
        result = call()
        caller.point(weather.node_delay())
        if trouble:
            caller.tell("* the session with a node is lost")
            raise SessionLostError("the connection ended; it is unknown whether the command ran")
        return result
