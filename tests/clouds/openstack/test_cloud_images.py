"""Images in a real Glance: whole, marked, and never left half uploaded."""

import hashlib
import secrets
from pathlib import Path
from typing import Any

import openstack
import pytest

from nodepool_lite.clouds.driver import ImageSpec
from nodepool_lite.model.errors import BadRequestError, CloudError, TryAgainLaterError
from tests.cloud.proxy import refusal, truncated
from tests.clouds.openstack.conftest import Door

pytestmark = pytest.mark.cloud
SIZE = 3_000_000
CONTENT = "image/v2/images/.*/file"


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


@pytest.mark.parametrize(
    ("method", "path", "what"),
    [
        ("PUT", CONTENT, {"cut": "before"}),
        ("PUT", CONTENT, {"cut": "middle"}),
        ("PUT", CONTENT, {"answer": refusal(503)}),
        ("PUT", CONTENT, {"answer": refusal(500)}),
        ("POST", "image/v2/images$", {"answer": refusal(500)}),
    ],
    ids=["cut before", "cut in the middle", "503", "500", "no record"],
)
def test_an_upload_that_failed_leaves_nothing(
    door: Door, image: ImageSpec, method: str, path: str, what: dict[str, Any]
) -> None:
    """And the next one succeeds."""
    driver = door.driver()
    door.proxy.rule(method, path, **what)
    with pytest.raises(TryAgainLaterError):
        driver.upload_image(image, lambda _percent: None)
    assert list(driver.list_images()) == []
    assert driver.upload_image(image, lambda _percent: None)


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
    door.proxy.rule("POST", "image/v2/images$", change=truncated)
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
