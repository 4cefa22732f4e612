"""Back-offs that speak of something that is no longer there, or no longer configured like that."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import cast

from nodepool_lite.config.settings import Config
from nodepool_lite.plan import uploads
from nodepool_lite.plan.actions import ForgetBackoff
from nodepool_lite.plan.generation import CACHED, configured
from nodepool_lite.plan.same import Same
from nodepool_lite.plan.view import View
from nodepool_lite.store.base import Snapshot


def void_backoffs(view: View) -> Iterator[ForgetBackoff]:
    """Yield the removal of back-offs whose fingerprint is nobody's any more; those of builds on the builder's word."""
    for backoff in view.records.backoffs.values():
        kind, _, name = backoff.id.partition("/")
        judge = "builder" if kind == "build" else "planner"
        if judge in view.leads:
            present = view.recipes if kind == "build" else _fingerprints(Same((view.config, view.image_formats)))
            if present.get(name if kind == "build" else backoff.id) != backoff.fingerprint:
                yield ForgetBackoff(at=0, why="the configuration has changed", backoff=backoff.id)


@lru_cache(maxsize=CACHED)
def _fingerprints(key: Same) -> Mapping[str, str]:
    """Return the id and the fingerprint of every back-off that there may be, but for those of builds."""
    config, formats = cast("tuple[Config, Mapping[str, tuple[str, ...]]]", key.values)
    view = View(records=Snapshot(), config=config, image_formats=formats)
    found = {way.backoff_id: way.fingerprint for way in configured(config)}
    for provider in config.providers:
        found[f"provider/{provider.name}"] = provider.fingerprint
        for image in provider.diskimages:
            found[f"upload/{image.name}@{provider.name}"] = uploads.fingerprint(view, provider, image.name)
    return found
