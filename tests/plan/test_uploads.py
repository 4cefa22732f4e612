"""Uploads: which builds go to which providers, and which uploads have had their day."""

from typing import Any

import pytest

from nodepool_lite.clouds.driver import Image
from nodepool_lite.config.settings import Config, ProviderImage
from nodepool_lite.model.image import Build, ImageFile, UploadState
from nodepool_lite.model.node import NodeState
from nodepool_lite.model.pool import Member, Request, RequestKind
from nodepool_lite.plan import uploads
from nodepool_lite.plan.image_actions import DeleteUpload, DropRequest, FailUpload, RetireUpload, StartUpload
from nodepool_lite.plan.view import CloudView, View
from nodepool_lite.testing import LABEL, NOW, PROVIDER, make_build, make_config, make_node, make_upload
from tests.plan.views import make_backoff, make_view, planned

U = UploadState
BUILT = make_build(1)
ASKED = Request(id="u", kind=RequestKind.UPLOAD, diskimage=LABEL, provider=PROVIDER, created=NOW)


def with_files(build: Build, *formats: str) -> Build:
    """Return the build with a file in each format."""
    files = tuple(ImageFile(format=each, path=f"/x.{each}", size=1, sha256="", md5="") for each in formats)
    return build.but(files=files, formats=formats)


def config(**image: Any) -> Config:
    """Return a configuration whose provider uses the diskimage with these settings."""
    base = make_config(min_ready=0)
    provider = base.providers[0].but(diskimages=(ProviderImage(name=LABEL, **image),))
    return base.but(providers=(provider,))


def view(*records: Any, **fields: Any) -> View:
    """Return a view that has no images but those given."""
    return make_view(*records, images=False, **({"config": config()} | fields))


def backoff(**fields: Any) -> Any:
    """Return the back-off of that upload."""
    mark = uploads.fingerprint(view(), config().providers[0], LABEL)
    values: dict[str, Any] = {"fingerprint": mark, "next_try": NOW + 60} | fields
    return make_backoff(f"upload/{LABEL}@{PROVIDER}", **values)


GOOD = with_files(BUILT, "qcow2")


@pytest.mark.parametrize(
    ("records", "fields", "started"),
    [
        pytest.param([GOOD], {}, True, id="a new build"),
        pytest.param([], {}, False, id="no build"),
        pytest.param([with_files(BUILT, "raw")], {}, False, id="not in the format wanted there"),
        pytest.param([with_files(BUILT, "raw")], {"config": config(format="raw")}, True, id="in another format"),
        pytest.param([GOOD, make_upload()], {}, False, id="it is there"),
        pytest.param([GOOD, make_upload(state=U.FAILED)], {}, False, id="a failed one goes first"),
        pytest.param([GOOD, make_upload(state=U.DELETING)], {}, False, id="a deleted one goes first"),
        pytest.param([GOOD], {"host": "other"}, False, id="its files are elsewhere"),
        pytest.param([GOOD], {"leads": []}, True, id="its files are here, and another builder leads"),
        pytest.param([GOOD], {"builder": False}, False, id="its files are here, and this is no builder"),
        pytest.param([GOOD], {"config": config(pause=True)}, False, id="paused"),
        pytest.param([GOOD, ASKED], {"config": config(pause=True)}, True, id="paused, and asked for"),
        pytest.param([GOOD, backoff()], {}, False, id="backing off"),
        pytest.param([GOOD, backoff(fingerprint="other")], {}, True, id="something else had failed"),
        pytest.param([GOOD, backoff(), ASKED], {}, True, id="backing off, and asked for"),
        pytest.param([GOOD.but(withdrawn=(PROVIDER,))], {}, False, id="withdrawn by a person"),
        pytest.param([GOOD.but(withdrawn=(PROVIDER,)), ASKED], {}, True, id="withdrawn, and asked for again"),
    ],
)
def test_the_newest_build_is_uploaded_where_it_is_used(
    records: list[Any], fields: dict[str, Any], started: bool
) -> None:
    """Once, and in the format that the provider takes."""
    assert bool(planned(view(*records, **fields), StartUpload)) is started


