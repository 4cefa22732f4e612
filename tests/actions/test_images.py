"""Builds and uploads through outages, second thoughts and lost images."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from nodepool_lite.actions.images import start_build
from nodepool_lite.actions.removals import fail_build
from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.node import NodeState
from nodepool_lite.plan.image_actions import FailBuild, StartBuild
from nodepool_lite.service import images
from nodepool_lite.testing import LABEL, make_build
from tests.actions.conftest import MakeWorld
from tests.world import World


def files(world: World) -> list[str]:
    """Return the names of the image files on this host."""
    return sorted(path.name for path in world.images.iterdir())


def test_a_build_that_a_person_deletes_ends_and_leaves_no_file(make_world: MakeWorld) -> None:
    """At its next phase; another one follows."""
    world = make_world()

    def delete() -> None:
        world.while_building = lambda: None
        (build,) = world.records.builds
        images.delete_build(world.store, build, who="bob", now=world.clock.now())

    world.while_building = delete
    world.run(10)
    assert [build.number for build in world.records.builds.values()] == ["0000000001"]
    assert files(world) == [f"{LABEL}-0000000001.qcow2"]
    assert not world.journal.crashes


def test_a_build_that_another_builder_gave_up_leaves_no_file(make_world: MakeWorld) -> None:
    """It ended well after all, but nobody waits for it any more."""
    world = make_world()

    def give_up() -> None:
        world.while_building = lambda: None
        (build,) = world.records.builds.values()
        world.store.update(build.to(BuildState.FAILED, world.clock.now(), "given up", error="given up"))

    world.while_building = give_up
    world.run(10)
    assert files(world) == [f"{LABEL}-0000000001.qcow2"]


def test_a_build_that_ends_while_the_store_is_away_is_not_lost(make_world: MakeWorld) -> None:
    """An hour's work is worth a moment's patience."""
    world = make_world()
    real_sleep = world.clock.sleep

    def come_back(seconds: float) -> None:
        real_sleep(seconds)
        world.launcher.store.reconnect()

    world.clock.sleep = come_back  # type: ignore[method-assign]  # the clock is the test's own
    world.while_building = world.launcher.store.disconnect
    world.launcher.step()
    assert [build.state for build in world.records.builds.values()] == [BuildState.READY]


def test_an_interrupted_build_leaves_no_file(make_world: MakeWorld) -> None:
    """Its files were complete, and its record says nothing of them."""
    world = make_world()
    world.run(10)
    (build,) = world.records.builds.values()
    orphan = build.but(id=f"{LABEL}/0000000007", state=BuildState.BUILDING, files=(), version=-1)
    world.store.create(orphan)
    left = world.images / f"{orphan.name}.qcow2"
    left.write_text("image")
    left.with_name(f"{left.name}.sha256").write_text("sum")
    world.run(10)
    assert world.records.builds[orphan.id].state is BuildState.FAILED
    assert files(world) == [f"{LABEL}-0000000000.qcow2"]


def test_files_of_an_interrupted_build_go_before_that_is_recorded(make_world: MakeWorld) -> None:
    """Whoever records the failure may be killed right after it, and nobody looks for files of a failed build."""
    world = make_world()
    build = make_build(0, state=BuildState.BUILDING)
    world.store.create(build)
    left = world.launcher.ctx.config().images_dir / f"{build.name}.qcow2"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("half an image")
    world.launcher.store.lose_reply()
    with pytest.raises(StoreUnavailableError):
        fail_build(world.launcher.ctx, FailBuild(at=0, why="interrupted", build=build.id))
    assert world.records.builds[build.id].state is BuildState.FAILED
    assert not left.exists()


def test_an_interrupted_build_of_another_host_is_left_to_that_host(make_world: MakeWorld) -> None:
    """Only its own builder can remove what it left there, and its record tells of that until then."""
    world = make_world()
    there = make_build(0, builder="builder-2", state=BuildState.BUILDING, files=())
    world.store.create(there)
    world.run(10)
    assert world.records.builds[there.id].state is BuildState.DELETING
    assert world.nodes(NodeState.READY)


def test_an_image_that_somebody_removed_is_uploaded_again(make_world: MakeWorld) -> None:
    """Found by the next look at the provider's images."""
    world = make_world(config={"cleanup_interval": 60.0})
    world.run(20)
    (image,) = world.cloud.images()
    world.cloud.remove_image(image)
    world.run(300)
    (upload,) = world.records.uploads.values()
    assert (upload.state, list(world.cloud.images())) == (UploadState.READY, [upload.image_id])


