"""Whether the services without an address of their own work: their heartbeats, as Nova and Neutron tell them."""

import time
from datetime import UTC, datetime

from .admin import Admin
from .place import CloudError
from .process import Services

PATIENCE = 180.0
STEP = 0.3


def wait(admin: Admin, services: Services, computes: dict[str, str], agents: list[str]) -> None:
    """Wait for a heartbeat of each compute (name and host) and agent that is younger than its process.

    A heartbeat that is merely fresh may be the last one before a restart; what Nova sends to a service that does not
    listen yet is lost, and the server it was about would be building for ever.
    """
    end = time.monotonic() + PATIENCE
    while missing := [*_silent_computes(admin, services, computes), *_silent_agents(admin, services, agents)]:
        dead = [name for name in missing if services.process(name) is None]
        if dead or time.monotonic() > end:
            raise CloudError(f"no sign of life from {', '.join(missing)}; see their logs")
        time.sleep(STEP)


def _silent_computes(admin: Admin, services: Services, wanted: dict[str, str]) -> list[str]:
    known = admin.compute.list("/os-services", binary="nova-compute") if wanted else []
    up = {entry["host"]: entry["updated_at"] for entry in known if entry["state"] == "up"}
    return [name for name, host in wanted.items() if not _beats_since(up.get(host), services, name)]


def _silent_agents(admin: Admin, services: Services, wanted: list[str]) -> list[str]:
    known = admin.network.list("/agents") if wanted else []
    beats = {agent["binary"]: agent["heartbeat_timestamp"] for agent in known}
    return [name for name in wanted if not _beats_since(beats.get(name), services, name)]


def _beats_since(stamp: str | None, services: Services, name: str) -> bool:
    process = services.process(name)
    if process is None or stamp is None:
        return False
    return datetime.fromisoformat(stamp[:19]).replace(tzinfo=UTC).timestamp() > process.since + 1
