"""Building images on this host and uploading them: long work, each in a thread of its own."""

from collections.abc import Callable
from pathlib import Path

from nodepool_lite.actions.context import DONE, Context, Outcome
from nodepool_lite.actions.dib.build_logs import prune
from nodepool_lite.actions.dib.recipe import Recipe, takes_host_key
from nodepool_lite.actions.failures import backoff_write, paced
from nodepool_lite.actions.removals import remove_files
from nodepool_lite.clouds.driver import ImageSpec
from nodepool_lite.config.settings import Diskimage, Provider
from nodepool_lite.config.shipped import elements_dir
from nodepool_lite.model.errors import (
    BuildStoppedError,
    CloudError,
    NodepoolError,
    StoreConflictError,
    StoreUnavailableError,
    TryAgainLaterError,
)
from nodepool_lite.model.image import Build, BuildState, ImageFile, Upload, UploadState
from nodepool_lite.model.pool import Backoff, Request
from nodepool_lite.plan import uploads
from nodepool_lite.plan.backoff import BUILD_FIRST, BUILD_LIMIT, grown
from nodepool_lite.plan.builds import is_being_built, upload_format
from nodepool_lite.plan.image_actions import StartBuild, StartUpload
from nodepool_lite.plan.view import View
from nodepool_lite.store.base import Write

PERSISTENCE = 3600
"""How many times, a second apart, the end of a build or upload is told to a store that does not answer."""


def start_build(ctx: Context, action: StartBuild) -> Outcome:
    """Record the build, run disk-image-create, and record how it ended."""
    diskimage = ctx.config().diskimage(action.diskimage)
    # The view may not show it yet: an earlier try that got no answer may have been recorded even so. What this session
    # asked for before comes before what it reads now.
    if diskimage is None or is_being_built(diskimage.name, ctx.store.read(Build).builds.values()):
        return DONE
    recipe_hash = ctx.recipes().get(diskimage.name, "")
    build = _record_build(ctx, diskimage, action, recipe_hash)
    ctx.log.info("build.started", build=build.name, reason=action.why)
    try:
        files = _run(ctx, diskimage, build)
    except BuildStoppedError:
        return DONE  # the record says `building`; the next builder finds that nobody carries it out
    except NodepoolError as error:
        reason = str(error)
        _persistently(ctx, lambda: _build_failed(ctx, build.id, reason))
        outcome = paced(ctx, f"build/{diskimage.name}", reason)
    else:
        _persistently(ctx, lambda: _build_ready(ctx, build, files))
        outcome = DONE
    prune(ctx.config().build_log_dir, diskimage.name, ctx.config().build_log_retention)
    return outcome


def start_upload(ctx: Context, action: StartUpload) -> Outcome:
    """Record the upload, hand the file to the provider, and record how it ended."""
    records = ctx.store.snapshot()
    build = records.builds.get(action.build)
    provider = ctx.config().provider(action.provider)
    if build is None or provider is None or build.state is not BuildState.READY:
        return DONE
    wanted = upload_format(
        View(records=records, config=ctx.config(), image_formats=ctx.formats()), provider.name, build.diskimage
    )
    file = next((each for each in build.files if each.format == wanted), None)
    if file is None:
        return DONE  # a build in that format is planned
    upload = _record_upload(ctx, build, provider, wanted, action.request)
    ctx.log.info("upload.started", upload=upload.name, size=file.size)
    try:
        image_id = ctx.driver(provider.name).upload_image(_spec(ctx, upload, file), _Progress(ctx, upload.id))
    except CloudError as error:
        if ctx.stop.is_set():
            return DONE  # the record says `uploading`; the next builder finds that nobody carries it out
        reason = str(error)
        _persistently(ctx, lambda: _upload_failed(ctx, upload.id, reason))
        return paced(ctx, f"upload/{upload.diskimage}@{upload.provider}", reason)
    _persistently(ctx, lambda: _upload_ready(ctx, upload.id, image_id))
    return DONE


