"""How much of a cloud there is for this project, and how much of it anybody uses already."""

from collections.abc import Mapping

from msgspec import convert

from nodepool_lite.clouds.driver import Quota
from nodepool_lite.clouds.openstack.api import Api
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import CloudError, TryAgainLaterError

OLD = 120.0
"""Seconds for which figures are believed."""
OLD_WHEN_FULL = 5.0
"""The same once servers have come or gone, where a limit is near: there may be room, or none any more."""
NEAR = 0.8
"""A limit of which so much is used is near."""


class Quotas:
    """The limits of one project and what is used of them. Used by the thread that lists servers; any may `doubt`."""

    def __init__(self, api: Api, clock: Clock, *, volumes: bool) -> None:
        self._api = api
        self._clock = clock
        self._volumes = volumes
        """Whether volumes concern us."""
        self._quota = Quota(at=0.0)
        self._asked_at = 0.0
        self._doubted_at = 0.0
        self._moves = 0

    def doubt(self) -> None:
        """Say that the cloud refused something for lack of room: the figures are asked for anew next time."""
        self._doubted_at = self._clock.now()

    def get(self, moves: int) -> Quota:
        """Return the latest figures, asked for anew when they are old.

        Args:
            moves: How many of our servers have come and gone so far.
        """
        now = self._clock.now()
        age = now - self._asked_at
        moved = age > OLD_WHEN_FULL and moves != self._moves and _is_near(self._quota)
        if not 0 <= age <= OLD or moved or self._asked_at <= self._doubted_at:
            self._asked_at, self._moves = now, moves
            try:
                self._quota = self._ask(now)
            except TryAgainLaterError:
                return self._quota  # the list, which is asked for as often, tells whether the cloud answers
        return self._quota

    def _ask(self, now: float) -> Quota:
        what = "ask for the quota"
        compute = self._api.call(what, "compute", "GET", "/limits", first=True).body["limits"]["absolute"]
        found: dict[str, int | None] = {
            "servers": _limit(compute.get("maxTotalInstances")),
            "servers_used": compute.get("totalInstancesUsed", 0),
            "cores": _limit(compute.get("maxTotalCores")),
            "cores_used": compute.get("totalCoresUsed", 0),
            "ram": _limit(compute.get("maxTotalRAMSize")),
            "ram_used": compute.get("totalRAMUsed", 0),
            **self._of_network(),
            **(self._of_volumes() if self._volumes else {}),
        }
        return convert({**found, "at": now}, Quota)

    def _of_network(self) -> Mapping[str, int | None]:
        """Return Neutron's figures; nothing where an ordinary member may not see them."""
        try:
            path = f"/quotas/{self._api.project_id()}/details.json"
            body = self._api.call("ask for the network quota", "network", "GET", path, first=True).body
        except CloudError:
            return {}
        names = {"port": "ports", "floatingip": "addresses"}
        known: Mapping[str, Mapping[str, int]] = {
            names[key]: body["quota"][key] for key in names if key in body["quota"]
        }
        limits = {name: _limit(each["limit"]) for name, each in known.items()}
        return {**limits, **{f"{name}_used": each["used"] + each.get("reserved", 0) for name, each in known.items()}}

    def _of_volumes(self) -> Mapping[str, int | None]:
        """Return Cinder's figures; nothing where there is none."""
        if not self._api.has("block-storage"):
            return {}
        what = "ask for the volume quota"
        found = self._api.call(what, "block-storage", "GET", "/limits", first=True).body["limits"]["absolute"]
        return {
            "volumes": _limit(found.get("maxTotalVolumes")),
            "volumes_used": found.get("totalVolumesUsed", 0),
            "gigabytes": _limit(found.get("maxTotalVolumeGigabytes")),
            "gigabytes_used": found.get("totalGigabytesUsed", 0),
        }


def _limit(value: int | None) -> int | None:
    """Return a limit; -1 is OpenStack's word for none."""
    return None if value is None or value < 0 else value


def _is_near(quota: Quota) -> bool:
    pairs = (
        (quota.servers, quota.servers_used),
        (quota.cores, quota.cores_used),
        (quota.ram, quota.ram_used),
        (quota.ports, quota.ports_used),
        (quota.addresses, quota.addresses_used),
        (quota.volumes, quota.volumes_used),
        (quota.gigabytes, quota.gigabytes_used),
    )
    return any(limit is not None and used >= NEAR * limit for limit, used in pairs)
