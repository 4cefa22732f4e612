"""Generations: which upload serves a label now, and a hash of all that shapes a node made from it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from nodepool_lite.config.settings import CloudImage, Config, Label, PoolLabel, Provider, ProviderPool
from nodepool_lite.model.image import Build, BuildState, Upload, UploadState
from nodepool_lite.plan.view import View


@dataclass(frozen=True)
class Source:
    """One way to make nodes of a label: a pool of a provider, and the image that serves there now."""

    label: Label
    provider: Provider
    pool: ProviderPool
    settings: PoolLabel
    diskimage: str
    build: str = ""
    image_id: str = ""
    username: str = ""
    generation: str = ""
    """Empty while no image serves."""

    @property
    def fingerprint(self) -> str:
        """A hash of the configuration (not of the image): what a back-off of this source speaks of."""
        return _hash(_shape(self.label, self.provider, self.settings))

    @property
    def backoff_id(self) -> str:
        """The id of the back-off record of launches here."""
        return f"launch/{self.label.name}@{self.provider.name}"


def sources(view: View) -> Iterator[Source]:
    """Yield every configured way to make each label, with the image that serves it at this moment."""
    for source in _configured(view.config):
        yield _with_image(view, source)


def config_source(config: Config, label: str, provider: str, pool: str) -> Source | None:
    """Return the configured way to make a label there, without its image."""
    for source in _configured(config):
        if (source.label.name, source.provider.name, source.pool.name) == (label, provider, pool):
            return source
    return None


def serving_upload(view: View, diskimage: str, provider: str) -> Upload | None:
    """Return the newest upload of a diskimage that is ready at a provider."""
    ready = [
        upload
        for upload in view.records.uploads.values()
        if upload.diskimage == diskimage and upload.provider == provider and upload.state is UploadState.READY
    ]
    return max(ready, key=lambda upload: upload.build, default=None)


def newest_build(view: View, diskimage: str) -> Build | None:
    """Return the newest build of a diskimage that is ready."""
    ready = [b for b in view.records.builds.values() if b.diskimage == diskimage and b.state is BuildState.READY]
    return max(ready, key=lambda build: build.id, default=None)


def _configured(config: Config) -> Iterator[Source]:
    for provider in config.providers:
        for pool in provider.pools:
            for settings in pool.labels:
                label = config.label(settings.name)
                if label is not None:
                    image = settings.diskimage or settings.cloud_image or ""
                    yield Source(label, provider, pool, settings, diskimage=image)


def _with_image(view: View, source: Source) -> Source:
    script = view.script_digests.get(source.label.ready_script, "")
    if source.settings.cloud_image is not None:
        image = _cloud_image(source.provider, source.settings.cloud_image)
        reference = image.image_id or image.image_name or image.name
        return _served(source, "", reference, image.username, script)
    upload = serving_upload(view, source.diskimage, source.provider.name)
    if upload is None:
        return source
    return _served(source, upload.build, upload.image_id, upload.username, script)


def _served(source: Source, build: str, image_id: str, username: str, script: str) -> Source:
    shape = _shape(source.label, source.provider, source.settings)
    generation = _hash({**shape, "build": build, "image": image_id, "script": script})
    return replace(source, build=build, image_id=image_id, username=username, generation=generation)


def _cloud_image(provider: Provider, name: str) -> CloudImage:
    return next(image for image in provider.cloud_images if image.name == name)


def _shape(label: Label, provider: Provider, settings: PoolLabel) -> Mapping[str, object]:
    """What of the configuration shapes a node: not how many are kept, nor how long they may take."""
    return {
        "label": label.name,
        "script": label.ready_script,
        "subnodes": label.subnodes,
        "provider": provider.name,
        "driver": provider.driver,
        "cloud": [provider.cloud, provider.region_name],
        "settings": settings.model_dump(mode="json"),
    }


def _hash(shape: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:12]
