"""The simulated clouds of a run, with somebody who sees every server and image come and go."""

from typing import TYPE_CHECKING

from nodepool_lite.clouds.driver import ServerSpec
from nodepool_lite.clouds.simulated import SimulatedCloud, SimulatedOptions

if TYPE_CHECKING:
    from tests.simulation.universe import Universe

THEIRS = ServerSpec(
    pool_id="somebody-else",
    node_id="0000000000",
    attempt="theirs",
    name="theirs",
    label="web",
    generation="",
    image_id="their-image",
)
"""A server that is not ours, and that looks very much like one of ours."""


class WatchedCloud(SimulatedCloud):
    """A cloud that other people use, too."""

    def __init__(self, universe: "Universe", index: int, options: SimulatedOptions) -> None:
        super().__init__(universe.schedule, options)
        self._universe = universe
        self._numbers = index * 100_000
        self.away = False
        """It answers nobody."""
        self.theirs = super().add_server(THEIRS, 1, 1024)

    def add_server(self, spec: ServerSpec, cores: int, ram: int) -> str:
        """Make a server, whose fate is drawn; and now and then there turns out to be no room for it."""
        server_id = super().add_server(spec, cores, ram)
        universe = self._universe
        universe.story.tell("cloud", "makes a server", server=server_id, node=spec.node_id, attempt=spec.attempt)
        universe.insides.made(server_id, spec.label)
        universe.witness.servers.made(self, server_id)
        if universe.weather.strikes(universe.weather.bad_boots):
            self.break_server(server_id, no_room=universe.random.random() < 1 / 3)
        return server_id

    def appear(self, spec: ServerSpec) -> str:
        """Make a server that nobody in this run asked for."""
        options, self.options = self.options, self.options.but(max_servers=None)
        server_id = super().add_server(spec, 1, 1024)
        self.options = options
        self._universe.insides.made(server_id, spec.label)
        return server_id

    def ask_deletion(self, server_id: str) -> None:
        """Take the request to delete a server."""
        self._universe.story.tell("cloud", "is to delete a server", server=server_id)
        self._universe.witness.servers.deleted(self, server_id)
        super().ask_deletion(server_id)

    def remove_image(self, image_id: str) -> None:
        """Forget an image."""
        self._universe.witness.servers.image_deleted(self, image_id)
        super().remove_image(image_id)
