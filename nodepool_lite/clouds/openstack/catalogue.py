"""What a cloud has by name: flavors, networks, security groups, key pairs, zones, images. Read seldom, kept long."""

import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nodepool_lite.clouds.openstack.api import Api
from nodepool_lite.clouds.openstack.flavors import Flavor, choose
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import BadRequestError, TryAgainLaterError

FRESH = 3600.0
"""Seconds for which a list is believed."""
FRESH_IMAGES = 600.0
"""The same for images that are not ours: people replace them under the same name."""
MISS = 60.0
"""Seconds after which a list is read again because something is not in it."""
_NAMED = 20
"""How many of the names that exist are told."""

T = TypeVar("T")
Named = TypeVar("Named", bound="Thing")


@dataclass(frozen=True)
class Thing:
    """Something with a name and an id."""

    id: str
    name: str


@dataclass(frozen=True)
class Network(Thing):
    """A network as Neutron lists it."""

    external: bool = False


class Listing(Generic[T]):
    """All things of one kind: read when first asked for, after an hour, and when something is missed. Thread-safe."""

    def __init__(self, fetch: Callable[[], Sequence[T]], clock: Clock, fresh: float = FRESH) -> None:
        self._fetch = fetch
        self._clock = clock
        self._fresh = fresh
        self._lock = threading.Lock()
        self._items: Sequence[T] = ()
        self._read_at: float | None = None

    def all(self, max_age: float | None = None) -> Sequence[T]:
        """Return what there is, read at most `max_age` seconds ago (or as long as such lists are believed).

        A list that cannot be read again is believed for longer. Raises CloudError when it never could be.
        """
        limit = self._fresh if max_age is None else max_age
        with self._lock:
            now = self._clock.now()
            if self._read_at is None:
                self._items, self._read_at = self._fetch(), now
            elif not 0 <= now - self._read_at <= limit:  # it is old, or our clock was set back
                try:
                    self._items = self._fetch()
                except TryAgainLaterError:
                    if max_age is not None:
                        raise
                self._read_at = now
            return self._items

    def forget(self) -> None:
        """Read it anew when next asked for."""
        with self._lock:
            self._read_at = None


