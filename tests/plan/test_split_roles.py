"""A launcher and a builder in two processes on one host: each keeps its hands off what is the other's."""

from nodepool_lite.model.image import BuildState
from nodepool_lite.model.pool import Backoff
from nodepool_lite.plan.actions import ForgetBackoff
from nodepool_lite.plan.image_actions import DeleteBuild
from nodepool_lite.plan.plan import plan
from nodepool_lite.plan.view import View
from nodepool_lite.store.base import Snapshot
from nodepool_lite.testing import NOW, make_build, make_config

PLANNER = frozenset({"planner", "provider/local"})
BUILDER = frozenset({"builder"})


def test_files_of_a_build_are_removed_by_a_builder_alone() -> None:
    """A launcher on the host that holds the files leaves them to the builder, who may delete them."""
    build = make_build(state=BuildState.DELETING)
    records = Snapshot(builds={build.id: build})

    def deleted(*, builder: bool, leads: frozenset[str]) -> list[str]:
        view = View(records=records, config=make_config(), host=build.builder, leads=leads, builder=builder)
        return [action.build for action in plan(view, NOW) if isinstance(action, DeleteBuild)]

    assert deleted(builder=False, leads=PLANNER) == []
    assert deleted(builder=True, leads=BUILDER) == [build.id]


def test_a_back_off_of_builds_is_void_when_the_builder_says_so() -> None:
    """A planner that has not got the elements does not take a failing recipe for another one."""
    backoff = Backoff(
        id="build/debian-12", failures=3, error="no", since=NOW, last=NOW, next_try=NOW + 60, fingerprint="old"
    )
    records = Snapshot(backoffs={backoff.id: backoff})

    def forgotten(leads: frozenset[str]) -> list[str]:
        view = View(records=records, config=make_config(), leads=leads, recipes={"debian-12": "new"})
        return [action.backoff for action in plan(view, NOW) if isinstance(action, ForgetBackoff)]

    assert forgotten(PLANNER) == []
    assert forgotten(BUILDER) == [backoff.id]
