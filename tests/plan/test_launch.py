"""Launches: where missing nodes are made, within which limits, and after which failures."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodepool_lite.clouds.driver import Quota
from nodepool_lite.config.settings import Config, Label, PoolLabel, Provider, ProviderPool
from nodepool_lite.model.node import NodeState
from nodepool_lite.plan.actions import Launch, Machine, Placement, Retire
from nodepool_lite.plan.generation import sources
from nodepool_lite.plan.launch import BATCH, FIRST_ANSWER
from nodepool_lite.plan.view import CloudView, View
from nodepool_lite.testing import LABEL, NOW, PROVIDER, make_config, make_lease, make_node
from tests.plan.views import LATER, make_backoff, make_view, planned

S = NodeState


def placements(view: View, now: float = LATER) -> tuple[Placement, ...]:
    """Return what is launched now."""
    return tuple(each for launch in planned(view, Launch, now) for each in launch.placements)


def two_providers(first: dict[str, Any], second: dict[str, Any]) -> Config:
    """Return a configuration with two providers whose settings differ."""
    base = make_config(min_ready=2, providers=("one", "two"))
    one, two = base.providers
    return base.but(providers=(one.but(**first), two.but(**second)))


def limited(**limits: Any) -> Config:
    """Return a configuration with limits on its one pool; its label takes 2 cores and 1000 MiB."""
    label = PoolLabel(name=LABEL, diskimage=LABEL, cores=2, min_ram=1000)
    pool = ProviderPool(labels=(label,), **limits)
    provider = Provider(name=PROVIDER, driver="simulated", pools=(pool,))
    return Config(labels=(Label(name=LABEL, min_ready=9),), diskimages=make_config().diskimages, providers=(provider,))


def test_a_placement_says_all_that_the_node_is_made_from() -> None:
    """The upload that serves now, and its generation."""
    view = make_view()
    (placement,) = placements(view)
    (way,) = sources(view)
    assert placement == Placement(
        label=LABEL,
        provider=PROVIDER,
        pool="main",
        generation=way.generation,
        machines=(Machine(LABEL, build=f"{LABEL}/0000000001", image_id="image-0000000001", username="jenkins"),),
    )


@pytest.mark.parametrize(
    ("limits", "room"),
    [
        ({"max_servers": 3}, 2),
        ({"max_servers": 1}, 0),
        ({"max_cores": 7}, 2),
        ({"max_ram": 3500}, 2),
        ({"max_servers": 5, "max_cores": 8, "max_ram": 3000}, 2),
    ],
)
def test_the_limits_of_a_pool_are_held(limits: dict[str, int], room: int) -> None:
    """One server is there already."""
    assert len(placements(make_view(make_node(1), config=limited(**limits)))) == room


@pytest.mark.parametrize("state", [each for each in S if each is not S.FAILED])
def test_every_record_takes_room(state: NodeState) -> None:
    """Also one that is being deleted: its server is still there."""
    assert not placements(make_view(make_node(1, state=state), config=limited(max_servers=1)))


@pytest.mark.parametrize(("asked", "room"), [(NOW, 0), (None, 1)])
def test_a_failed_node_takes_room_until_its_server_is_gone(asked: float | None, room: int) -> None:
    """Its record stays longer than its server."""
    node = make_node(1, state=S.FAILED, asked=asked, server_id=None)
    assert len(placements(make_view(node, config=limited(max_servers=1)))) == room


@pytest.mark.parametrize(
    ("quota", "room"),
    [
        pytest.param(Quota(servers=4, servers_used=2), 2, id="servers"),
        pytest.param(Quota(cores=8, cores_used=3), 2, id="cores"),
        pytest.param(Quota(ram=8000, ram_used=5500), 2, id="RAM"),
        pytest.param(Quota(), 9, id="unlimited"),
    ],
)
def test_the_quota_of_a_provider_is_held(quota: Quota, room: int) -> None:
    """Whoever uses it up."""
    view = make_view(config=limited(), clouds={PROVIDER: CloudView(listed_at=NOW, quota=quota)})
    assert len(placements(view)) == room


def test_servers_that_the_quota_does_not_count_yet_are_counted_on_top() -> None:
    """The figures are older than the records."""
    nodes = [make_node(each, state=S.BUILDING) for each in (1, 2)]
    quota = Quota(servers=4, servers_used=1)
    view = make_view(*nodes, config=limited(), clouds={PROVIDER: CloudView(listed_at=NOW, quota=quota)})
    assert len(placements(view)) == 1


def test_a_node_set_is_placed_whole_or_not_at_all() -> None:
    """Three servers each, and room for five."""
    label = Label(name=LABEL, min_ready=2, subnodes=2)
    (placement,) = placements(make_view(config=make_config(labels=(label,), max_servers=5)))
    assert len(placement.machines) == 3


@pytest.mark.parametrize(
    ("first", "second", "where"),
    [
        pytest.param({"priority": 1}, {"priority": 2}, ["one", "one"], id="the lower priority first"),
        pytest.param({}, {}, ["one", "two"], id="then where there are fewer"),
    ],
)
def test_providers_are_chosen_by_priority_and_then_evenly(
    first: dict[str, Any], second: dict[str, Any], where: list[str]
) -> None:
    """With two nodes to make."""
    view = make_view(config=two_providers(first, second))
    assert [placement.provider for placement in placements(view)] == where


def test_a_preferred_provider_that_is_about_to_answer_is_waited_for() -> None:
    """For a few seconds after a launcher took it over: else every start would use what is there for want of better."""
    config = two_providers({"priority": 1}, {"priority": 2})
    seen = {"two": CloudView(listed_at=NOW)}
    since = {"provider/one": NOW, "provider/two": NOW}
    view = make_view(config=config, clouds=seen, led_since=since)
    assert not placements(view, NOW + FIRST_ANSWER - 1)
    assert [launch.at for launch in planned(view, Launch, NOW, due=False)] == [NOW + FIRST_ANSWER]
    assert {each.provider for each in placements(view, NOW + FIRST_ANSWER)} == {"two"}
    answered = make_view(config=config, clouds={**seen, "one": CloudView(listed_at=NOW)}, led_since=since)
    assert {each.provider for each in placements(answered, NOW)} == {"one"}


def test_a_provider_that_is_not_preferred_is_not_waited_for() -> None:
    """Nodes are made where they can be."""
    config = two_providers({"priority": 1}, {"priority": 1})
    since = {"provider/one": NOW, "provider/two": NOW}
    view = make_view(config=config, clouds={"two": CloudView(listed_at=NOW)}, led_since=since)
    assert {each.provider for each in placements(view, NOW)} == {"two"}


@pytest.mark.parametrize("hindered", ["no image", "no launcher", "silent", "backing off"])
def test_a_provider_that_cannot_make_the_label_is_passed_over(hindered: str) -> None:
    """The other one does."""
    config = two_providers({"priority": 1}, {"priority": 2})
    whole = make_view(config=config)
    way = next(way for way in sources(whole) if way.provider.name == "one")
    uploads = {each.id: each for each in whole.records.uploads.values() if each.provider == "two"}
    backoffs = {
        "silent": make_backoff("provider/one", fingerprint=way.provider.fingerprint),
        "backing off": make_backoff(way.backoff_id, fingerprint=way.fingerprint),
    }
    extra = [backoffs[hindered]] if hindered in backoffs else []
    images = list(uploads.values()) if hindered == "no image" else []
    leads = ["planner", "builder", "provider/two"] if hindered == "no launcher" else None
    view = make_view(*extra, *images, config=config, leads=leads, images=hindered != "no image")
    assert {placement.provider for placement in placements(view)} == {"two"}


def test_a_label_that_cannot_be_made_leaves_its_room_to_others() -> None:
    """It neither takes room nor keeps anybody waiting, though it comes first and its lease is the oldest."""
    config = make_config(labels=("bad", "good"), min_ready=2, max_servers=3)
    bad = next(way for way in sources(make_view(config=config)) if way.label.name == "bad")
    backoff = make_backoff(bad.backoff_id, fingerprint=bad.fingerprint)
    view = make_view(backoff, make_lease(label="bad", count=3), config=config)
    assert [placement.label for placement in placements(view)] == ["good", "good"]


def test_after_many_failures_one_node_at_a_time_is_tried() -> None:
    """Until one is ready."""
    config = make_config(min_ready=5)
    (way,) = sources(make_view(config=config))
    backoff = make_backoff(way.backoff_id, fingerprint=way.fingerprint, next_try=NOW)
    assert len(placements(make_view(backoff, config=config))) == 1
    probe = make_node(1, state=S.TESTING)
    assert not placements(make_view(backoff, probe, config=config))


def test_the_first_failures_are_tried_again_at_once() -> None:
    """All of them: no wait has begun yet."""
    config = make_config(min_ready=5)
    (way,) = sources(make_view(config=config))
    backoff = make_backoff(way.backoff_id, fingerprint=way.fingerprint, next_try=NOW, wait=0.0)
    assert len(placements(make_view(backoff, config=config))) == 5


def test_a_back_off_about_another_configuration_is_void() -> None:
    """What failed is not what would be tried."""
    assert placements(make_view(make_backoff(f"launch/{LABEL}@{PROVIDER}", fingerprint="before")))


def test_the_end_of_a_back_off_is_a_moment_to_look_again() -> None:
    """Nobody has to poll."""
    (way,) = sources(make_view())
    view = make_view(make_backoff(way.backoff_id, fingerprint=way.fingerprint, next_try=NOW + 60))
    assert [launch.at for launch in planned(view, Launch, due=False)] == [NOW + 60]


def test_many_nodes_are_recorded_in_portions() -> None:
    """Work on the first begins while the others are still to be recorded."""
    assert len(placements(make_view(config=make_config(min_ready=500, max_servers=None)))) == BATCH


AGED = Label(name=LABEL, min_ready=2, max_ready_age=60.0)


def test_a_node_that_becomes_too_old_is_a_moment_to_look_again() -> None:
    """And then another is launched, before it goes."""
    config = make_config(labels=(AGED,))
    view = make_view(make_node(1), make_node(2, since=NOW + 5), config=config)
    assert [launch.at for launch in planned(view, Launch, due=False)] == [NOW + 60]
    assert len(placements(view, NOW + 60)) == 1
    assert not planned(view, Retire, NOW + 60)


@pytest.mark.parametrize(
    ("others", "gone"),
    [
        pytest.param([], ["0000000001"], id="one at a time"),
        pytest.param([make_node(3, state=S.DELETING)], [], id="not while one is going"),
        pytest.param([make_node(3, state=S.BUILDING)], [], id="not while one is on its way"),
    ],
)
def test_where_there_is_no_room_nodes_past_their_age_make_room(others: list[Any], gone: list[str]) -> None:
    """Otherwise they would stay for ever."""
    nodes = [make_node(1), make_node(2, since=NOW + 1)]
    view = make_view(*nodes, *others, config=make_config(labels=(AGED,), max_servers=len([*nodes, *others])))
    assert [retire.node for retire in planned(view, Retire, NOW + 99)] == gone


def test_outdated_nodes_do_not_make_room_for_their_successors() -> None:
    """Never below min-ready on purpose: they are replaced as they are taken."""
    nodes = [make_node(each, generation="old") for each in (1, 2)]
    view = make_view(*nodes, config=make_config(min_ready=2, max_servers=2))
    assert not planned(view, Retire)
    assert not placements(view)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(list(S)), st.sampled_from(["a", "b"])), max_size=8),
    st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 3)), max_size=3),
    st.integers(0, 8),
    st.integers(0, 5),
)
def test_launches_never_exceed_the_limits(
    nodes: list[tuple[NodeState, str]], leases: list[tuple[str, int]], max_servers: int, min_ready: int
) -> None:
    """Whatever is there and whatever is wanted."""
    labels = (Label(name="a", min_ready=min_ready), Label(name="b", min_ready=min_ready, subnodes=1))
    view = make_view(
        *(make_node(i, state=state, label=label) for i, (state, label) in enumerate(nodes)),
        *(make_lease(f"lease{i}", label=label, count=count, order=i) for i, (label, count) in enumerate(leases)),
        config=make_config(labels=labels, max_servers=max_servers),
    )
    launched = placements(view)
    more = sum(len(placement.machines) for placement in launched)
    assert len(nodes) + more <= max(max_servers, len(nodes))
    assert placements(view) == launched, "the same view gives the same plan"