def _persistently(ctx: Context, write: Callable[[], None]) -> None:
    """Record how long work ended, however long the store is away: an hour's build must not be lost for that."""
    for _ in range(PERSISTENCE):
        try:
            write()
        except (StoreUnavailableError, StoreConflictError):
            if ctx.stop.is_set():
                raise
            ctx.clock.sleep(1.0)
        else:
            return
    write()


def _run(ctx: Context, diskimage: Diskimage, build: Build) -> tuple[ImageFile, ...]:
    config = ctx.config()
    recipe = Recipe(
        diskimage=diskimage,
        formats=build.formats,
        output=config.images_dir / build.name,
        log=Path(build.log),
        work_dir=config.state_dir / "builds" / build.name,
        elements_path=(*config.elements_dir, elements_dir()),
        environment=ctx.build_environment(diskimage),
    )
    return ctx.build(recipe, lambda phase: _phase(ctx, build.id, phase))


def _record_build(ctx: Context, diskimage: Diskimage, action: StartBuild, fingerprint: str) -> Build:
    now = ctx.clock.now()
    config = ctx.config()
    build = Build(
        diskimage=diskimage.name,
        state=BuildState.BUILDING,
        state_since=now,
        created=now,
        builder=ctx.host,
        fingerprint=fingerprint,
        formats=action.formats,
        username=diskimage.username,
        takes_host_key=takes_host_key(diskimage, (*config.elements_dir, elements_dir())),
    )
    build = ctx.store.create_numbered(build, under=diskimage.name)
    build = build.but(log=str(config.build_log_dir / f"{build.name}.log"))
    writes = [Write("update", build)]
    request = ctx.store.find(Request, action.request)
    if request is not None:
        writes.append(Write("delete", request))
    ctx.store.transact(writes)
    return ctx.store.snapshot().builds[build.id]


def _phase(ctx: Context, build_id: str, phase: str) -> None:
    """Record what DIB is doing; a lost write only makes the progress bar late.

    Raises:
        BuildStoppedError: a person had the build deleted, or another builder has given it up.
    """
    try:
        build = _unfinished(ctx, build_id)
        if build is None:
            raise BuildStoppedError(f"build {build_id} is not wanted any more")
        ctx.store.update(build.but(phase=phase, phase_since=ctx.clock.now()))
    except (StoreUnavailableError, StoreConflictError) as error:
        ctx.log.debug("build.phase-unrecorded", build=build_id, reason=str(error))


def _unfinished(ctx: Context, build_id: str) -> Build | None:
    """Return the build if it is on record as being built."""
    build = ctx.store.find(Build, build_id)
    return build if build is not None and build.state is BuildState.BUILDING else None


def _build_ready(ctx: Context, made: Build, files: tuple[ImageFile, ...]) -> None:
    now = ctx.clock.now()
    build = _unfinished(ctx, made.id)
    if build is None:
        remove_files(ctx, made)
        return
    writes = [Write("update", build.to(BuildState.READY, now, "built", files=files, phase=""))]
    backoff = ctx.store.find(Backoff, f"build/{build.diskimage}")
    if backoff is not None:
        writes.append(Write("delete", backoff))
    ctx.store.transact(writes)
    ctx.log.info("build.ready", build=build.name, seconds=round(now - build.created, 1))


def _build_failed(ctx: Context, build_id: str, reason: str) -> None:
    now, reason = ctx.clock.now(), ctx.public(reason)
    build = _unfinished(ctx, build_id)
    if build is None:
        return
    name = f"build/{build.diskimage}"
    before = ctx.store.find(Backoff, name)
    after = grown(before, name, reason, now, fingerprint=build.fingerprint, first=BUILD_FIRST, limit=BUILD_LIMIT)
    ctx.store.transact(
        [
            Write("update", build.to(BuildState.FAILED, now, reason, error=reason)),
            *backoff_write(ctx, before, after),
        ]
    )
    ctx.log.warning("build.failed", build=build.name, reason=reason, next_try=after.next_try)


