"""What providers have to say in a plan: what servers really take, where they go when one is full, what is left over."""

from typing import Any

import pytest

from nodepool_lite.clouds.driver import Need, Quota, Server, ServerState
from nodepool_lite.config.settings import Config
from nodepool_lite.model.node import NodeState
from nodepool_lite.plan.actions import (
    CreateServer,
    DeleteAlien,
    FailNode,
    GiveAddress,
    Launch,
    ListServers,
    Retire,
    SweepLeftovers,
)
from nodepool_lite.plan.backoff import Wait
from nodepool_lite.plan.generation import sources
from nodepool_lite.plan.view import CloudView, View
from nodepool_lite.testing import LABEL, NOW, PROVIDER, make_config, make_node
from tests.plan.views import LATER, make_backoff, make_server, make_view, planned, see

S = NodeState
BUILDING = make_node(1, state=S.BUILDING, asked=NOW, attempt="a1")


def launched(view: View) -> list[str]:
    """Return the providers of what is launched now."""
    return [each.provider for launch in planned(view, Launch) for each in launch.placements]


def cloud(*servers: Server, **fields: Any) -> CloudView:
    """Return a cloud that lists these servers."""
    values: dict[str, Any] = {"listed_at": NOW + 5.0, "images_listed_at": NOW}
    return CloudView(servers={each.id: each for each in servers}, **(values | fields))


@pytest.mark.parametrize(
    ("need", "quota", "room"),
    [
        (Need(cores=4, ram=1), Quota(cores=9), 2),
        (Need(cores=1, ram=4096), Quota(ram=9000), 2),
        (Need(cores=1, ram=1, ports=2), Quota(ports=9, ports_used=2), 3),
        (Need(cores=1, ram=1, addresses=1), Quota(addresses=3, addresses_used=2), 1),
        (Need(cores=1, ram=1), Quota(addresses=0), 5),
        (Need(cores=1, ram=1, volumes=1), Quota(volumes=4), 4),
        (Need(cores=1, ram=1, volumes=1, gigabytes=50), Quota(gigabytes=120, gigabytes_used=10), 2),
    ],
)
def test_no_launch_is_tried_that_the_known_quota_cannot_hold(need: Need, quota: Quota, room: int) -> None:
    """Counted with what the driver says that a server takes."""
    config = make_config(min_ready=5)
    seen = cloud(quota=quota, needs={("main", LABEL): need})
    assert len(launched(make_view(config=config, clouds={PROVIDER: seen}))) == room


@pytest.mark.parametrize(
    ("limits", "room"),
    [({"max_cores": 9}, 2), ({"max_volumes": 3}, 3), ({"max_volume_gb": 75}, 1), ({"max_volumes": 0}, 0)],
)
def test_a_pools_own_limits_count_what_the_driver_says(limits: dict[str, int], room: int) -> None:
    """A flavor has cores that the label does not name, and a volume may come with the server."""
    config = make_config(min_ready=5)
    provider = config.providers[0]
    pool = provider.pools[0].but(**limits)
    config = config.but(providers=(provider.but(pools=(pool,)),))
    seen = cloud(needs={("main", LABEL): Need(cores=4, ram=1, volumes=1, gigabytes=50)})
    assert len(launched(make_view(config=config, clouds={PROVIDER: seen}))) == room


def test_a_limit_on_volumes_does_not_concern_who_has_none() -> None:
    """A label that boots from its server's own disk takes none."""
    config = make_config(min_ready=5)
    provider = config.providers[0]
    pool = provider.pools[0].but(max_volumes=0, max_volume_gb=0)
    config = config.but(providers=(provider.but(pools=(pool,)),))
    seen = cloud(needs={("main", LABEL): Need(cores=1, ram=1)})
    assert len(launched(make_view(config=config, clouds={PROVIDER: seen}))) == 5


@pytest.mark.parametrize(("asked_for", "room"), [(NOW - 100, 2), (NOW - 1, 1)])
def test_servers_that_are_younger_than_the_quotas_figures_come_on_top(asked_for: float, room: int) -> None:
    """The figures are asked for less often than the servers are listed."""
    node = make_node(1, state=S.READY, asked=asked_for)
    quota = Quota(servers=3, servers_used=1, at=NOW)
    view = make_view(node, config=make_config(min_ready=9), clouds={PROVIDER: see(node, quota=quota)})
    assert len(launched(view)) == room


@pytest.mark.parametrize(("ignored", "room"), [(False, 1), (True, 3)])
def test_a_wish_for_which_the_quota_has_no_room_any_more_is_not_asked_for(ignored: bool, room: int) -> None:
    """The limit was lowered since, or the planner is one that does not know it: the label goes elsewhere, or waits."""
    config = make_config(min_ready=4)
    provider = config.providers[0]
    pool = provider.pools[0].but(ignore_provider_quota=ignored)
    config = config.but(providers=(provider.but(pools=(pool,)),))
    wishes = [make_node(each, state=S.BUILDING) for each in (1, 2, 3)]
    asked = make_node(4, state=S.BUILDING, asked=NOW + 4, attempt="a4")
    seen = cloud(quota=Quota(servers=6, servers_used=4, at=NOW))
    view = make_view(*wishes, asked, config=config, clouds={PROVIDER: seen})
    assert len(planned(view, CreateServer)) == room
    refused = planned(view, FailNode)
    assert len(refused) == 3 - room
    assert all(each.wait is Wait.FOR_ROOM and "quota of local for servers is used up" in each.why for each in refused)


