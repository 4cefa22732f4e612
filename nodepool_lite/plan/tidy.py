"""Back-offs that speak of something that is no longer there, or no longer configured like that."""

from collections.abc import Iterable, Iterator

from nodepool_lite.plan import uploads
from nodepool_lite.plan.actions import ForgetBackoff
from nodepool_lite.plan.generation import Source
from nodepool_lite.plan.view import View


def void_backoffs(view: View, ways: Iterable[Source]) -> Iterator[ForgetBackoff]:
    """Yield the removal of back-offs whose fingerprint is nobody's any more; those of builds on the builder's word."""
    if not view.records.backoffs:
        return
    valid = _fingerprints(view, ways)
    for backoff in view.records.backoffs.values():
        judge = "builder" if backoff.id.startswith("build/") else "planner"
        if judge in view.leads and valid.get(backoff.id) != backoff.fingerprint:
            yield ForgetBackoff(at=0, why="the configuration has changed", backoff=backoff.id)


def _fingerprints(view: View, ways: Iterable[Source]) -> dict[str, str]:
    found = {way.backoff_id: way.fingerprint for way in ways}
    found |= {f"build/{name}": recipe for name, recipe in view.recipes.items()}
    for provider in view.config.providers:
        found[f"provider/{provider.name}"] = provider.fingerprint
        for image in provider.diskimages:
            name = f"upload/{image.name}@{provider.name}"
            found[name] = uploads.fingerprint(view, provider, image.name)
    return found
