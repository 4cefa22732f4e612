"""Which diskimages are to be built on this host, and which builds have had their day."""

from collections.abc import Iterator
from itertools import islice

from nodepool_lite.config.settings import Diskimage
from nodepool_lite.model.image import Build, BuildState, UploadState
from nodepool_lite.model.pool import Backoff, Request, RequestKind
from nodepool_lite.plan.actions import Action, DeleteBuild, DropRequest, FailBuild, RetireBuild, StartBuild
from nodepool_lite.plan.generation import newest_build
from nodepool_lite.plan.view import View

KEEP_READY = 2
"""Ready builds kept for each diskimage: the one in service and the one to go back to."""


def builds(view: View, now: float) -> Iterator[Action]:
    """Yield the builds to start now or later, on the process that leads `builder`."""
    if "builder" not in view.leads:
        return
    busy = sum(1 for b in view.records.builds.values() if b.state is BuildState.BUILDING and b.builder == view.host)
    for diskimage in view.config.diskimages:
        if diskimage.abstract:
            continue
        for action in _due(view, diskimage, now):
            if action.at <= now:
                if busy >= view.config.build_jobs or view.build_obstacle:
                    continue
                busy += 1
            yield action
    yield from _idle_requests(view)


def wanted_formats(view: View, diskimage: Diskimage) -> tuple[str, ...]:
    """Return the formats that the diskimage's own settings and its providers ask for, each once."""
    asked = [*diskimage.formats]
    users = [p.name for p in view.config.providers if any(image.name == diskimage.name for image in p.diskimages)]
    asked.extend(upload_format(view, provider, diskimage.name) for provider in users)
    return tuple(dict.fromkeys(asked)) or ("qcow2",)


def upload_format(view: View, provider: str, diskimage: str) -> str:
    """Return the format in which a provider gets a diskimage."""
    settings = view.config.provider(provider)
    if settings is not None:
        own = next((image.format for image in settings.diskimages if image.name == diskimage), "")
        if own or settings.image_type:
            return own or settings.image_type
    return next(iter(view.image_formats.get(provider, ())), "qcow2")


def interrupted(view: View) -> Iterator[Action]:
    """Yield the failure of builds that nobody carries out any more: theirs was a process that has ended."""
    if "builder" not in view.leads:
        return
    for build in view.records.builds.values():
        if build.state is BuildState.BUILDING and is_abandoned(view, f"build/{build.diskimage}", build.builder):
            yield FailBuild(at=0, why="interrupted: the builder stopped in the middle of it", build=build.id)


def is_abandoned(view: View, key: str, builder: str) -> bool:
    """Tell whether nobody carries out that action of a builder's host any more."""
    if builder == view.host:
        return key not in view.running
    members = view.records.members.values()
    return all(each.host != builder for each in members if each.role in {"builder", "all"})


def outlived(view: View) -> Iterator[Action]:
    """Yield the end of builds that no node and no upload needs, beyond the newest two of each diskimage."""
    if "builder" not in view.leads:
        return
    needed = _needed_builds(view)
    for name in dict.fromkeys(build.diskimage for build in view.records.builds.values()):
        own = sorted((b for b in view.records.builds.values() if b.diskimage == name), key=lambda b: b.id, reverse=True)
        configured = (found := view.config.diskimage(name)) is not None and not found.abstract
        keep = KEEP_READY if configured else 0
        ready = (build for build in own if build.state is BuildState.READY)
        for build in islice(ready, keep, None):
            if build.id not in needed:
                yield RetireBuild(at=0, why="superseded" if configured else "no longer configured", build=build.id)
        failed = (build for build in own if build.state is BuildState.FAILED)
        for build in islice(failed, 1 if configured else 0, None):
            yield RetireBuild(at=0, why="only the latest failure is kept", build=build.id)


def removals(view: View, now: float) -> Iterator[Action]:
    """Yield the removal of files of builds marked for deletion, by a builder on the host that holds them."""
    if not view.builder:
        return
    needed = _needed_builds(view)
    for build in view.records.builds.values():
        ended = build.state is BuildState.DELETING and f"build/{build.diskimage}" not in view.running
        if ended and build.builder == view.host and build.id not in needed:
            yield DeleteBuild(at=now, why="it has had its day", build=build.id)


def _due(view: View, diskimage: Diskimage, now: float) -> Iterator[StartBuild]:
    if any(b.diskimage == diskimage.name and b.state is BuildState.BUILDING for b in view.records.builds.values()):
        return
    formats = wanted_formats(view, diskimage)
    request = _request(view, diskimage.name)
    if request is not None:
        why = f"asked for by {request.requester or 'a person'}"
        yield StartBuild(at=now, why=why, diskimage=diskimage.name, formats=formats, request=request.id)
        return
    if diskimage.pause:
        return
    recipe = view.recipes.get(diskimage.name, "")
    backoff = view.backoff(f"build/{diskimage.name}", recipe)
    newest = newest_build(view, diskimage.name)
    due, why = _reason(diskimage, newest, recipe, formats)
    yield StartBuild(at=max(due, _until(backoff)), why=why, diskimage=diskimage.name, formats=formats)


def _reason(diskimage: Diskimage, newest: Build | None, recipe: str, formats: tuple[str, ...]) -> tuple[float, str]:
    """Return when the next build is due, and why."""
    if newest is None:
        return 0.0, "there is no image yet"
    if newest.fingerprint != recipe:
        return 0.0, "its recipe has changed"
    if not set(formats) <= set(newest.formats):
        return 0.0, f"a format is missing ({', '.join(formats)} wanted)"
    return newest.created + diskimage.rebuild_age, f"older than rebuild-age ({diskimage.rebuild_age:.0f} s)"


def _until(backoff: Backoff | None) -> float:
    return 0.0 if backoff is None else backoff.next_try


def _request(view: View, diskimage: str) -> Request | None:
    for request in view.records.requests.values():
        if request.kind is RequestKind.BUILD and request.diskimage == diskimage:
            return request
    return None


def _idle_requests(view: View) -> Iterator[DropRequest]:
    for request in view.records.requests.values():
        diskimage = view.config.diskimage(request.diskimage)
        if diskimage is None or diskimage.abstract:
            yield DropRequest(at=0, why=f"no diskimage {request.diskimage} is configured", request=request.id)
        elif request.kind is RequestKind.UPLOAD and not uses(view, request.provider, request.diskimage):
            why = f"provider {request.provider} is not configured to use {request.diskimage}"
            yield DropRequest(at=0, why=why, request=request.id)


def uses(view: View, provider: str, diskimage: str) -> bool:
    """Tell whether a provider is configured to have a diskimage."""
    settings = view.config.provider(provider)
    return settings is not None and any(image.name == diskimage for image in settings.diskimages)


def _needed_builds(view: View) -> frozenset[str]:
    """Builds that an upload (at a provider that is still there) or a node was made from and still needs."""
    providers = {provider.name for provider in view.config.providers}
    uploads = (u for u in view.records.uploads.values() if u.state is not UploadState.FAILED)
    kept = {upload.build for upload in uploads if upload.provider in providers}
    return frozenset(kept | {build for build, _provider in view.images_in_use})