def test_an_image_deleted_and_asked_for_again_is_uploaded_when_its_nodes_are_gone(make_world: MakeWorld) -> None:
    """The wish is kept until then."""
    world = make_world()
    world.run(20)
    now = world.clock.now()
    (before,) = world.records.uploads.values()
    images.delete_upload(world.store, before.id, who="bob", now=now)
    images.request_upload(world.store, world.config, LABEL, "local", who="bob", now=now)
    world.run(30)
    assert world.records.requests
    (node,) = world.nodes(NodeState.READY)
    world.store.update(node.to(NodeState.DELETING, now, "by a test"))
    world.run(60)
    (after,) = world.records.uploads.values()
    assert after.image_id != before.image_id
    assert not world.records.requests
    assert world.nodes(NodeState.READY)


def test_an_upload_that_a_person_deletes_is_broken_off(make_world: MakeWorld) -> None:
    """The rest of many gigabytes is not sent for nothing."""
    world = make_world()
    real = world.cloud.call

    @contextmanager
    def call(name: str) -> Iterator[None]:
        with real(name):
            if name == "upload_image":
                (upload,) = world.records.uploads
                images.delete_upload(world.store, upload, who="bob", now=world.clock.now())
            yield

    completed: list[str] = []
    world.cloud.call = call  # type: ignore[method-assign]  # what happens in the middle of a call is the test's own
    world.cloud.complete_image = completed.append  # type: ignore[method-assign]
    world.run(60)
    assert world.records.uploads == {}
    assert world.cloud.calls["upload_image"] == 1
    assert (completed, dict(world.cloud.images())) == ([], {})
    assert not world.records.backoffs
    assert not world.journal.crashes


def test_an_upload_that_a_clean_stop_broke_off_is_begun_again_at_once(make_world: MakeWorld) -> None:
    """Nothing was wrong with it, so that nothing is waited for: a stop costs no more than a crash would."""
    world = make_world()
    ctx, real = world.launcher.ctx, world.cloud.call

    @contextmanager
    def call(name: str) -> Iterator[None]:
        with real(name):
            if name == "upload_image":
                world.cloud.call = real  # type: ignore[method-assign]
                ctx.stop.set()
            yield

    world.cloud.call = call  # type: ignore[method-assign]  # the builder is stopped in the middle of this one
    while not ctx.stop.is_set():
        world.run(1)
    assert [upload.state for upload in world.records.uploads.values()] == [UploadState.UPLOADING]
    assert not world.records.backoffs
    world.launcher.store.close()
    world.launcher = world.start("launcher-2")
    world.run(20)
    assert [upload.state for upload in world.records.uploads.values()] == [UploadState.READY]
    assert world.nodes(NodeState.READY)


def test_an_upload_given_up_while_it_ran_leaves_no_image(make_world: MakeWorld) -> None:
    """The image that came of it belongs to nobody; it goes though it is seen again and again."""
    world = make_world(config={"cleanup_interval": 5.0})
    real = world.cloud.add_image

    def add_image(spec: object) -> str:
        world.cloud.add_image = real  # type: ignore[method-assign]
        for upload in world.records.uploads.values():
            world.store.delete(upload)
        return real(spec)  # type: ignore[arg-type]

    world.cloud.add_image = add_image  # type: ignore[method-assign]  # the cloud's slowness
    world.run(200)
    (upload,) = world.records.uploads.values()
    assert list(world.cloud.images()) == [upload.image_id]
    assert not world.journal.crashes


def test_a_build_whose_record_is_in_doubt_is_not_recorded_twice(make_world: MakeWorld) -> None:
    """What a silent connection swallowed is still done when it goes on: the next try has to know of it."""
    world = make_world()
    ctx, store, recipes = world.launcher.ctx, world.launcher.store, world.launcher.ctx.recipes

    def fall_silent() -> Mapping[str, str]:
        store.fall_silent()
        return recipes()

    ctx.recipes = fall_silent  # asked for right before the record is written
    start = StartBuild(at=0, why="there is no image yet", diskimage=LABEL, formats=("qcow2",))
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            start_build(ctx, start)
    store.reconnect()
    assert [build.number for build in world.records.builds.values()] == ["0000000000"]
    start_build(ctx, start)
    assert len(world.records.builds) == 1
