"""Checks and aliens: logging in to ready nodes on schedule, and removing what no record knows."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from nodepool_lite.clouds.driver import Image, ServerState
from nodepool_lite.model.image import UploadState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.plan.actions import CheckNode, DeleteAlien, ListImages
from nodepool_lite.plan.checks import GRACE
from nodepool_lite.plan.image_actions import DeleteAlienImage
from nodepool_lite.plan.schedule import next_time
from nodepool_lite.plan.view import DELETE_PATIENCE, CloudView, View
from nodepool_lite.testing import LABEL, NOW, PROVIDER, make_config, make_node, make_upload, numbered
from tests.plan.views import LATER, make_server, make_view, planned

NODE = make_node(1, attempt="a")
MUCH_LATER = NOW + 1000.0


def with_server(*nodes: Node, config: Any = None, **fields: Any) -> View:
    """Return a view in which the cloud lists one server, made for NODE unless `fields` say otherwise."""
    cloud_fields = {key: fields.pop(key) for key in ("since", "ending") if key in fields}
    server = make_server(NODE, **({"id": "s"} | fields))
    clouds = {PROVIDER: CloudView(servers={"s": server}, listed_at=NOW, images_listed_at=NOW, **cloud_fields)}
    return make_view(*nodes, clouds=clouds, config=config)


def test_ready_nodes_are_logged_in_to_on_schedule() -> None:
    """Counted from the last login that succeeded."""
    (check,) = planned(make_view(NODE), CheckNode, due=False)
    assert check.at == NOW + 300
    (check,) = planned(make_view(NODE, checked={NODE.id: NOW + 50}), CheckNode, due=False)
    assert check.at == NOW + 350


def test_only_the_next_of_many_checks_is_a_deadline() -> None:
    """And all that are due are made."""
    nodes = [make_node(each, since=NOW + each) for each in range(10)]
    config = make_config(min_ready=10)
    assert [each.at for each in planned(make_view(*nodes, config=config), CheckNode, due=False)] == [NOW + 300]
    assert len(planned(make_view(*nodes, config=config), CheckNode, NOW + 305)) == 6


@pytest.mark.parametrize("state", [each for each in NodeState if each is not NodeState.READY])
def test_only_ready_nodes_are_checked(state: NodeState) -> None:
    """What people have is their own affair."""
    assert not planned(make_view(make_node(1, state=state)), CheckNode, MUCH_LATER)


@pytest.mark.parametrize(
    ("cron", "interval", "last", "expected"),
    [
        ("", 300.0, NOW, NOW + 300),
        ("*/15 * * * *", 300.0, 1_700_000_000.0, 1_700_000_100.0),
        ("0 * * * *", 300.0, 1_700_000_000.0, 1_700_002_800.0),
    ],
)
def test_a_cron_expression_wins_over_the_interval(cron: str, interval: float, last: float, expected: float) -> None:
    """22:13:20 is followed by 22:15 and 23:00."""
    assert next_time(cron, interval, last) == expected


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process live in a place with summer time."""
    with monkeypatch.context() as place:
        place.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        next_time.cache_clear()
        yield
    time.tzset()
    next_time.cache_clear()


@pytest.mark.usefixtures("berlin")
def test_cron_means_the_time_on_the_wall() -> None:
    """Half past three at night is 01:30 UTC in summer and 02:30 UTC in winter; a change of the clock is no stop."""
    summer, winter = 1_720_000_000.0, 1_700_000_000.0
    assert next_time("30 3 * * *", 300.0, summer) % 86400 == 1.5 * 3600
    assert next_time("30 3 * * *", 300.0, winter) % 86400 == 2.5 * 3600
    moment = 1_729_983_000.0  # 2024-10-27 00:50, two hours before the end of summer time
    for _ in range(20):
        before, moment = moment, next_time("*/15 * * * *", 300.0, moment)
        assert 0 < moment - before <= 900


@pytest.mark.parametrize(
    ("nodes", "fields", "alien"),
    [
        pytest.param([], {}, True, id="no record"),
        pytest.param([NODE.but(server_id="s")], {}, False, id="its record has its id"),
        pytest.param([NODE.but(server_id=None)], {}, False, id="its record has its mark"),
        pytest.param([NODE.but(server_id=None)], {"attempt": "earlier"}, True, id="of an attempt given up"),
        pytest.param([NODE.but(server_id="s")], {"attempt": "earlier"}, False, id="its id is on record all the same"),
        pytest.param([NODE.but(server_id=None, provider="other")], {}, False, id="seen through another door"),
        pytest.param([], {"state": ServerState.DELETING}, False, id="going already"),
    ],
)
def test_a_server_with_our_mark_that_no_record_knows_is_an_alien(
    nodes: list[Node], fields: dict[str, Any], alien: bool
) -> None:
    """Two providers may list the same cloud."""
    config = make_config(providers=(PROVIDER, "other"), min_ready=0)
    assert bool(planned(with_server(*nodes, config=config, **fields), DeleteAlien, MUCH_LATER)) is alien


def test_an_alien_is_removed_after_a_while() -> None:
    """Its record may be on its way to us."""
    view = with_server(since={"s": NOW})
    assert [each.at for each in planned(view, DeleteAlien, NOW, due=False)] == [NOW + GRACE]


def test_the_end_of_an_alien_is_asked_for_again_after_a_while() -> None:
    """Not at every step."""
    view = with_server(since={"s": 0.0}, ending={"s": NOW})
    assert [each.at for each in planned(view, DeleteAlien, NOW, due=False)] == [NOW + DELETE_PATIENCE]


def image(number: int, image_id: str) -> Image:
    """Return an image that was made for the upload of that build."""
    upload = f"{LABEL}/{numbered(number)}/{PROVIDER}"
    return Image(id=image_id, upload_id=upload, name="x", ready=True)


@pytest.mark.parametrize(
    ("found", "alien"),
    [
        pytest.param(image(1, "image-0000000001"), False, id="its upload has it"),
        pytest.param(image(1, "image-x"), True, id="left of an earlier upload of the same build"),
        pytest.param(image(2, "image-x"), False, id="its upload is under way"),
        pytest.param(image(9, "image-x"), True, id="no upload"),
    ],
)
def test_an_image_with_our_mark_that_no_record_knows_is_removed(found: Image, alien: bool) -> None:
    """After a while, however often it is listed meanwhile."""
    seen = {"images": {found.id: found}, "images_since": {found.id: NOW}}
    cloud = CloudView(listed_at=NOW, images_listed_at=NOW + GRACE - 1, **seen)
    uploading = make_upload(2, state=UploadState.UPLOADING)
    view = make_view(uploading, clouds={PROVIDER: cloud})
    assert not planned(view, DeleteAlienImage, NOW + GRACE - 1)
    assert bool(planned(view, DeleteAlienImage, NOW + GRACE)) is alien


def test_images_are_listed_at_the_start_and_then_at_each_clean_up() -> None:
    """Every ten minutes, unless said otherwise."""
    assert planned(make_view(clouds={PROVIDER: CloudView(listed_at=NOW)}), ListImages)
    (look,) = planned(make_view(), ListImages, LATER, due=False)
    assert look.at == NOW + 600
