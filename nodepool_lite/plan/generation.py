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
    """One way to make nodes of a label: a pool of a provider, and the image that serves there now."""

    label: Label
    provider: Provider
    pool: ProviderPool
    settings: PoolLabel
    diskimage: str
    fingerprint: str
    """A hash of the configuration (not of the image): what a back-off of this source speaks of."""
    build: str = ""
    image_id: str = ""
    username: str = ""
    generation: str = ""
    """Empty while no image serves."""

    def served_by(self, build: str, image_id: str, username: str, script: str) -> "Source":
        """Return this source with the image that serves it; `script` is the hash of its scripts."""
        generation = _hash(f"{self.fingerprint} {build} {image_id} {script}")
        return replace(self, build=build, image_id=image_id, username=username, generation=generation)

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
                if label is not None:
                    image = settings.diskimage or settings.cloud_image or ""
                    shape = json.dumps(_shape(label, provider, pool, settings), sort_keys=True)
                    yield Source(label, provider, pool, settings, diskimage=image, fingerprint=_hash(shape))


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
    script = scripts.get(source.label.name, "")
    if source.settings.cloud_image is not None:
        image = _cloud_image(source.provider, source.settings.cloud_image)
        reference = image.image_id or image.image_name or image.name
        return source.served_by("", reference, image.username, script)
    upload = serving.get((source.diskimage, source.provider.name))
    if upload is None:
        return source
    return source.served_by(upload.build, upload.image_id, upload.username, script)


def _cloud_image(provider: Provider, name: str) -> CloudImage:
    return next(image for image in provider.cloud_images if image.name == name)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
