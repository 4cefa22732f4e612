"""Builds: which diskimages are to be built, and which builds have had their day."""

from typing import Any

import pytest

from nodepool_lite.config.settings import Config, Diskimage
from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.node import NodeState
from nodepool_lite.model.pool import Member, Request, RequestKind
from nodepool_lite.plan.image_actions import DeleteBuild, DropRequest, FailBuild, RetireBuild, StartBuild
from nodepool_lite.plan.view import View
from nodepool_lite.testing import LABEL, NOW, PROVIDER, make_build, make_config, make_node, make_upload
from tests.plan.views import HOST, LATER, make_backoff, make_view, planned

B = BuildState
ASKED = Request(id="build/debian-12", kind=RequestKind.BUILD, diskimage=LABEL, created=NOW, requester="alice")
BROKEN = make_backoff("build/debian-12", fingerprint="recipe-1", next_try=NOW + 60)


def config(labels: tuple[str, ...] = (LABEL,), build_jobs: int = 1, **image: Any) -> Config:
    """Return a configuration whose diskimages have these settings."""
    base = make_config(labels, min_ready=0, build_jobs=build_jobs)
    return base.but(diskimages=tuple(Diskimage(name=name, **image) for name in labels))


def view(*records: Any, images: bool = False, **fields: Any) -> View:
    """Return a view that has no builds but those given."""
    return make_view(*records, images=images, **({"config": config()} | fields))


@pytest.mark.parametrize(
    ("records", "fields", "why"),
    [
        pytest.param([], {}, "there is no image yet", id="none yet"),
        pytest.param([make_build()], {}, None, id="there is one"),
        pytest.param([make_build(fingerprint="other")], {}, "its recipe has changed", id="another recipe"),
        pytest.param([make_build(since=LATER - 86400)], {}, "older than rebuild-age (86400 s)", id="too old"),
        pytest.param([make_build(formats=("raw",))], {}, "a format is missing (qcow2 wanted)", id="another format"),
        pytest.param([make_build(state=B.FAILED)], {}, "there is no image yet", id="it failed"),
        pytest.param([make_build(state=B.BUILDING)], {"running": {f"build/{LABEL}"}}, None, id="being built"),
        pytest.param([], {"config": config(pause=True)}, None, id="paused"),
        pytest.param([ASKED], {"config": config(pause=True)}, "asked for by alice", id="paused, and asked for"),
        pytest.param([make_build(), ASKED], {}, "asked for by alice", id="asked for"),
        pytest.param([], {"config": config(abstract=True)}, None, id="abstract"),
        pytest.param([BROKEN], {}, None, id="backing off"),
        pytest.param([BROKEN, ASKED], {}, "asked for by alice", id="backing off, and asked for"),
        pytest.param([BROKEN.but(fingerprint="other")], {}, "there is no image yet", id="another recipe had failed"),
        pytest.param([], {"build_obstacle": "the disk is nearly full"}, None, id="disk nearly full"),
        pytest.param([], {"leads": ["planner"]}, None, id="another builder leads"),
    ],
)
def test_a_diskimage_is_built_when_there_is_a_reason(
    records: list[Any], fields: dict[str, Any], why: str | None
) -> None:
    """And the reason is told."""
    found = planned(view(*records, **fields), StartBuild)
    assert [each.why for each in found] == ([] if why is None else [why])


def test_the_next_build_is_known_ahead() -> None:
    """By rebuild-age, or when a back-off ends."""
    assert [each.at for each in planned(view(make_build()), StartBuild, due=False)] == [NOW + 86400]
    assert [each.at for each in planned(view(BROKEN), StartBuild, due=False)] == [NOW + 60]


def test_builds_at_the_same_time_are_limited() -> None:
    """By build-jobs, counted on this host."""
    three = ("a", "b", "c")
    elsewhere = make_build(diskimage="z", state=B.BUILDING, builder="other")
    members = Member(id="x", role="builder", host="other", pid=1, started=NOW, software="1")
    assert len(planned(view(elsewhere, members, config=config(three, build_jobs=2)), StartBuild)) == 2


def test_formats_are_those_of_the_diskimage_and_its_providers() -> None:
    """Each once."""
    found = planned(view(config=config(formats=("vhd", "qcow2")), image_formats={PROVIDER: ("raw",)}), StartBuild)
    assert found[0].formats == ("vhd", "qcow2", "raw")


