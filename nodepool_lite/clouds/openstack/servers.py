"""What a label means on this cloud: the flavor, networks and other things it names, and the request that makes one."""

import base64
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from nodepool_lite.clouds.driver import Need, ServerSpec
from nodepool_lite.clouds.openstack.api import Api
from nodepool_lite.clouds.openstack.catalogue import Catalogue
from nodepool_lite.clouds.openstack.flavors import Flavor
from nodepool_lite.clouds.openstack.rows import marks, tag
from nodepool_lite.clouds.openstack.ways import Ways
from nodepool_lite.config.settings import CloudImage, PoolLabel, Provider, ProviderPool
from nodepool_lite.model.errors import BadRequestError

TAGS = (2, 52)
"""The microversion from which a server can be made with tags."""
LARGEST_USER_DATA = 65535
"""Characters in base64 (Nova's limit)."""


class Recipes:
    """How one provider's labels become requests. Thread-safe."""

    def __init__(self, provider: Provider, api: Api, catalogue: Catalogue, ways: Ways) -> None:
        self._provider = provider
        self._api = api
        self._catalogue = catalogue
        self._ways = ways

    def need(self, pool: ProviderPool, label: PoolLabel) -> Need:
        """Return what one server takes of the quota; raises BadRequestError with all that is wrong with the label."""
        wrong = list(self.wrong(pool, label))
        if wrong:
            raise BadRequestError("; ".join(wrong))
        flavor = self._flavor(label)
        return Need(
            cores=flavor.cores,
            ram=flavor.ram,
            ports=len(self._catalogue.networks(label.networks or pool.networks)),
            addresses=int(self._ways.gives_addresses(pool, label)),
            volumes=int(label.boot_from_volume),
            gigabytes=label.volume_size if label.boot_from_volume else 0,
        )

    def wrong(self, pool: ProviderPool, label: PoolLabel) -> Iterator[str]:
        """Yield a sentence for each thing that the settings name and the cloud does not have."""
        image = self.cloud_image(label)
        looks: list[Callable[[], object]] = [
            partial(self._flavor, label),
            partial(self._catalogue.networks, label.networks or pool.networks),
            *(partial(self._catalogue.security_group, name) for name in pool.security_groups),
            *(partial(self._catalogue.zone, name) for name in pool.availability_zones),
            *([partial(self._catalogue.key_pair, label.key_name)] if label.key_name else []),
            *([partial(self._catalogue.image, _reference(image))] if image is not None else []),
            partial(self._ways.rules, pool),
        ]
        for look in looks:
            try:
                look()
            except BadRequestError as error:
                yield str(error)
        if label.boot_from_volume and not self._api.has("block-storage"):
            yield "`boot-from-volume` needs a volume service, and this cloud has none"

    def request(self, spec: ServerSpec) -> dict[str, Any]:
        """Return the body of `POST /servers`; raises CloudError when it names what is not there."""
        pool, label = self._settings(spec)
        image = self.cloud_image(label)
        image_id = spec.image_id if image is None else self._catalogue.image(_reference(image)).id
        server: dict[str, Any] = {
            "name": spec.name,
            "flavorRef": self._flavor(label).id,
            "networks": [{"uuid": each.id} for each in self._catalogue.networks(label.networks or pool.networks)],
            "metadata": {**label.instance_properties, **marks(spec)},
            "config_drive": spec.config_drive,
            **_root_disk(label, image_id),
        }
        if self._api.version() >= TAGS:
            server["tags"] = [tag(spec.pool_id)]
        if pool.security_groups:
            groups = (self._catalogue.security_group(name) for name in pool.security_groups)
            server["security_groups"] = [{"name": each.id} for each in groups]
        if label.key_name:
            server["key_name"] = self._catalogue.key_pair(label.key_name).name
        if zone := self._zone(pool, spec):
            server["availability_zone"] = zone
        if spec.user_data:
            server["user_data"] = _encoded(spec.user_data)
        return {"server": server}

    def cloud_image(self, label: PoolLabel) -> CloudImage | None:
        """Return the image that is not ours, of which a label's servers are made."""
        return next((each for each in self._provider.cloud_images if each.name == label.cloud_image), None)

    def _settings(self, spec: ServerSpec) -> tuple[ProviderPool, PoolLabel]:
        for pool in self._provider.pools:
            for label in pool.labels:
                if (pool.name, label.name) == (spec.pool, spec.label):
                    return pool, label
        raise BadRequestError(f"provider {self._provider.name} does not make label {spec.label} in pool {spec.pool}")

    def _flavor(self, label: PoolLabel) -> Flavor:
        return self._catalogue.flavor(label.flavor_name, label.min_ram)

    def _zone(self, pool: ProviderPool, spec: ServerSpec) -> str:
        """Return where a server goes: sets are spread over the pool's zones, and each is kept in one of them."""
        zones = pool.availability_zones
        if not zones and spec.set_id:
            zones = tuple(sorted(each.name for each in self._catalogue.zones()))
        if not zones:
            return ""
        name = spec.set_id or spec.node_id
        return zones[(int(name) if name.isdecimal() else zlib.crc32(name.encode())) % len(zones)]


def _root_disk(label: PoolLabel, image_id: str) -> Mapping[str, object]:
    if not label.boot_from_volume:
        return {"imageRef": image_id}
    volume = {
        "boot_index": 0,
        "uuid": image_id,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": label.volume_size,
        "delete_on_termination": True,
    }
    return {"block_device_mapping_v2": [volume]}


def _encoded(user_data: str) -> str:
    text = base64.b64encode(user_data.encode()).decode()
    if len(text) > LARGEST_USER_DATA:
        raise BadRequestError(f"`userdata` is too long: {len(text)} characters in base64, {LARGEST_USER_DATA} may be")
    return text


def _reference(image: CloudImage) -> str:
    return image.image_id or image.image_name or image.name
