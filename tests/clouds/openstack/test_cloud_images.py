"""Images in a real Glance: whole, marked, and never left half uploaded."""

import hashlib
import secrets
from pathlib import Path
from typing import Any

import openstack
import pytest

from nodepool_lite.clouds.driver import ImageSpec
from nodepool_lite.model.errors import BadRequestError, CapacityError, CloudError, TryAgainLaterError
from tests.cloud.proxy import refusal, truncated
from tests.clouds.openstack.conftest import Door

pytestmark = pytest.mark.cloud
SIZE = 3_000_000
RECORD, CONTENT, IMAGE = "image/v2/images$", "image/v2/images/.*/file", "image/v2/images/[^/]*$"


@pytest.fixture
def image(door: Door, tmp_path: Path) -> ImageSpec:
    """A file of noise, as a build made it."""
    path = tmp_path / "web.raw"
    path.write_bytes(secrets.token_bytes(SIZE))
    return ImageSpec(
        pool_id=door.pool_id,
        upload_id="web/0000000001/os",
        name=f"web-{door.pool_id}",
        path=path,
        format="raw",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        meta={"hw_disk_bus": "virtio"},
    )


def test_an_image_is_uploaded_with_its_marks(
    door: Door, image: ImageSpec, member: openstack.connection.Connection
) -> None:
    """Private, tagged, with properties, with the checksum of the file, and with progress on the way."""
    driver = door.driver()
    told: list[int] = []
    image_id = driver.upload_image(image, told.append)
    assert told == sorted(told)
    assert told[-1] == 100
    made = member.image.get_image(image_id)
    assert (made.status, made.visibility, made.disk_format, made.size) == ("active", "private", "raw", SIZE)
    assert made.hash_value == hashlib.sha512(image.path.read_bytes()).hexdigest()
    assert set(made.tags) == {"nodepool-lite", f"nodepool-{door.pool_id}"}
    assert made.properties["nodepool_diskimage"] == "web"
    assert made.properties["nodepool_build"] == "0000000001"
    assert made.hw_disk_bus == "virtio"
    (listed,) = driver.list_images()
    assert (listed.id, listed.upload_id, listed.name, listed.ready) == (image_id, image.upload_id, image.name, True)
    assert driver.upload_image(image, told.append) == image_id
    driver.delete_image(image_id)
    driver.delete_image(image_id)
    assert list(driver.list_images()) == []


@pytest.mark.parametrize("visibility", ["shared", "community"])
def test_an_image_is_as_visible_as_its_properties_say(
    door: Door, image: ImageSpec, member: openstack.connection.Connection, visibility: str
) -> None:
    """Among them `visibility`; what marks an image as ours is not theirs to change."""
    meta = {"visibility": visibility, "nodepool_upload_id": "another", "name": "another"}
    image_id = door.driver().upload_image(image.but(meta=meta), lambda _percent: None)
    made = member.image.get_image(image_id)
    assert (made.visibility, made.name) == (visibility, image.name)
    assert made.properties["nodepool_upload_id"] == image.upload_id


def test_an_image_that_this_user_may_not_make_public_is_refused_with_the_reason(door: Door, image: ImageSpec) -> None:
    """And nothing of it is left."""
    with pytest.raises(BadRequestError, match="You are not authorized"):
        door.driver().upload_image(image.but(meta={"visibility": "public"}), lambda _percent: None)
    assert list(door.driver().list_images()) == []


