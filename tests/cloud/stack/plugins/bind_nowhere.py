"""An ML2 mechanism driver for ports of fake servers: bound at once, wired nowhere.

Without a binding Nova gives up on a server, and every driver of Neutron's own that binds wants a living agent.
"""

from typing import Any

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api

FAKE_HOSTS = "fake-"


class NowhereDriver(api.MechanismDriver):
    """Binds the ports of hosts whose names say that they are fake, and leaves the others to other drivers."""

    def initialize(self) -> None:
        """There is nothing to prepare."""

    @property
    def connectivity(self) -> str:
        """Layer two, as far as anybody asks."""
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context: Any) -> None:
        """Bind to the first segment."""
        if (context.host or "").startswith(FAKE_HOSTS) and context.segments_to_bind:
            context.set_binding(
                context.segments_to_bind[0][api.ID],
                portbindings.VIF_TYPE_BRIDGE,
                {portbindings.CAP_PORT_FILTER: True},
                status=constants.PORT_STATUS_ACTIVE,
            )