@pytest.mark.parametrize(
    ("state", "dropped"), [(U.READY, True), (U.UPLOADING, True), (U.DELETING, False), (U.FAILED, False)]
)
def test_a_wish_is_dropped_when_it_is_fulfilled(state: UploadState, dropped: bool) -> None:
    """One that has to wait until the last upload is gone stays."""
    running = frozenset({f"upload/{make_upload().id}"})
    assert bool(planned(view(GOOD, make_upload(state=state), ASKED, running=running), DropRequest)) is dropped


@pytest.mark.parametrize(
    ("fields", "running", "failed"),
    [
        pytest.param({}, set(), True, id="ours, and nobody is at it"),
        pytest.param({}, {f"upload/{LABEL}/0000000001/{PROVIDER}"}, False, id="ours, at work"),
        pytest.param({"builder": "other"}, set(), False, id="another builder's"),
        pytest.param({"builder": "third"}, set(), True, id="of a builder that is gone"),
    ],
)
def test_an_upload_that_nobody_carries_out_has_failed(fields: dict[str, Any], running: set[str], failed: bool) -> None:
    """Its builder was killed."""
    other = Member(id="other", role="builder", host="other", pid=1, started=NOW, software="1")
    upload = make_upload(state=U.UPLOADING, **fields)
    assert bool(planned(view(GOOD, upload, other, running=frozenset(running)), FailUpload)) is failed


@pytest.mark.parametrize(
    ("images", "listed_at", "lost"),
    [
        pytest.param(["image-0000000001"], NOW + 99, False, id="it is there"),
        pytest.param([], NOW + 99, True, id="it is gone"),
        pytest.param([], NOW + 9, False, id="a young image may not be listed yet"),
        pytest.param([], None, False, id="nobody looked"),
    ],
)
def test_an_upload_whose_image_is_gone_has_failed(images: list[str], listed_at: float | None, lost: bool) -> None:
    """So that it is made anew; even while nodes made from it are there."""
    known = {each: Image(id=each, upload_id="x", name="x", ready=True) for each in images}
    clouds = {PROVIDER: CloudView(listed_at=NOW, images=known, images_listed_at=listed_at)}
    assert bool(planned(view(GOOD, make_upload(), clouds=clouds), FailUpload)) is lost
    gone = view(GOOD, make_upload(state=U.DELETING, image_id="image-0000000001"), make_node(1), clouds=clouds)
    assert bool(planned(gone, DeleteUpload)) is (listed_at is not None and not images)


READY = [make_upload(each) for each in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("records", "retired"),
    [
        pytest.param(READY, {1, 2}, id="the newest two stay"),
        pytest.param([*READY, make_node(1, build=f"{LABEL}/0000000002")], {1}, id="a node was made from it"),
        pytest.param([*READY[:2], make_upload(3, state=U.FAILED)], {3}, id="a failed one goes"),
        pytest.param([make_upload(1, diskimage="gone")], {1}, id="its diskimage is not configured"),
    ],
)
def test_uploads_that_nobody_needs_go(records: list[Any], retired: set[int]) -> None:
    """But for the one in service and the one to go back to."""
    found = planned(view(*records), RetireUpload)
    assert {int(each.upload.split("/")[1]) for each in found} == retired


@pytest.mark.parametrize(
    ("image_id", "nodes", "deleted"),
    [
        pytest.param("image-1", [], True, id="no node"),
        pytest.param("image-1", [make_node(1)], False, id="a node"),
        pytest.param(
            "image-1", [make_node(1, state=NodeState.FAILED)], False, id="a failed node that has a server yet"
        ),
        pytest.param(
            "image-1", [make_node(1, state=NodeState.FAILED, asked=None)], True, id="the record of a failed node"
        ),
        pytest.param("", [make_node(1)], True, id="a node of an earlier upload: this one never came to an image"),
    ],
)
def test_an_image_is_deleted_once_no_node_needs_it(image_id: str, nodes: list[Any], deleted: bool) -> None:
    """By the launcher that drives its provider."""
    records = [make_upload(state=U.DELETING, image_id=image_id), *nodes]
    unseen = {PROVIDER: CloudView()}
    assert bool(planned(view(*records, clouds=unseen), DeleteUpload)) is deleted
    assert not planned(view(*records, leads=["planner", "builder"]), DeleteUpload)
