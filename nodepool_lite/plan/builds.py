"""Which diskimages are to be built on this host, and which builds have had their day."""

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import cast

from nodepool_lite.config.settings import Config, Diskimage
from nodepool_lite.model.image import Build, BuildState
from nodepool_lite.model.node import Node
from nodepool_lite.model.pool import Backoff, Request, RequestKind
from nodepool_lite.plan.actions import Action
from nodepool_lite.plan.generation import CACHED
from nodepool_lite.plan.hosts import AWAY, has_builder, stranded
from nodepool_lite.plan.image_actions import DeleteBuild, DropRequest, FailBuild, RetireBuild, StartBuild
from nodepool_lite.plan.same import Same
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
    return _wanted_formats(Same((view.config, view.image_formats)))[diskimage.name]


def upload_format(view: View, provider: str, diskimage: str) -> str:
    """Return the format in which a provider gets a diskimage."""
    chosen = _upload_formats(Same((view.config, view.image_formats)))
    return chosen.get((provider, diskimage), "") or _preferred(view.image_formats, provider)


@lru_cache(maxsize=CACHED)
def _upload_formats(key: Same) -> Mapping[tuple[str, str], str]:
    """Return the format for each (provider, diskimage) that is configured."""
    config, known = cast("tuple[Config, Mapping[str, tuple[str, ...]]]", key.values)
    return {
        (provider.name, image.name): image.format or provider.image_type or _preferred(known, provider.name)
        for provider in config.providers
        for image in provider.diskimages
    }


@lru_cache(maxsize=CACHED)
def _wanted_formats(key: Same) -> Mapping[str, tuple[str, ...]]:
    """Return the formats that are wanted of each diskimage."""
    config, _ = cast("tuple[Config, Mapping[str, tuple[str, ...]]]", key.values)
    wanted = {diskimage.name: list(diskimage.formats) for diskimage in config.diskimages}
    for (_, image), chosen in _upload_formats(key).items():
        wanted.setdefault(image, []).append(chosen)
    return {name: tuple(dict.fromkeys(formats)) or ("qcow2",) for name, formats in wanted.items()}


def _preferred(known: Mapping[str, tuple[str, ...]], provider: str) -> str:
    return next(iter(known.get(provider, ())), "qcow2")


def interrupted(view: View) -> Iterator[Action]:
    """Yield the failure of builds that nobody carries out any more: theirs was a process that has ended."""
    for build in view.records.builds.values():
        if build.state is BuildState.BUILDING and is_abandoned(view, f"build/{build.diskimage}", build.builder):
            yield FailBuild(at=0, why="interrupted: the builder stopped in the middle of it", build=build.id)


def is_abandoned(view: View, key: str, builder: str) -> bool:
    """Tell whether nobody carries out that action of a builder's host any more.

    Each builder judges what its own host had begun; the leader of all, what a host had begun that has none any more.
    """
    if "builder" not in view.leads and not (view.builder and builder == view.host):
        return False
    if builder == view.host and key in view.running:
        return False
    return not has_builder(view.records, builder, besides=view.me.rpartition("/")[0])


def outlived(view: View) -> Iterator[Action]:
    """Yield the end of builds that no node and no upload needs, beyond the newest two of each diskimage."""
    if "builder" not in view.leads or view.records.unreadable(Node):
        return  # who knows what those nodes were made from
    for name in dict.fromkeys(build.diskimage for build in view.records.builds.values()):
        own = sorted((b for b in view.records.builds.values() if b.diskimage == name), key=lambda b: b.id, reverse=True)
        configured = (found := view.config.diskimage(name)) is not None and not found.abstract
        keep = KEEP_READY if configured else 0
        ready = (build for build in own if build.state is BuildState.READY)
        for build in islice(ready, keep, None):
            if build.id not in view.needed_builds:
                yield RetireBuild(at=0, why="superseded" if configured else "no longer configured", build=build.id)
        failed = (build for build in own if build.state is BuildState.FAILED)
        for build in islice(failed, 1 if configured else 0, None):
            yield RetireBuild(at=0, why="only the latest failure is kept", build=build.id)


def removals(view: View, now: float) -> Iterator[Action]:
    """Yield the removal of files of builds marked for deletion, by a builder on the host that holds them."""
    if not view.builder or view.records.unreadable(Node):
        return
    for build in view.records.builds.values():
        ended = build.state is BuildState.DELETING and f"build/{build.diskimage}" not in view.running
        if ended and build.builder == view.host and build.id not in view.needed_builds:
            yield DeleteBuild(at=now, why="it has had its day", build=build.id)


def is_being_built(diskimage: str, builds: Iterable[Build]) -> bool:
    """Tell whether one of the builds is of that diskimage and goes on."""
    return any(build.diskimage == diskimage and build.state is BuildState.BUILDING for build in builds)


def _due(view: View, diskimage: Diskimage, now: float) -> Iterator[StartBuild]:
    if is_being_built(diskimage.name, view.records.builds.values()):
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
    newest = view.newest_builds.get(diskimage.name)
    due, why = _reason(view, diskimage, newest, formats)
    yield StartBuild(at=max(due, _until(backoff)), why=why, diskimage=diskimage.name, formats=formats)


def _reason(view: View, diskimage: Diskimage, newest: Build | None, formats: tuple[str, ...]) -> tuple[float, str]:
    """Return when the next build is due, and why."""
    if newest is None:
        return 0.0, "there is no image yet"
    if newest.fingerprint != view.recipes.get(diskimage.name, ""):
        return 0.0, "its recipe has changed"
    if not set(formats) <= set(newest.formats):
        return 0.0, f"a format is missing ({', '.join(formats)} wanted)"
    old = newest.created + diskimage.rebuild_age, f"older than rebuild-age ({diskimage.rebuild_age:.0f} s)"
    if newest.builder != view.host and (lost := stranded(view.records, view.config, newest)):
        return min(old, (view.away.get(newest.builder, math.inf) + AWAY, f"{lost} for {AWAY:.0f} s"))
    return old


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
