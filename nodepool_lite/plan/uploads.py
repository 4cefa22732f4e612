"""Which builds go to which providers, and which uploads have had their day."""

from collections.abc import Iterator
from itertools import islice

from nodepool_lite.config.settings import Provider
from nodepool_lite.model.image import Build, BuildState, Upload, UploadState
from nodepool_lite.model.node import Node
from nodepool_lite.plan.actions import Action
from nodepool_lite.plan.builds import KEEP_READY, is_abandoned, upload_format, uses
from nodepool_lite.plan.hosts import upload_request
from nodepool_lite.plan.image_actions import DeleteUpload, DropRequest, FailUpload, RetireUpload, StartUpload
from nodepool_lite.plan.view import View

SETTLE = 60.0
"""Seconds that a provider may take until a new image shows up in its list."""


def uploads(view: View) -> Iterator[Action]:
    """Yield the uploads to start now or later, on the host that holds the build's files in the format wanted there."""
    for provider in view.config.providers:
        for image in provider.diskimages:
            build = _due_build(view, image.name, provider.name)
            if build is None:
                continue
            if upload_format(view, provider.name, image.name) not in {file.format for file in build.files}:
                continue  # a build that has it is planned
            request = upload_request(view.records, image.name, provider.name)
            existing = view.records.uploads.get(f"{build.id}/{provider.name}")
            if f"{build.id}/{provider.name}" in view.records.unreadable(Upload):
                continue  # whatever it is, it has the place
            if existing is not None:
                if request is not None and existing.state in {UploadState.UPLOADING, UploadState.READY}:
                    yield DropRequest(at=0, why=f"{existing.name} is {existing.state} already", request=request.id)
                continue  # one that failed or was deleted goes first
            if image.pause and request is None:
                continue
            backoff = view.backoff(f"upload/{image.name}@{provider.name}", fingerprint(view, provider, image.name))
            due = 0.0 if backoff is None or request is not None else backoff.next_try
            asked = "" if request is None else request.id
            yield StartUpload(
                at=max(due, 0.0), why="the newest build", build=build.id, provider=provider.name, request=asked
            )


def _due_build(view: View, diskimage: str, provider: str) -> Build | None:
    """Return the build of this host that a provider may lack; None while it is there and nobody asks for another."""
    newest = view.newest_builds.get(diskimage)
    if newest is None or newest.builder != view.host or not view.builder:
        return None
    if not view.records.requests and f"{newest.id}/{provider}" in view.records.uploads:
        return None
    return _wanted_build(view, diskimage, provider)


def fingerprint(view: View, provider: Provider, diskimage: str) -> str:
    """Return a hash of what an upload depends on: when it changes, a back-off is void."""
    settings = next((image for image in provider.diskimages if image.name == diskimage), None)
    own = "" if settings is None else settings.fingerprint
    return f"{provider.cloud}:{upload_format(view, provider.name, diskimage)}:{own}"


def interrupted(view: View) -> Iterator[FailUpload]:
    """Yield the failure of uploads that nobody carries out any more."""
    for upload in view.records.uploads.values():
        if upload.state is UploadState.UPLOADING and is_abandoned(view, f"upload/{upload.id}", upload.builder):
            yield FailUpload(at=0, why="interrupted: the builder stopped in the middle of it", upload=upload.id)


def lost(view: View) -> Iterator[FailUpload]:
    """Yield the failure of uploads whose image somebody else removed: nothing more can be made from them."""
    for upload in view.records.uploads.values():
        led = f"provider/{upload.provider}" in view.leads
        if led and upload.state is UploadState.READY and _is_missing(view, upload, upload.state_since + SETTLE):
            yield FailUpload(at=0, why="its image is gone, and not by us", upload=upload.id)


def outlived(view: View) -> Iterator[Action]:
    """Yield the end of uploads that no node needs: failed, superseded, or of something no longer configured."""
    if view.records.unreadable(Node):
        return  # who knows what those were made from
    groups: dict[tuple[str, str], list[Upload]] = {}
    for upload in view.records.uploads.values():
        if f"provider/{upload.provider}" in view.leads:
            groups.setdefault((upload.diskimage, upload.provider), []).append(upload)
    for (diskimage, provider), own in groups.items():
        configured = uses(view, provider, diskimage)
        own.sort(key=lambda upload: upload.build, reverse=True)
        ready = (upload for upload in own if upload.state is UploadState.READY)
        for upload in islice(ready, KEEP_READY if configured else 0, None):
            if (upload.build, provider) not in view.images_in_use:
                why = "superseded" if configured else "no longer configured"
                yield RetireUpload(at=0, why=why, upload=upload.id)
        for upload in own:
            if upload.state is UploadState.FAILED:
                yield RetireUpload(at=0, why="failed", upload=upload.id)


def removals(view: View, now: float) -> Iterator[Action]:
    """Yield the deletion of images marked for it, once no node that is on its way needs them."""
    if view.records.unreadable(Node):
        return
    for upload in view.records.uploads.values():
        if upload.state is not UploadState.DELETING or f"provider/{upload.provider}" not in view.leads:
            continue
        # Without an image it never served: nodes of the same build were made from the image of an earlier upload.
        needed = bool(upload.image_id) and (upload.build, upload.provider) in view.images_in_use
        if not needed or _is_missing(view, upload, upload.created):
            yield DeleteUpload(at=now, why="it has had its day", upload=upload.id)


def _wanted_build(view: View, diskimage: str, provider: str) -> Build | None:
    """The newest ready build, unless a person withdrew it there and did not ask for it again."""
    request = upload_request(view.records, diskimage, provider)
    newest = view.newest_builds.get(diskimage)
    if newest is None or newest.state is not BuildState.READY:
        return None
    return None if provider in newest.withdrawn and request is None else newest


def _is_missing(view: View, upload: Upload, since: float) -> bool:
    """Tell whether a list taken after `since` lacks the upload's image."""
    cloud = view.clouds.get(upload.provider)
    if cloud is None or cloud.images_listed_at is None or cloud.images_listed_at < since:
        return False
    return bool(upload.image_id) and upload.image_id not in cloud.images