def _record_upload(ctx: Context, build: Build, provider: Provider, image_format: str, request: str) -> Upload:
    now = ctx.clock.now()
    name = provider.image_name_format.format(image_name=build.diskimage, timestamp=f"{int(now)}-{build.number}")
    upload = Upload(
        id=f"{build.id}/{provider.name}",
        diskimage=build.diskimage,
        build=build.id,
        provider=provider.name,
        state=UploadState.UPLOADING,
        state_since=now,
        created=now,
        builder=ctx.host,
        format=image_format,
        image_name=name,
        username=build.username,
    )
    writes = [Write("create", upload)]
    wish = ctx.store.find(Request, request)
    if wish is not None:
        writes.append(Write("delete", wish))
        kept = tuple(each for each in build.withdrawn if each != provider.name)
        writes.append(Write("update", build.but(withdrawn=kept)))
    ctx.store.transact(writes)
    return ctx.store.snapshot().uploads[upload.id]


def _spec(ctx: Context, upload: Upload, file: ImageFile) -> ImageSpec:
    provider = ctx.config().provider(upload.provider)
    images = () if provider is None else provider.diskimages
    own = next((image.meta for image in images if image.name == upload.diskimage), {})
    diskimage = ctx.config().diskimage(upload.diskimage)
    meta = {**({} if diskimage is None else diskimage.metadata), **own}
    return ImageSpec(
        pool_id=ctx.pool_id,
        upload_id=upload.id,
        name=upload.image_name,
        path=Path(file.path),
        format=file.format,
        sha256=file.sha256,
        meta=meta,
    )


class _Progress:
    """Records an upload's percentage, in steps of at least ten, and breaks it off when it is not wanted any more.

    Called from the uploading thread.
    """

    def __init__(self, ctx: Context, upload_id: str) -> None:
        self._ctx = ctx
        self._upload_id = upload_id

    def __call__(self, percent: int) -> None:
        if self._ctx.stop.is_set():
            raise TryAgainLaterError("the upload was interrupted: the builder stops")
        upload = self._ctx.store.find(Upload, self._upload_id)
        if upload is None or upload.state is not UploadState.UPLOADING:
            raise TryAgainLaterError("the upload is not wanted any more")
        if percent < upload.progress + 10:
            return
        try:
            self._ctx.store.update(upload.but(progress=min(percent, 100)))
        except NodepoolError as error:
            self._ctx.log.debug("upload.progress-unrecorded", upload=self._upload_id, reason=str(error))


def _upload_ready(ctx: Context, upload_id: str, image_id: str) -> None:
    now = ctx.clock.now()
    records = ctx.store.snapshot()
    upload = records.uploads.get(upload_id)
    if upload is None or upload.state is not UploadState.UPLOADING:
        return  # given up meanwhile: the image goes with its record, or as one without
    writes = [Write("update", upload.to(UploadState.READY, now, "uploaded", image_id=image_id, progress=100))]
    backoff = records.backoffs.get(f"upload/{upload.diskimage}@{upload.provider}")
    if backoff is not None:
        writes.append(Write("delete", backoff))
    ctx.store.transact(writes)
    ctx.log.info("upload.ready", upload=upload.name, image=image_id, seconds=round(now - upload.created, 1))


def _upload_failed(ctx: Context, upload_id: str, reason: str) -> None:
    now, reason = ctx.clock.now(), ctx.public(reason)
    records = ctx.store.snapshot()
    upload = records.uploads.get(upload_id)
    if upload is None or upload.state is not UploadState.UPLOADING:
        return
    provider = ctx.config().provider(upload.provider)
    writes = [Write("update", upload.to(UploadState.FAILED, now, reason, error=reason))]
    if provider is not None:
        view = View(records=records, config=ctx.config(), image_formats=ctx.formats())
        name = f"upload/{upload.diskimage}@{upload.provider}"
        before = records.backoffs.get(name)
        mark = uploads.fingerprint(view, provider, upload.diskimage)
        after = grown(before, name, reason, now, fingerprint=mark, first=BUILD_FIRST, limit=BUILD_LIMIT)
        writes += backoff_write(ctx, before, after)
    ctx.store.transact(writes)
    ctx.log.warning("upload.failed", upload=upload.name, reason=reason)