REFUSALS: dict[str, tuple[dict[str, Any], type[CloudError]]] = {
    "cut before": ({"cut": "before"}, TryAgainLaterError),
    "401 twice": ({"answer": refusal(401), "times": 2}, TryAgainLaterError),
    "403 quota": ({"answer": refusal(403, "Quota exceeded: image storage")}, CapacityError),
    "403 policy": ({"answer": refusal(403, "You are not allowed")}, BadRequestError),
    "409": ({"answer": refusal(409)}, TryAgainLaterError),
    "413 quota": ({"answer": refusal(413, "Denying attempt to upload image: storage quota full")}, CapacityError),
    "500": ({"answer": refusal(500)}, TryAgainLaterError),
    "503": ({"answer": refusal(503)}, TryAgainLaterError),
    "429 again and again": ({"answer": refusal(429, Retry_After="0"), "times": 5}, TryAgainLaterError),
}
"""Faults after which the cloud has done nothing, and what the planner hears of each; the last one slows all down."""
BORNE = {
    "delay": {"delay": 2.0},
    "429": {"answer": refusal(429, Retry_After="1")},
    "401": {"answer": refusal(401)},
}
UPLOAD_FAULTS: dict[str, tuple[str, str, dict[str, Any], type[CloudError]]] = {
    **{f"record, {name}": ("POST", RECORD, *fault) for name, fault in REFUSALS.items()},
    **{f"content, {name}": ("PUT", CONTENT, *fault) for name, fault in REFUSALS.items()},
    "content, 401": ("PUT", CONTENT, {"answer": refusal(401)}, TryAgainLaterError),
    "content, cut in the middle": ("PUT", CONTENT, {"cut": "middle"}, TryAgainLaterError),
}


@pytest.mark.parametrize("fault", UPLOAD_FAULTS)
def test_an_upload_that_failed_leaves_nothing(door: Door, image: ImageSpec, fault: str) -> None:
    """Its kind says how to go on, and the next one succeeds: the content is sent whole, from its beginning."""
    method, path, what, kind = UPLOAD_FAULTS[fault]
    driver = door.driver()
    door.proxy.rule(method, path, **what)
    with pytest.raises(CloudError) as caught:
        driver.upload_image(image, lambda _percent: None)
    assert type(caught.value) is kind
    assert list(driver.list_images()) == []
    door.proxy.clear()
    assert driver.upload_image(image, lambda _percent: None)


@pytest.mark.parametrize("what", BORNE.values(), ids=BORNE)
@pytest.mark.parametrize(("method", "path"), [("GET", "image/v2/images"), ("POST", RECORD), ("DELETE", IMAGE)])
def test_a_slow_answer_a_busy_cloud_and_an_old_token_are_borne_in_silence(
    door: Door, image: ImageSpec, method: str, path: str, what: dict[str, Any]
) -> None:
    """Lists, records and deletions come out as if nothing had been."""
    driver = door.driver()
    rule = door.proxy.rule(method, path, **what)
    image_id = driver.upload_image(image, lambda _percent: None)
    driver.delete_image(image_id)
    assert list(driver.list_images()) == []
    assert rule.seen == 1


def test_a_list_of_images_that_failed_is_not_taken_for_an_empty_one(door: Door, image: ImageSpec) -> None:
    """What we have is not uploaded a second time, and nothing is swept."""
    driver = door.driver()
    image_id = driver.upload_image(image, lambda _percent: None)
    faults = {"cut after": {"cut": "after"}, "half an answer": {"change": truncated}}
    for name, what in {**faults, **{name: what for name, (what, _) in REFUSALS.items()}}.items():
        door.proxy.rule("GET", "image/v2/images", **what)
        with pytest.raises(CloudError):
            driver.list_images()
        door.proxy.clear()
        assert [each.id for each in driver.list_images()] == [image_id], name


def test_a_deletion_of_an_image_that_failed_is_asked_for_again(door: Door, image: ImageSpec) -> None:
    """Whether it went through or not."""
    driver = door.driver()
    for name, (what, kind) in {"cut after": ({"cut": "after"}, TryAgainLaterError), **REFUSALS}.items():
        image_id = driver.upload_image(image, lambda _percent: None)
        door.proxy.rule("DELETE", IMAGE, **what)
        with pytest.raises(CloudError) as caught:
            driver.delete_image(image_id)
        assert type(caught.value) is kind, name
        door.proxy.clear()
        driver.delete_image(image_id)
        assert list(driver.list_images()) == [], name


@pytest.mark.parametrize("what", [{"cut": "after"}], ids=["cut after"])
def test_an_upload_whose_answer_was_lost_is_whole_all_the_same(
    door: Door, image: ImageSpec, what: dict[str, Any]
) -> None:
    """Its checksum tells; nothing is sent twice."""
    driver = door.driver()
    door.proxy.rule("PUT", CONTENT, **what)
    image_id = driver.upload_image(image, lambda _percent: None)
    assert [(each.id, each.ready) for each in driver.list_images()] == [(image_id, True)]
    assert len(door.proxy.made("PUT", CONTENT)) == 1