@pytest.mark.parametrize(
    ("host", "fields", "members", "failed"),
    [
        pytest.param(HOST, {}, [HOST], True, id="ours, and nobody is at it"),
        pytest.param(HOST, {"running": frozenset({f"build/{LABEL}"})}, [HOST], False, id="ours, at work"),
        pytest.param(HOST, {"leads": []}, [HOST], True, id="ours, and another one leads by now"),
        pytest.param(HOST, {"leads": [], "builder": False}, [HOST], False, id="of a builder beside us"),
        pytest.param(HOST, {}, [HOST, "before"], False, id="of a process of our host that may live"),
        pytest.param("other", {}, ["other"], False, id="another builder's"),
        pytest.param("other", {}, ["third"], True, id="of a builder that is gone"),
        pytest.param("other", {"leads": []}, ["third"], False, id="of one that is gone, and another one leads"),
    ],
)
def test_a_build_that_nobody_carries_out_has_failed(
    host: str, fields: dict[str, Any], members: list[str], failed: bool
) -> None:
    """Its builder was killed; who leads by now need not be on its host."""
    builders = [
        Member(id=each, role="all", host=HOST if each == "before" else each, pid=1, started=NOW, software="1")
        for each in members
    ]
    build = make_build(state=B.BUILDING, builder=host)
    found = planned(view(build, *builders, **({"me": f"{HOST}/session"} | fields)), FailBuild)
    assert bool(found) is failed


READY = [make_build(each) for each in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("records", "retired"),
    [
        pytest.param(READY, {1, 2}, id="the newest two stay"),
        pytest.param([*READY, make_upload(1)], {2}, id="an upload needs it"),
        pytest.param([*READY, make_upload(1, provider="gone")], {1, 2}, id="an upload at a removed provider does not"),
        pytest.param([*READY, make_upload(1, state=UploadState.FAILED)], {1, 2}, id="a failed upload does not"),
        pytest.param([*READY, make_node(1, build=f"{LABEL}/0000000002")], {1}, id="a node needs it"),
        pytest.param([make_build(each, state=B.FAILED) for each in (1, 2, 3)], {1, 2}, id="the latest failure stays"),
        pytest.param([make_build(1, state=B.FAILED), *READY[1:3]], set(), id="beside the newest two"),
    ],
)
def test_builds_that_nobody_needs_go(records: list[Any], retired: set[int]) -> None:
    """But for the one in service and the one to go back to."""
    assert {int(each.build.rpartition("/")[2]) for each in planned(view(*records), RetireBuild)} == retired


def test_builds_of_a_removed_diskimage_go() -> None:
    """All of them."""
    assert len(planned(view(make_build(diskimage="gone"), make_build(2, diskimage="gone")), RetireBuild)) == 2


@pytest.mark.parametrize(
    ("records", "fields", "deleted"),
    [
        pytest.param([], {}, True, id="nobody needs it"),
        pytest.param([make_upload()], {}, False, id="its upload serves"),
        pytest.param([make_node(1)], {}, False, id="a node was made from it"),
        pytest.param(
            [make_node(1, state=NodeState.FAILED, asked=None)], {}, True, id="of the node only a record is left"
        ),
        pytest.param([], {"host": "other"}, False, id="its files are elsewhere"),
        pytest.param([], {"builder": False}, False, id="this is no builder"),
        pytest.param([], {"running": {f"build/{LABEL}"}}, False, id="it is still being built"),
    ],
)
def test_files_go_once_nothing_needs_them(records: list[Any], fields: dict[str, Any], deleted: bool) -> None:
    """On the host that has them, and by its builder."""
    assert bool(planned(view(make_build(state=B.DELETING), *records, **fields), DeleteBuild)) is deleted


@pytest.mark.parametrize(
    ("request_", "dropped"),
    [
        pytest.param(ASKED, False, id="a build of ours"),
        pytest.param(ASKED.but(diskimage="gone"), True, id="no such diskimage"),
        pytest.param(ASKED.but(kind=RequestKind.UPLOAD, provider=PROVIDER), False, id="an upload to a provider"),
        pytest.param(ASKED.but(kind=RequestKind.UPLOAD, provider="gone"), True, id="no such provider"),
    ],
)
def test_wishes_that_cannot_be_fulfilled_are_dropped(request_: Request, dropped: bool) -> None:
    """They would wait for ever."""
    assert bool(planned(view(request_), DropRequest)) is dropped


def test_a_wish_for_an_abstract_diskimage_is_dropped() -> None:
    """It is never built."""
    assert planned(view(ASKED, config=config(abstract=True)), DropRequest)
