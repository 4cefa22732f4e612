"""The cloud as its own client library sees it, by the names of servers: nothing here relies on the pool's own ways."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException
from requests.exceptions import RequestException

from tests.chaos.launchers import PREFIX
from tests.chaos.promises import Server

FOREIGN = "chaos-somebody-else"
PATIENCE = 120.0
UNANSWERED = (ClientException, SDKException, RequestException)
"""What is raised when the cloud does not answer as it should."""


@dataclass(frozen=True)
class Outside:
    """A connection of its own. Of one thread at a time."""

    connection: openstack.connection.Connection

    @classmethod
    def connect(cls, clouds_yaml: Path) -> "Outside":
        """Log in as an ordinary member."""
        config = openstack.config.OpenStackConfig(config_files=[str(clouds_yaml)])
        return cls(openstack.connection.Connection(config=config.get_one("one")))

    def servers(self) -> list[Server]:
        """Return all servers that were made for a run, except the foreign one."""
        listed = self._listed()
        return [_server(each) for each in listed if each["name"] != FOREIGN]

    def make_foreign(self) -> str:
        """Make a server that looks like the pool's, with the mark of another pool, and return its id."""
        member = self.connection
        made = member.compute.create_server(
            name=FOREIGN,
            image_id=member.image.find_image("empty", ignore_missing=False).id,
            flavor_id=member.compute.find_flavor("tiny", ignore_missing=False).id,
            networks=[{"uuid": member.network.find_network("bulk", ignore_missing=False).id}],
            availability_zone="fake",
            metadata={"nodepool_pool_id": "somebody-else", "nodepool_node_id": "0000000001"},
        )
        return str(made.id)

    def is_untouched(self, server_id: str) -> bool:
        """Whether a server is there, and nobody has asked for its end."""
        found = self.connection.compute.find_server(server_id)
        return found is not None and found.task_state != "deleting"

    def ports_of(self, servers: Collection[str]) -> list[str]:
        """Return the ports that were made for these servers."""
        return [port.id for port in self.connection.network.ports() if port.device_id in servers]

    def clear(self) -> None:
        """Delete every server of this or an earlier run, and return when they are gone."""
        end = time.monotonic() + PATIENCE
        while (listed := self._listed()) and time.monotonic() < end:
            for each in listed:
                self.connection.compute.delete_server(each["id"])
            time.sleep(1)

    def _listed(self) -> list[dict[str, Any]]:
        reply = self.connection.compute.get("/servers/detail", params={"name": f"^{PREFIX}"})
        reply.raise_for_status()
        return list(reply.json()["servers"])


def _server(item: dict[str, Any]) -> Server:
    marks = item["metadata"]
    return Server(
        id=item["id"],
        node=marks.get("nodepool_node_id", ""),
        attempt=marks.get("nodepool_attempt", ""),
        deleting=item.get("OS-EXT-STS:task_state") == "deleting",
    )
