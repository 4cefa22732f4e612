"""Hosts without a builder, and what only they hold."""

from typing import Any

import pytest

from nodepool_lite.config.settings import Config, Diskimage, ProviderImage
from nodepool_lite.model.image import UploadState
from nodepool_lite.model.pool import Member, Request, RequestKind
from nodepool_lite.plan.hosts import AWAY, away, stranded
from nodepool_lite.plan.image_actions import StartBuild
from nodepool_lite.plan.view import View
from nodepool_lite.store.memory import MemoryServer
from nodepool_lite.testing import LABEL, NOW, PROVIDER, make_build, make_config, make_upload
from tests.plan.views import LATER, make_view, planned

FAR = "builder-2"
BUILT = make_build(builder=FAR)
ASKED = Request(id="u", kind=RequestKind.UPLOAD, diskimage=LABEL, provider=PROVIDER, created=NOW)


def member(host: str, role: str = "builder") -> Member:
    """Return a process on that host."""
    return Member(id=f"{role}-{host}-1", role=role, host=host, pid=1, started=NOW, software="1")


def config(*, paused: bool = False, **image: Any) -> Config:
    """Return a configuration whose diskimage has these settings; its provider may be told not to take it."""
    base = make_config(min_ready=0)
    provider = base.providers[0].but(diskimages=(ProviderImage(name=LABEL, pause=paused),))
    return base.but(providers=(provider,), diskimages=(Diskimage(name=LABEL, **image),))


def view(*records: Any, gone: float | None = LATER - AWAY, **fields: Any) -> View:
    """Return a view in which the far host has had no builder since that moment."""
    return make_view(
        *records, images=False, away={} if gone is None else {FAR: gone}, **({"config": config()} | fields)
    )


LOST = f"{BUILT.name} is not at {PROVIDER}, and {FAR}, which holds it, has no builder"


@pytest.mark.parametrize(
    ("records", "fields", "why"),
    [
        pytest.param([BUILT], {}, f"{LOST} for 300 s", id="nobody can upload it"),
        pytest.param([BUILT], {"gone": LATER - AWAY + 1}, None, id="its host may only be restarting"),
        pytest.param([BUILT, member(FAR)], {}, None, id="its host has a builder again"),
        pytest.param([BUILT, member(FAR, "all")], {}, None, id="which does other things, too"),
        pytest.param([BUILT, member(FAR, "launcher")], {}, f"{LOST} for 300 s", id="its host has only a launcher"),
        pytest.param([BUILT, make_upload()], {}, None, id="it is there"),
        pytest.param([BUILT, make_upload(state=UploadState.FAILED)], {}, None, id="what came of an upload goes first"),
        pytest.param([BUILT], {"config": config(paused=True)}, None, id="no uploads to there at the moment"),
        pytest.param([BUILT, ASKED], {"config": config(paused=True)}, f"{LOST} for 300 s", id="asked for"),
        pytest.param([BUILT.but(withdrawn=(PROVIDER,))], {}, None, id="a person does not want it there"),
        pytest.param([BUILT], {"config": config(pause=True)}, None, id="no builds at the moment"),
        pytest.param([BUILT, make_build(2)], {}, None, id="a newer one is here"),
        pytest.param([BUILT], {"host": FAR}, None, id="it is here"),
    ],
)
def test_what_nobody_can_upload_is_built_anew(records: list[Any], fields: dict[str, Any], why: str | None) -> None:
    """Once its host has had no builder for some minutes; and the reason is told."""
    found = planned(view(*records, **fields), StartBuild)
    assert [each.why for each in found] == ([] if why is None else [why])


def test_the_moment_is_known_ahead() -> None:
    """So that the loop wakes for it."""
    assert [each.at for each in planned(view(BUILT, gone=LATER), StartBuild, due=False)] == [LATER + AWAY]


def test_a_record_that_cannot_be_read_may_be_that_of_a_builder() -> None:
    """And so nothing is built."""
    server = MemoryServer()
    store = server.connect()
    store.create(BUILT)
    assert stranded(store.snapshot(), config(), BUILT) == LOST
    server.spoil(f"members/all-{FAR}-7", b"?")
    assert stranded(store.snapshot(), config(), BUILT) == ""
    assert away(store.snapshot(), {}, NOW) == {}


def test_a_host_is_away_since_nobody_saw_a_builder_there() -> None:
    """The first look gives it its full time, and a builder that comes back ends it."""
    lost, back = make_view(BUILT, images=False).records, make_view(BUILT, member(FAR), images=False).records
    since = away(lost, {}, NOW)
    assert since == {FAR: NOW}
    assert away(lost, since, LATER) == since
    assert away(back, since, LATER) == {}
