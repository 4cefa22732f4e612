"""Which hosts have a builder, and which builds nobody can upload because theirs has none any more."""

from collections.abc import Mapping

from nodepool_lite.config.settings import Config, Provider
from nodepool_lite.model.image import Build, Upload
from nodepool_lite.model.pool import Member, Request, RequestKind
from nodepool_lite.store.base import Snapshot

AWAY = 300.0
"""Seconds for which a host may have no builder until what it alone holds is built anew: it may only be restarting."""


def has_builder(records: Snapshot, host: str, *, besides: str = "") -> bool:
    """Tell whether a host has a builder other than the member `besides`, or may have: the record cannot be read."""
    if any(f"-{host}-" in each for each in records.unreadable(Member)):
        return True
    builders = (each for each in records.members.values() if each.role in {"builder", "all"} and each.id != besides)
    return any(each.host == host for each in builders)


def away(records: Snapshot, before: Mapping[str, float], now: float) -> dict[str, float]:
    """Return since when each host that holds builds has had no builder, given what was known before.

    Whoever starts to look gives every host its full time.
    """
    holders = {build.builder for build in records.builds.values()}
    return {host: before.get(host, now) for host in holders if not has_builder(records, host)}


def stranded(records: Snapshot, config: Config, build: Build) -> str:
    """Return where a build is wanted and nobody can upload it to, and why; empty when there is no such place."""
    if has_builder(records, build.builder):
        return ""
    lacking = ", ".join(each.name for each in config.providers if _lacks(records, each, build))
    return lacking and f"{build.name} is not at {lacking}, and {build.builder}, which holds it, has no builder"


def upload_request(records: Snapshot, diskimage: str, provider: str) -> Request | None:
    """Return a person's wish that a provider gets a diskimage."""
    for request in records.requests.values():
        if request.kind is RequestKind.UPLOAD and request.diskimage == diskimage and request.provider == provider:
            return request
    return None


def _lacks(records: Snapshot, provider: Provider, build: Build) -> bool:
    """Tell whether a provider is to have the build, and nothing has its place there."""
    upload = f"{build.id}/{provider.name}"
    if upload in records.uploads or upload in records.unreadable(Upload):
        return False
    used = any(image.name == build.diskimage and not image.pause for image in provider.diskimages)
    asked = upload_request(records, build.diskimage, provider.name) is not None
    return asked or (used and provider.name not in build.withdrawn)
