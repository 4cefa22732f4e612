"""Generations: which upload serves a label now, and a hash of all that shapes a node made from it."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

from nodepool_lite.config.settings import CloudImage, Config, Label, PoolLabel, Provider, ProviderPool
from nodepool_lite.model.image import Upload, UploadState
from nodepool_lite.plan.same import Same
from nodepool_lite.plan.view import View

SHAPING = frozenset(
    {
        "networks",
        "security_groups",
        "availability_zones",
        "auto_floating_ip",
        "floating_network",
        "public_networks",
        "prefer_ipv6",
    }
)
"""Settings of a provider's pool that its servers are made with."""
CACHED = 16
"""Answers kept of each question, for a process that sees little change between two plans."""


@dataclass(frozen=True)
class Source:
    """One way to make nodes of a label: a pool of a provider, and the image that serves there now.

    Of a node set of several labels this is the primary, and `others` are its sub-nodes.
    """

    label: Label
    provider: Provider
    pool: ProviderPool
    settings: PoolLabel
    """How its machine is made; of a node set, its primary."""
    diskimage: str
    fingerprint: str
    """A hash of the configuration (not of the image): what a back-off of this source speaks of."""
    build: str = ""
    image_id: str = ""
    username: str = ""
    generation: str = ""
    """Empty while no image serves; of a node set, while one of its machines has none."""
    others: tuple["Source", ...] = ()
    """The ways to make the sub-nodes, in their order."""

    @property
    def machines(self) -> tuple["Source", ...]:
        """How each machine that is handed out together is made, the primary first."""
        return (self, *self.others)

    def machine(self, made_as: str) -> "Source":
        """Return how a machine of the set is made that is made as that label; the primary, if there is none."""
        return next((each for each in self.machines if each.settings.name == made_as), self)

    @property
    def unserved(self) -> tuple[str, ...]:
        """The images that it needs and that do not serve there."""
        return tuple(dict.fromkeys(each.diskimage for each in self.machines if not each.image_id))

    @property
    def place(self) -> tuple[str, str, str]:
        """What is made there, and where: label, provider, pool."""
        return self.label.name, self.provider.name, self.pool.name

    @property
    def backoff_id(self) -> str:
        """The id of the back-off record of launches here."""
        return f"launch/{self.label.name}@{self.provider.name}"


def sources(view: View) -> tuple[Source, ...]:
    """Return every configured way to make each label, with the image that serves it at this moment."""
    return _sources(Same((view.config, view.records.uploads, view.script_digests)))


def config_source(config: Config, label: str, provider: str, pool: str) -> Source | None:
    """Return the configured way to make a label there, without its image."""
    for source in configured(config):
        if source.place == (label, provider, pool):
            return source
    return None


def serving_uploads(uploads: Iterable[Upload]) -> Mapping[tuple[str, str], Upload]:
    """Return the newest upload that is ready for each diskimage and provider."""
    ready = (upload for upload in uploads if upload.state is UploadState.READY)
    return {(upload.diskimage, upload.provider): upload for upload in sorted(ready, key=lambda each: each.build)}


def configured(config: Config) -> tuple[Source, ...]:
    """Return every configured way to make each label, without its image."""
    return _configured(Same((config,)))


@lru_cache(maxsize=CACHED)  # the hashes take longer than all the rest of a plan for a quiet pool
def _configured(key: Same) -> tuple[Source, ...]:
    (config,) = cast("tuple[Config]", key.values)
    return tuple(_walk(config))


@lru_cache(maxsize=CACHED)
def _sources(key: Same) -> tuple[Source, ...]:
    config, uploads, scripts = cast("tuple[Config, Mapping[str, Upload], Mapping[str, str]]", key.values)
    serving = serving_uploads(uploads.values())
    return tuple(_with_image(source, serving, scripts) for source in configured(config))


@lru_cache(maxsize=CACHED)
def generations(key: Same) -> Mapping[tuple[str, str, str], str]:
    """Return which generation is made at each place of these sources; empty while no image serves there."""
    (ways,) = cast("tuple[tuple[Source, ...]]", key.values)
    return {way.place: way.generation for way in ways}


def _walk(config: Config) -> Iterator[Source]:
    for provider in config.providers:
        for pool in provider.pools:
            for settings in pool.labels:
                label = config.label(settings.name)
                machines = () if label is None else pool.machines(label)
                if label is not None and machines:
                    yield _source(label, provider, pool, machines)


def _source(label: Label, provider: Provider, pool: ProviderPool, machines: tuple[PoolLabel, ...]) -> Source:
    shapes = [_shape(label, provider, pool, each) for each in (machines if label.members else machines[:1])]
    fingerprint = _hash(json.dumps(shapes if label.members else shapes[0], sort_keys=True))
    ways = tuple(
        Source(label, provider, pool, each, each.diskimage or each.cloud_image or "", fingerprint) for each in machines
    )
    return replace(ways[0], others=ways[1:])


def _shape(label: Label, provider: Provider, pool: ProviderPool, settings: PoolLabel) -> Mapping[str, object]:
    """What of the configuration shapes a node: not how many are kept, nor how long they may take."""
    return {
        "label": label.name,
        "script": label.ready_script,
        "verify": label.verify_script,
        "subnodes": label.subnodes,
        "provider": provider.name,
        "driver": provider.driver,
        "cloud": [provider.cloud, provider.region_name],
        "settings": settings.plain(),
        "pool": {name: value for name, value in pool.plain().items() if name in SHAPING},
    }


def _with_image(source: Source, serving: Mapping[tuple[str, str], Upload], scripts: Mapping[str, str]) -> Source:
    """Return the source with the image that serves each of its machines; with a generation if none lacks one."""
    primary, *others = (_served(each, serving) for each in source.machines)
    served = replace(primary, others=tuple(others))
    if served.unserved:
        return served
    machines = served.machines if source.label.members else (served,)
    images = " ".join(f"{each.build} {each.image_id}" for each in machines)
    return replace(served, generation=_hash(f"{source.fingerprint} {images} {scripts.get(source.label.name, '')}"))


def _served(source: Source, serving: Mapping[tuple[str, str], Upload]) -> Source:
    if source.settings.cloud_image is not None:
        image = _cloud_image(source.provider, source.settings.cloud_image)
        return replace(source, image_id=image.image_id or image.image_name or image.name, username=image.username)
    upload = serving.get((source.diskimage, source.provider.name))
    if upload is None:
        return source
    return replace(source, build=upload.build, image_id=upload.image_id, username=upload.username)


def _cloud_image(provider: Provider, name: str) -> CloudImage:
    return next(image for image in provider.cloud_images if image.name == name)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
