"""What a person does to images: ask for a build or an upload, and delete them."""

from dataclasses import dataclass

from nodepool_lite.config.settings import Config
from nodepool_lite.model.errors import NoSuchThingError, StoreConflictError
from nodepool_lite.model.image import Build, BuildState, Upload, UploadState
from nodepool_lite.model.pool import Member, Request, RequestKind
from nodepool_lite.plan.hosts import stranded
from nodepool_lite.service.attempts import settled
from nodepool_lite.service.names import the_build, the_diskimage, the_provider, the_upload
from nodepool_lite.store.base import Snapshot, Store, Write


@dataclass(frozen=True)
class Asked:
    """What became of a wish: the thing it is about, and what its author should know."""

    name: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListedBuild:
    """A build, and what is to be said of it: why it failed, what DIB is doing, or that nobody can upload it."""

    build: Build
    comment: str


def listed_builds(records: Snapshot, config: Config) -> list[ListedBuild]:
    """Return all builds in the order of their ids."""
    builds = sorted(records.builds.values(), key=lambda build: build.id)
    newest = {build.diskimage: build for build in builds if build.state is BuildState.READY}
    lost = {build.id: stranded(records, config, build) for build in newest.values()}
    return [ListedBuild(each, each.error or each.phase or lost.get(each.id, "")) for each in builds]


def request_build(store: Store, config: Config, name: str, *, who: str, now: float) -> Asked:
    """Ask the builders for a new build of a diskimage.

    Raises:
        NoSuchThingError: no such diskimage is configured.
    """
    diskimage = the_diskimage(config, name).name
    request = Request(id=f"build/{diskimage}", kind=RequestKind.BUILD, diskimage=diskimage, created=now, requester=who)
    return _ask(store, request, diskimage)


def request_upload(store: Store, config: Config, name: str, provider: str, *, who: str, now: float) -> Asked:
    """Ask the builders to upload the newest build of a diskimage to a provider.

    Raises:
        NoSuchThingError: no such provider or diskimage is configured, or the provider does not use it.
    """
    chosen = the_provider(config, provider)
    diskimage = the_diskimage(config, name).name
    if all(image.name != diskimage for image in chosen.diskimages):
        used = ", ".join(image.name for image in chosen.diskimages) or "none"
        raise NoSuchThingError(f"provider {chosen.name} does not use diskimage {diskimage}; it uses: {used}")
    request = Request(
        id=f"upload/{diskimage}@{chosen.name}",
        kind=RequestKind.UPLOAD,
        diskimage=diskimage,
        provider=chosen.name,
        created=now,
        requester=who,
    )
    return _ask(store, request, f"{diskimage} to {chosen.name}")


def delete_build(store: Store, name: str, *, who: str, now: float) -> Asked:
    """Have a build's files deleted; one that is being built is stopped.

    Raises:
        NoSuchThingError: there is no such build.
    """

    def attempt(records: Snapshot) -> Asked:
        build = the_build(records, name)
        if build.state is BuildState.DELETING:
            return Asked(build.name, (f"{build.name} is being deleted already",))
        store.update(build.to(BuildState.DELETING, now, f"deleted: by {who}"))
        return Asked(build.name, tuple(_about_build(records, build)))

    return settled(lambda: store.read(Build, Upload), attempt)


def delete_upload(store: Store, name: str, *, who: str, now: float) -> Asked:
    """Have an image deleted at its provider; it is not uploaded there again unless somebody asks.

    Raises:
        NoSuchThingError: there is no such upload.
    """

    def attempt(records: Snapshot) -> Asked:
        upload = the_upload(records, name)
        if upload.state is UploadState.DELETING:
            return Asked(upload.name, (f"{upload.name} is being deleted already",))
        writes = [Write("update", upload.to(UploadState.DELETING, now, f"deleted: by {who}"))]
        build = records.builds.get(upload.build)
        if build is not None and upload.provider not in build.withdrawn:
            writes.append(Write("update", build.but(withdrawn=(*build.withdrawn, upload.provider))))
        store.transact(writes)
        return Asked(upload.name, tuple(_about_upload(records, upload)))

    return settled(lambda: store.read(Build, Upload), attempt)


def _ask(store: Store, request: Request, what: str) -> Asked:
    notes = []
    try:
        store.create(request)
    except StoreConflictError:
        notes.append(f"{what} has been asked for already and not been taken up yet")
    members = store.read(Member).members.values()
    if not any(member.role in {"builder", "all"} for member in members):
        notes.append("no builder is running at the moment; one that starts will take it up")
    return Asked(what, tuple(notes))


def _about_build(records: Snapshot, build: Build) -> list[str]:
    notes = []
    uploads = [each for each in records.uploads.values() if each.build == build.id and each.state is UploadState.READY]
    if uploads:
        names = ", ".join(each.name for each in uploads)
        notes.append(f"its uploads stay and go on serving ({names}); the files go once nothing needs them")
    others = (each for each in records.builds.values() if each.diskimage == build.diskimage and each.id != build.id)
    if build.state is BuildState.READY and not any(each.state is BuildState.READY for each in others):
        notes.append(f"it was the only ready build of {build.diskimage}: a new one will be built")
    return notes


def _about_upload(records: Snapshot, upload: Upload) -> list[str]:
    others = (
        each
        for each in records.uploads.values()
        if each.diskimage == upload.diskimage and each.provider == upload.provider and each.id != upload.id
    )
    if upload.state is not UploadState.READY or any(each.state is UploadState.READY for each in others):
        return []
    again = f"`nodepool-lite image-upload {upload.provider} {upload.diskimage}`"
    what = f"it was the only ready image of {upload.diskimage} at {upload.provider}"
    return [f"{what}: no more nodes can be made from it there until {again} or the next build"]