def test_a_record_whose_answer_was_lost_is_removed_by_the_next_upload(door: Door, image: ImageSpec) -> None:
    """There is one image in the end."""
    driver = door.driver()
    door.proxy.rule("POST", RECORD, change=truncated)
    with pytest.raises(TryAgainLaterError):
        driver.upload_image(image, lambda _percent: None)
    assert [each.ready for each in driver.list_images()] == [False]
    image_id = driver.upload_image(image, lambda _percent: None)
    assert [each.id for each in driver.list_images()] == [image_id]


def test_two_providers_in_one_project_have_an_image_each_of_the_same_build(door: Door, image: ImageSpec) -> None:
    """Also when both uploads began in the same second, and so gave their images the same name."""
    one, two = door.driver(name="one"), door.driver(name="two")
    first = one.upload_image(image, lambda _percent: None)
    second = two.upload_image(image.but(upload_id="web/0000000001/two"), lambda _percent: None)
    two.delete_image(second)
    assert [each.id for each in one.list_images()] == [first]


def test_a_file_that_is_not_what_was_built_is_not_kept(door: Door, image: ImageSpec) -> None:
    """Disks rot."""
    driver = door.driver()
    with pytest.raises(TryAgainLaterError, match="another checksum"):
        driver.upload_image(image.but(sha256="0" * 64), lambda _percent: None)
    assert list(driver.list_images()) == []


def test_an_image_that_the_cloud_stored_otherwise_is_not_kept(door: Door, image: ImageSpec) -> None:
    """Glance's own checksum is compared."""
    driver = door.driver()

    def falsify(reply: Any) -> Any:
        return type(reply)(reply.status, reply.headers, reply.body.replace(b'"sha512"', b'"sha256"'))

    door.proxy.rule("GET", "image/v2/images/", change=falsify, times=None)
    with pytest.raises(TryAgainLaterError, match="the checksums differ"):
        driver.upload_image(image, lambda _percent: None)
    door.proxy.clear()
    assert list(driver.list_images()) == []


def test_an_upload_that_is_given_up_leaves_nothing(door: Door, image: ImageSpec) -> None:
    """The builder stops, or it takes too long."""
    driver = door.driver()

    def stop(percent: int) -> None:
        if percent > 40:
            raise TryAgainLaterError("the builder stops")

    with pytest.raises(CloudError, match="the builder stops"):
        driver.upload_image(image, stop)
    slow = door.driver(**{"image-upload-timeout": 0.0001})
    with pytest.raises(CloudError, match="image-upload-timeout"):
        slow.upload_image(image, lambda _percent: None)
    assert list(driver.list_images()) == []


def test_a_missing_file_is_told(door: Door, image: ImageSpec) -> None:
    """And leaves no record."""
    driver = door.driver()
    with pytest.raises(BadRequestError, match="there is no file"):
        driver.upload_image(image.but(path=Path("/nowhere")), lambda _percent: None)
    assert list(driver.list_images()) == []


def test_other_peoples_images_are_neither_seen_nor_touched(
    door: Door, image: ImageSpec, member: openstack.connection.Connection
) -> None:
    """Of another pool, or of nobody."""
    image_id = door.driver().upload_image(image, lambda _percent: None)
    other = door.driver(pool_id=f"{door.pool_id}x")
    assert list(other.list_images()) == []
    with pytest.raises(BadRequestError, match=f"belongs to pool {door.pool_id}"):
        other.delete_image(image_id)
    with pytest.raises(BadRequestError, match="not to ours"):
        other.delete_image(member.image.find_image("empty").id)


def test_an_image_in_use_waits(door: Door, image: ImageSpec) -> None:
    """Glance says so where images are the base of disks."""
    driver = door.driver()
    image_id = driver.upload_image(image, lambda _percent: None)
    door.proxy.rule("DELETE", f"images/{image_id}", answer=refusal(409, "Image is in use"))
    with pytest.raises(TryAgainLaterError, match="in use"):
        driver.delete_image(image_id)
    driver.delete_image(image_id)
    assert list(driver.list_images()) == []