def two_providers() -> Config:
    """Return a configuration with two providers that make the label."""
    return make_config(min_ready=1, providers=("one", "two"))


def test_what_was_not_asked_for_yet_moves_away_from_a_provider_that_is_set_aside() -> None:
    """And is launched at another one at once; what was asked for goes on."""
    config = two_providers()
    first = next(each for each in sources(make_view(config=config)) if each.provider.name == "one")
    waiting = make_node(1, state=S.BUILDING, provider="one", asked=None)
    asked = make_node(2, state=S.BUILDING, provider="one", asked=NOW)
    backoff = make_backoff("launch/debian-12@one", fingerprint=first.fingerprint)
    view = make_view(waiting, asked, backoff, config=config)
    assert [(each.node, each.why) for each in planned(view, Retire)][:1] == [
        (waiting.id, "to be made where it can be: one is set aside for this label (no luck)")
    ]
    assert asked.id not in {each.node for each in planned(view, Retire)}
    assert launched(make_view(waiting, backoff, config=config)) == ["two"]


def test_a_set_of_which_a_part_was_asked_for_stays() -> None:
    """It is retired as a whole, if its part fails."""
    config = two_providers()
    first = next(each for each in sources(make_view(config=config)) if each.provider.name == "one")
    backoff = make_backoff("launch/debian-12@one", fingerprint=first.fingerprint)
    primary = make_node(1, state=S.BUILDING, provider="one", asked=None, subnodes=("0000000002",))
    sub = make_node(2, state=S.BUILDING, provider="one", asked=NOW, primary=primary.id)
    view = make_view(primary, sub, backoff, config=config)
    assert not any("set aside" in each.why for each in planned(view, Retire))


def test_a_provider_that_was_not_asked_yet_is_not_launched_at() -> None:
    """What it has, and what there is already, is not known."""
    view = make_view(clouds={})
    assert launched(view) == []
    node = make_node(1, state=S.BUILDING, asked=None)
    assert planned(make_view(node, clouds={PROVIDER: CloudView()}), CreateServer) == []


def test_an_address_is_asked_for_where_a_running_server_lacks_one() -> None:
    """By the provider's own threads."""
    server = make_server(BUILDING, address=None, lacks_address=True)
    (action,) = planned(make_view(BUILDING, clouds={PROVIDER: cloud(server)}), GiveAddress)
    assert (action.node, action.server, action.provider) == (BUILDING.id, server.id, PROVIDER)
    assert action.lane == f"cloud/{PROVIDER}"


def test_an_address_that_does_not_come_in_time_is_a_failure() -> None:
    """As for any server that cannot be used."""
    server = make_server(BUILDING, address=None, lacks_address=True)
    view = make_view(BUILDING, clouds={PROVIDER: cloud(server)})
    late = NOW + view.config.providers[0].launch_timeout + 1
    assert planned(view, GiveAddress, late) == []
    assert len(planned(view, FailNode, late)) == 1


@pytest.mark.parametrize(("no_room", "wait"), [(True, Wait.FOR_ROOM), (False, Wait.AFTER_RETRIES)])
def test_a_server_for_which_there_was_no_room_sets_the_provider_aside(no_room: bool, wait: Wait) -> None:
    """Its fault says so."""
    server = make_server(BUILDING, state=ServerState.ERROR, fault="No valid host was found", no_room=no_room)
    (action,) = planned(make_view(BUILDING, clouds={PROVIDER: cloud(server)}), FailNode)
    assert action.wait is wait


def test_a_second_server_of_one_attempt_is_swept_once_the_node_has_taken_the_other() -> None:
    """An answer was lost, and the request was made twice on the way."""
    one = make_server(BUILDING, id="server-a")
    two = make_server(BUILDING, id="server-b")
    before = make_view(BUILDING, clouds={PROVIDER: cloud(one, two)})
    assert planned(before, DeleteAlien) == []
    taken = make_node(1, state=S.READY, attempt="a1", server_id="server-a")
    after = make_view(taken, clouds={PROVIDER: cloud(one, two)})
    assert [each.server for each in planned(after, DeleteAlien)] == ["server-b"]


def test_left_overs_are_looked_for_after_the_first_list_and_with_each_clean_up() -> None:
    """Where nothing was listed, nothing is known to be gone."""
    assert planned(make_view(clouds={PROVIDER: CloudView()}), SweepLeftovers, LATER + 9999) == []
    assert len(planned(make_view(clouds={PROVIDER: cloud()}), SweepLeftovers)) == 1
    (later,) = planned(make_view(clouds={PROVIDER: cloud(swept_at=NOW)}), SweepLeftovers, due=False)
    assert later.at == NOW + make_config().cleanup_interval


def test_lists_wait_for_nothing_that_is_asked_of_the_same_provider() -> None:
    """They have a lane of their own."""
    lanes = {
        ListServers(at=0, provider="one").lane,
        CreateServer(at=0, node="1", version=0, provider="one").lane,
        CreateServer(at=0, node="1", version=0, provider="two").lane,
    }
    assert len(lanes) == 3