class Catalogue:
    """The names of one region of one cloud. Thread-safe."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._flavors = Listing(self._fetch_flavors, clock)
        self._networks = Listing(self._fetch_networks, clock)
        self._groups = Listing(self._fetch_groups, clock)
        self._keys = Listing(self._fetch_keys, clock)
        self._zones = Listing(self._fetch_zones, clock)
        self._images: dict[str, Listing[Thing]] = {}

    def forget(self) -> None:
        """Read everything anew when next asked for: the cloud says that something is not as it was."""
        kinds: tuple[Listing[Any], ...] = (self._flavors, self._networks, self._groups, self._keys, self._zones)
        for each in (*kinds, *self._images.values()):
            each.forget()

    def flavor(self, name: str, min_ram: int | None) -> Flavor:
        """Return the flavor of that name, or the smallest with `min_ram` MiB; raises BadRequestError."""
        try:
            return choose(self._flavors.all(), name, min_ram)
        except BadRequestError:
            return choose(self._flavors.all(MISS), name, min_ram)

    def networks(self, names: Iterable[str]) -> tuple[Network, ...]:
        """Return networks by name or id; without names the only one that there is; raises BadRequestError."""
        wanted = tuple(names)
        if wanted:
            return tuple(_find(self._networks, "network", name) for name in wanted)
        inside = [each for each in self._networks.all() if not each.external]
        if len(inside) != 1:
            known = _names(inside) or "none"
            raise BadRequestError(f"name the networks of the pool's servers under `networks`; there are: {known}")
        return (inside[0],)

    def known_networks(self) -> Sequence[Network]:
        """Return all networks that there are."""
        return self._networks.all()

    def security_group(self, name: str) -> Thing:
        """Return a security group by name or id; raises BadRequestError."""
        return _find(self._groups, "security group", name)

    def key_pair(self, name: str) -> Thing:
        """Return a key pair; raises BadRequestError."""
        return _find(self._keys, "key pair", name)

    def zone(self, name: str) -> Thing:
        """Return an availability zone that is in service; raises BadRequestError."""
        return _find(self._zones, "availability zone", name)

    def zones(self) -> Sequence[Thing]:
        """Return all availability zones that are in service."""
        return self._zones.all()

    def image(self, reference: str) -> Thing:
        """Return an image by id, or the newest active one of that name; raises BadRequestError."""
        listing = self._images.get(reference)
        if listing is None:
            listing = self._images[reference] = Listing(
                lambda: self._fetch_images(reference), self._clock, FRESH_IMAGES
            )
        found = listing.all() or listing.all(MISS)
        if not found:
            raise BadRequestError(f"there is no active image `{reference}`; there are: {self._image_names()}")
        return found[0]

    def _fetch_flavors(self) -> Sequence[Flavor]:
        return [Flavor.of(each) for each in self._api.all("list flavors", "compute", "/flavors/detail", "flavors", {})]

    def _fetch_networks(self) -> Sequence[Network]:
        fields = {"fields": ["id", "name", "router:external"]}
        found = self._api.all("list networks", "network", "/networks", "networks", fields)
        return [Network(each["id"], each["name"], bool(each.get("router:external"))) for each in found]

    def _fetch_groups(self) -> Sequence[Thing]:
        fields = {"fields": ["id", "name"]}
        return _things(self._api.all("list security groups", "network", "/security-groups", "security_groups", fields))

    def _fetch_keys(self) -> Sequence[Thing]:
        found = self._api.all("list key pairs", "compute", "/os-keypairs", "keypairs", {})
        return [Thing(each["keypair"]["name"], each["keypair"]["name"]) for each in found]

    def _fetch_zones(self) -> Sequence[Thing]:
        what = "list availability zones"
        found = self._api.all(what, "compute", "/os-availability-zone", "availabilityZoneInfo", {})
        return [Thing(each["zoneName"], each["zoneName"]) for each in found if each["zoneState"]["available"]]

    def _fetch_images(self, reference: str) -> Sequence[Thing]:
        """Return the image of that id, or those of that name, the newest first."""
        if _is_id(reference):
            reply = self._api.call("find an image", "image", "GET", f"/images/{reference}", also=frozenset({404}))
            if reply.body is not None:
                return _things([reply.body] if reply.body.get("status") == "active" else [])
        query = {"name": reference, "status": "active", "sort": "created_at:desc"}
        return _things(self._api.all("find an image", "image", "/images", "images", query))

    def _image_names(self) -> str:
        return _names(_things(self._api.all("list images", "image", "/images", "images", {"status": "active"})))


def _find(listing: Listing[Named], kind: str, name: str) -> Named:
    """Return the one thing of that name or id; raises BadRequestError with the names that there are."""
    found = _matching(listing.all(), name) or _matching(listing.all(MISS), name)
    if not found:
        raise BadRequestError(f"there is no {kind} `{name}`; there are: {_names(listing.all()) or 'none'}")
    if len(found) > 1:
        ids = ", ".join(each.id for each in found)
        raise BadRequestError(f"there are {len(found)} {kind}s `{name}`: say which by its id ({ids})")
    return found[0]


def _matching(things: Sequence[Named], name: str) -> list[Named]:
    return [each for each in things if each.id == name] or [each for each in things if each.name == name]


def _is_id(reference: str) -> bool:
    try:
        return bool(uuid.UUID(reference))
    except ValueError:
        return False


def _things(items: Iterable[dict[str, Any]]) -> list[Thing]:
    return [Thing(each["id"], each["name"] or each["id"]) for each in items]


def _names(things: Iterable[Thing]) -> str:
    names = sorted({each.name for each in things})
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
