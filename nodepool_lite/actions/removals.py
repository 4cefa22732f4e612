"""The end of builds and uploads: marking, deleting files and images, and what was left without a record."""

from pathlib import Path

from nodepool_lite.actions.context import DONE, Again, Context, Outcome
from nodepool_lite.model.image import Build, BuildState, Upload, UploadState
from nodepool_lite.plan.actions import ListImages
from nodepool_lite.plan.image_actions import (
    DeleteAlienImage,
    DeleteBuild,
    DeleteUpload,
    FailBuild,
    FailUpload,
    RetireBuild,
    RetireUpload,
)


def fail_build(ctx: Context, action: FailBuild) -> Outcome:
    """Record that a build was interrupted; it says nothing about the recipe, so no back-off grows.

    What it left on another host is for that host's own builder to remove, when there is one again.
    """
    build = ctx.store.find(Build, action.build)
    if build is not None and build.state is BuildState.BUILDING:
        ours = build.builder == ctx.host
        if ours:
            remove_files(ctx, build)  # before it is recorded: nobody looks for files of a failed build
        state = BuildState.FAILED if ours else BuildState.DELETING
        ctx.store.update(build.to(state, ctx.clock.now(), action.why, error=action.why))
        ctx.log.warning("build.interrupted", build=build.name)
    return DONE


def retire_build(ctx: Context, action: RetireBuild) -> Outcome:
    """Mark a build for deletion."""
    build = ctx.store.find(Build, action.build)
    if build is not None and build.state in {BuildState.READY, BuildState.FAILED}:
        ctx.store.update(build.to(BuildState.DELETING, ctx.clock.now(), action.why))
        ctx.log.info("build.retired", build=build.name, reason=action.why)
    return DONE


def delete_build(ctx: Context, action: DeleteBuild) -> Outcome:
    """Remove the build's files (its log stays until newer ones push it out), and then its record."""
    build = ctx.store.find(Build, action.build)
    if build is None or build.state is not BuildState.DELETING:
        return DONE
    remove_files(ctx, build)
    ctx.store.delete(build)
    ctx.log.info("build.deleted", build=build.name)
    return DONE


def remove_files(ctx: Context, build: Build) -> None:
    """Remove the files of a build of this host, and their checksums; also those that were never recorded."""
    unrecorded = (ctx.config().images_dir / f"{build.name}.{each}" for each in build.formats)
    for path in dict.fromkeys([*(Path(file.path) for file in build.files), *unrecorded]):
        for each in (path, path.with_name(f"{path.name}.sha256"), path.with_name(f"{path.name}.md5")):
            each.unlink(missing_ok=True)


def fail_upload(ctx: Context, action: FailUpload) -> Outcome:
    """Record that an upload was interrupted, or its image lost; it will be deleted and tried again."""
    upload = ctx.store.find(Upload, action.upload)
    if upload is not None and upload.state in {UploadState.UPLOADING, UploadState.READY}:
        ctx.store.update(upload.to(UploadState.FAILED, ctx.clock.now(), action.why, error=action.why))
        ctx.log.warning("upload.failed", upload=upload.name, reason=action.why)
    return DONE


def retire_upload(ctx: Context, action: RetireUpload) -> Outcome:
    """Mark an upload for deletion."""
    upload = ctx.store.find(Upload, action.upload)
    if upload is not None and upload.state in {UploadState.READY, UploadState.FAILED}:
        ctx.store.update(upload.to(UploadState.DELETING, ctx.clock.now(), action.why))
        ctx.log.info("upload.retired", upload=upload.name, reason=action.why)
    return DONE


def delete_upload(ctx: Context, action: DeleteUpload) -> Outcome:
    """Delete the image at the provider (also one whose id was never recorded), and then the record."""
    upload = ctx.store.find(Upload, action.upload)
    if upload is None or upload.state is not UploadState.DELETING:
        return DONE
    driver = ctx.driver(upload.provider)
    made = [image.id for image in driver.list_images() if image.upload_id == upload.id]
    for image_id in dict.fromkeys([*made, *([upload.image_id] if upload.image_id else [])]):
        driver.delete_image(image_id)
        ctx.sightings.gone(image_id)
    ctx.store.delete(upload)
    ctx.log.info("upload.deleted", upload=upload.name)
    return DONE


def list_images(ctx: Context, action: ListImages) -> Outcome:
    """Ask one provider for all our images."""
    asked = ctx.clock.now()
    ctx.sightings.saw_images(action.provider, ctx.driver(action.provider).list_images(), asked)
    return DONE


def delete_alien_image(ctx: Context, action: DeleteAlienImage) -> Outcome:
    """Remove an image that carries our mark and that no record knows."""
    ctx.log.warning("image.alien", provider=action.provider, image=action.image, reason=action.why)
    driver = ctx.driver(action.provider)
    driver.delete_image(action.image)
    asked = ctx.clock.now()
    ctx.sightings.saw_images(action.provider, driver.list_images(), asked)
    return Again(60.0, "waiting for the provider to remove it")
