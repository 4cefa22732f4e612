"""Progress: the next step of every node, from its record and what the cloud said last."""

from typing import Any

import pytest

from nodepool_lite.clouds.driver import ServerState
from nodepool_lite.config.settings import Config, Label
from nodepool_lite.model.node import Node, NodeState, ScriptRun
from nodepool_lite.plan.actions import (
    CreateServer,
    DeleteServer,
    DropServer,
    FailNode,
    ForgetNode,
    ListServers,
    MarkBooted,
    NodeAction,
    Prepare,
    TestLogin,
)
from nodepool_lite.plan.plan import plan
from nodepool_lite.plan.progress import IDLE_POLLS
from nodepool_lite.plan.view import SETTLE, CloudView, View
from nodepool_lite.testing import LABEL, NOW, PROVIDER, make_config, make_node
from tests.plan.views import LATER, make_backoff, make_server, make_view, planned, see

S = NodeState
WISH = make_node(1, state=S.BUILDING)
ASKED = make_node(1, state=S.BUILDING, asked=NOW, attempt="a", tries=1)
SEEN_EMPTY = CloudView(listed_at=NOW + SETTLE, images_listed_at=NOW)


def step(*nodes: Node, cloud: CloudView | None = None, now: float = LATER, **fields: Any) -> list[NodeAction]:
    """Return what is due for the first of the nodes."""
    view = make_view(*nodes, clouds=None if cloud is None else {PROVIDER: cloud}, **fields)
    return [
        each for each in plan(view, now) if isinstance(each, NodeAction) and each.node == nodes[0].id and each.at <= now
    ]


def kinds(actions: list[NodeAction]) -> list[type[NodeAction]]:
    """Return what kinds of action these are."""
    return [type(action) for action in actions]


def deadlines(view: View) -> list[float]:
    """Return when nodes time out."""
    return [each.at for each in planned(view, FailNode, due=False)]


def test_a_server_is_asked_for_once_a_node_is_wanted() -> None:
    """At once."""
    assert kinds(step(WISH)) == [CreateServer]


def test_no_more_servers_boot_at_the_same_time_than_the_provider_may_have() -> None:
    """The others wait for their turn."""
    config = make_config(min_ready=20, max_servers=None)
    booting = [make_node(each, state=S.TESTING) for each in range(1, 5)]
    wishes = [make_node(each, state=S.BUILDING) for each in range(10, 25)]
    assert len(planned(make_view(*booting, *wishes, config=config), CreateServer)) == 6


def test_ready_scripts_do_not_count_as_booting() -> None:
    """They take hours, and a set bigger than the limit would wait for its own rest."""
    config = make_config(min_ready=20, max_servers=None)
    preparing = [make_node(each, state=S.PREPARING) for each in range(1, 15)]
    assert len(planned(make_view(*preparing, WISH.but(id="0000000099"), config=config), CreateServer)) == 1


def test_the_label_with_the_fewest_booting_is_served_first() -> None:
    """However long another label's queue is, and however old."""
    config = make_config(labels=("many", "few"), min_ready=20, max_servers=None)
    many = [make_node(each, state=S.TESTING, label="many") for each in range(1, 10)]
    queue = [make_node(each, state=S.BUILDING, label="many") for each in range(10, 20)]
    few = make_node(30, state=S.BUILDING, label="few", since=NOW + 5)
    assert [each.node for each in planned(make_view(*many, *queue, few, config=config), CreateServer)] == [few.id]


def test_no_server_is_asked_for_beyond_max_servers_whatever_is_on_record() -> None:
    """Two planners may have recorded wishes at the same time; the owner of the provider holds the limit."""
    config = make_config(min_ready=3, max_servers=2)
    wishes = [make_node(each, state=S.BUILDING) for each in (2, 3)]
    assert len(planned(make_view(make_node(1), *wishes, config=config), CreateServer)) == 1


def test_no_server_is_asked_for_before_the_whole_set_is_on_record() -> None:
    """Else a primary could become ready without its sub-nodes."""
    config = make_config(labels=(Label(name=LABEL, min_ready=1, subnodes=2),))
    sub = make_node(2, state=S.BUILDING, primary=WISH.id)
    assert not planned(make_view(WISH, sub, config=config), CreateServer)
    whole = WISH.but(subnodes=(sub.id, "0000000003"))
    third = make_node(3, state=S.BUILDING, primary=WISH.id)
    assert len(planned(make_view(whole, sub, third, config=config), CreateServer)) == 3


@pytest.mark.parametrize("labels", [(), (Label(name=LABEL),)], ids=["not known", "a single node"])
def test_how_many_belong_to_a_set_is_told_by_its_record(labels: tuple[Label, ...]) -> None:
    """Who owns the provider may have read another configuration than the planner."""
    config = make_config().but(labels=labels)
    wish = WISH.but(set_size=2)
    assert not planned(make_view(wish, config=config), CreateServer)
    sub = make_node(2, state=S.BUILDING, primary=WISH.id)
    assert len(planned(make_view(wish.but(subnodes=(sub.id,)), sub, config=config), CreateServer)) == 2


@pytest.mark.parametrize("cloud", [CloudView(), CloudView(listed_at=NOW - 1), CloudView(listed_at=NOW + SETTLE - 1)])
def test_a_list_from_before_the_request_or_just_after_it_proves_nothing(cloud: CloudView) -> None:
    """The server may be on its way."""
    assert step(ASKED, cloud=cloud) == []


AHEAD = LATER + 600.0
"""What a launcher writes whose clock is ahead of its successor's."""
LED = {f"provider/{PROVIDER}": NOW}


@pytest.mark.parametrize(
    ("node", "cloud", "expected"),
    [
        (ASKED, see(ASKED), MarkBooted),
        (ASKED, SEEN_EMPTY, CreateServer),
        (make_node(1, state=S.DELETING), CloudView(listed_at=NOW + 1), ForgetNode),
        (make_node(1, state=S.FAILED), CloudView(listed_at=NOW + 1), DropServer),
        (make_node(1), CloudView(listed_at=NOW + 1), FailNode),
    ],
    ids=lambda value: value.state.value if isinstance(value, Node) else None,
)
def test_a_moment_that_is_still_to_come_is_not_waited_for(
    node: Node, cloud: CloudView, expected: type[NodeAction]
) -> None:
    """Whoever wrote it had a clock that was ahead; a list that was taken since we lead is later."""
    written = node.but(asked=AHEAD, state_since=AHEAD)
    assert kinds(step(written, cloud=cloud, led_since=LED)) == [expected]
    earlier = CloudView(servers=cloud.servers, listed_at=NOW - 1)
    assert step(written, cloud=earlier, led_since=LED) == []


def test_a_server_that_runs_is_taken_up() -> None:
    """Found by its mark: its id is not on record yet."""
    assert kinds(step(ASKED, cloud=see(ASKED))) == [MarkBooted]


def test_a_server_of_an_attempt_given_up_is_not_taken_up() -> None:
    """It is an alien."""
    cloud = CloudView(servers={"s": make_server(ASKED, id="s", attempt="earlier")}, listed_at=NOW + SETTLE)
    assert MarkBooted not in kinds(step(ASKED, cloud=cloud))


@pytest.mark.parametrize("state", [ServerState.ERROR, ServerState.STOPPED])
@pytest.mark.parametrize(
    "node", [ASKED, *(make_node(1, state=each) for each in (S.TESTING, S.PREPARING, S.READY, S.IN_USE))]
)
def test_a_server_that_broke_fails_its_node(state: ServerState, node: Node) -> None:
    """With the cloud's own words."""
    server = make_server(node, state=state, fault="No valid host was found")
    (failure,) = [
        each
        for each in step(node, cloud=CloudView(servers={server.id: server}, listed_at=NOW + 1))
        if isinstance(each, FailNode)
    ]
    assert "No valid host was found" in failure.why
    assert failure.counts is (node.state in {S.BUILDING, S.TESTING, S.PREPARING})


@pytest.mark.parametrize("state", [S.TESTING, S.PREPARING, S.READY, S.IN_USE, S.HOLD])
def test_a_server_that_is_gone_fails_its_node(state: NodeState) -> None:
    """Once a list taken since shows it."""
    node = make_node(1, state=state)
    assert FailNode in kinds(step(node, cloud=CloudView(listed_at=NOW + 1)))
    assert FailNode not in kinds(step(node, cloud=CloudView(listed_at=NOW - 1)))


def test_a_held_node_may_be_shut_down() -> None:
    """By the operator who keeps it."""
    node = make_node(1, state=S.HOLD)
    assert step(node, cloud=see(node, state=ServerState.STOPPED)) == []


@pytest.mark.parametrize(("tries", "pause"), [(1, SETTLE), (2, 2 * SETTLE), (3, 4 * SETTLE)])
def test_a_request_that_brought_no_server_is_repeated_ever_more_slowly(tries: int, pause: float) -> None:
    """From the moment at which the cloud answered."""
    view = make_view(ASKED.but(tries=tries), clouds={PROVIDER: SEEN_EMPTY})
    actions = planned(view, CreateServer) + planned(view, CreateServer, due=False)
    assert [each.at for each in actions] == [NOW + pause]


def test_a_request_that_brings_no_server_again_and_again_is_a_failure() -> None:
    """So that the label's back-off grows."""
    (failure,) = planned(make_view(ASKED.but(tries=4), clouds={PROVIDER: SEEN_EMPTY}), FailNode)
    assert failure.counts
    assert "4 requests" in failure.why


def test_a_slow_answer_is_waited_for() -> None:
    """A list from while the request was under way proves nothing."""
    assert step(ASKED, cloud=SEEN_EMPTY, answered={ASKED.id: NOW + SETTLE}) == []


def test_a_server_that_does_not_start_in_time_fails_its_node() -> None:
    """After launch-timeout."""
    assert deadlines(make_view(ASKED, clouds={PROVIDER: see(ASKED, state=ServerState.STARTING)})) == [NOW + 3600]


def test_a_node_that_cannot_be_logged_in_to_in_time_fails() -> None:
    """Tried until boot-timeout is over, and not after."""
    node = make_node(1, state=S.TESTING)
    assert kinds(step(node)) == [TestLogin]
    assert deadlines(make_view(node)) == [NOW + 60]
    assert kinds(step(node, now=NOW + 60)) == [FailNode]


@pytest.mark.parametrize(
    ("node", "limit"),
    [
        (ASKED, 3600.0),
        (make_node(1, state=S.TESTING), 60.0),
        (make_node(1, state=S.PREPARING), 7200.0),
    ],
    ids=["building", "testing", "preparing"],
)
def test_no_time_out_runs_while_nobody_looks_after_a_node(node: Node, limit: float) -> None:
    """A launcher that comes late gives every node its full time."""
    cloud = see(node, state=ServerState.STARTING if node is ASKED else ServerState.ACTIVE)
    took_over = NOW + 100_000
    view = make_view(node, clouds={PROVIDER: cloud}, led_since={f"provider/{PROVIDER}": took_over})
    assert [each.at for each in planned(view, FailNode, took_over + 1, due=False)] == [took_over + limit]


def test_a_ready_script_has_its_own_time() -> None:
    """Its last step is in the reason."""
    run = ScriptRun(name="prepare.sh", run_id="1-1", started=NOW, step="installing")
    node = make_node(1, state=S.PREPARING, script=run)
    assert kinds(step(node)) == [Prepare]
    (failure,) = planned(make_view(node), FailNode, NOW + 7200)
    assert failure.why.endswith("at: installing")


def test_a_node_of_a_removed_label_does_not_prepare_for_ever() -> None:
    """There is a limit even without a label."""
    node = make_node(1, state=S.PREPARING, label="gone", generation="old")
    assert planned(make_view(node), FailNode, NOW + 7200)


def node_set(primary: NodeState, first: NodeState, second: NodeState) -> tuple[Config, list[Node]]:
    """Return a node set in these states."""
    config = make_config(labels=(Label(name=LABEL, min_ready=1, subnodes=2),))
    ids = ("0000000002", "0000000003")
    subs = [
        make_node(each, state=state, primary="0000000001", since=NOW)
        for each, state in zip(ids, (first, second), strict=True)
    ]
    return config, [make_node(1, state=primary, subnodes=ids, since=NOW - 50), *subs]


@pytest.mark.parametrize(
    ("states", "preparing"),
    [
        pytest.param((S.PREPARING, S.PREPARING, S.BUILDING), set(), id="one has no address yet"),
        pytest.param((S.PREPARING, S.PREPARING, S.TESTING), {"0000000002"}, id="all have addresses: sub-nodes first"),
        pytest.param((S.PREPARING, S.READY, S.PREPARING), {"0000000003"}, id="one sub-node is ready"),
        pytest.param((S.PREPARING, S.READY, S.READY), {"0000000001"}, id="the primary last"),
    ],
)
def test_a_set_is_prepared_sub_nodes_first(states: tuple[NodeState, NodeState, NodeState], preparing: set[str]) -> None:
    """Once all can be reached; the primary once they are ready."""
    config, nodes = node_set(*states)
    assert {each.node for each in planned(make_view(*nodes, config=config), Prepare)} == preparing


def test_a_set_of_which_a_member_is_forgotten_is_not_whole() -> None:
    """It failed so long ago, and nobody led the planner meanwhile: a node is not told a set that lacks it."""
    config, (primary, sub, _) = node_set(S.PREPARING, S.PREPARING, S.TESTING)
    assert planned(make_view(primary, sub, config=config), Prepare) == []


def test_a_primary_has_its_full_time_after_its_sub_nodes() -> None:
    """What it waited for them does not count."""
    config, nodes = node_set(S.PREPARING, S.READY, S.READY)
    assert deadlines(make_view(*nodes, config=config)) == [NOW + 7200]


@pytest.mark.parametrize("state", [S.DELETING, S.FAILED])
def test_the_server_of_a_node_that_ended_is_deleted(state: NodeState) -> None:
    """And its end is asked for again only after a while."""
    node = make_node(1, state=state)
    assert kinds(step(node)) == [DeleteServer]
    asked = {node.server_id or "": NOW + 5}
    patient = see(node, ending=asked, listed_at=NOW + 6)
    assert step(node, cloud=patient) == []
    assert kinds(step(node, cloud=patient, now=NOW + 15)) == [DeleteServer]
    assert step(node, cloud=see(node, ending=asked, listed_at=NOW + 4), now=NOW + 15) == [], "that list was before it"


@pytest.mark.parametrize("state", [S.DELETING, S.FAILED])
def test_a_server_that_is_ending_is_waited_for(state: NodeState) -> None:
    """Nothing is asked, nothing is forgotten."""
    node = make_node(1, state=state)
    assert step(node, cloud=see(node, state=ServerState.DELETING)) == []


@pytest.mark.parametrize(("state", "kind"), [(S.DELETING, ForgetNode), (S.FAILED, DropServer)])
def test_a_record_changes_when_a_list_shows_that_the_server_is_gone(state: NodeState, kind: type[NodeAction]) -> None:
    """Not before."""
    node = make_node(1, state=state)
    assert kinds(step(node, cloud=CloudView(listed_at=NOW + 1))) == [kind]
    assert step(node, cloud=CloudView(listed_at=NOW - 1)) == []


def test_a_node_deleted_before_its_server_was_seen_waits_for_a_late_list() -> None:
    """Its server may show up any moment."""
    node = make_node(1, state=S.DELETING, server_id=None, attempt="a")
    assert step(node, cloud=CloudView(listed_at=NOW + 1)) == []
    assert kinds(step(node, cloud=SEEN_EMPTY)) == [ForgetNode]


def test_a_node_that_never_had_a_server_is_forgotten_at_once() -> None:
    """There is nothing to delete."""
    assert kinds(step(make_node(1, state=S.DELETING, asked=None, server_id=None))) == [ForgetNode]


def test_a_failed_node_is_kept_for_people_for_a_while() -> None:
    """For failed-retention."""
    node = make_node(1, state=S.FAILED, asked=None, server_id=None)
    assert [each.at for each in planned(make_view(node), ForgetNode, due=False)] == [NOW + 3600]


@pytest.mark.parametrize(
    ("node", "due"),
    [
        pytest.param(make_node(1), IDLE_POLLS, id="nothing changes"),
        pytest.param(make_node(1, state=S.TESTING), 1, id="one boots"),
        pytest.param(make_node(1, state=S.DELETING), 1, id="one is being deleted"),
        pytest.param(make_node(1, state=S.FAILED, asked=None), IDLE_POLLS, id="one failed long ago"),
    ],
)
def test_a_cloud_is_listed_often_only_while_something_changes(node: Node, due: float) -> None:
    """Polling for nothing costs the cloud and us."""
    now = NOW + 5.5
    (look,) = planned(make_view(node, clouds={PROVIDER: see(node)}), ListServers, now, due=False)
    assert look.at == NOW + 5 + due


@pytest.mark.parametrize("cloud", [CloudView(), see(stale=NOW + 6)], ids=["never listed", "something was asked"])
def test_a_cloud_is_listed_at_once_when_the_last_list_is_out_of_date(cloud: CloudView) -> None:
    """Nobody waits for an interval."""
    assert len(planned(make_view(clouds={PROVIDER: cloud}), ListServers)) == 1


@pytest.mark.parametrize("node", [WISH, ASKED, make_node(1, state=S.DELETING)], ids=["wish", "asked", "deleting"])
def test_nothing_is_asked_of_a_provider_that_does_not_answer(node: Node) -> None:
    """But for the next list, when its back-off ends."""
    config = make_config()
    silent = make_backoff(f"provider/{PROVIDER}", next_try=NOW + 60, fingerprint=config.providers[0].fingerprint)
    cloud = SEEN_EMPTY if node is ASKED else see(node)
    view = make_view(node, silent, config=config, clouds={PROVIDER: cloud})
    assert not planned(view, CreateServer)
    assert not planned(view, DeleteServer)
    assert [look.at for look in planned(view, ListServers, due=False)] == [NOW + 60]


def test_nodes_of_providers_that_others_lead_are_left_to_them() -> None:
    """Each provider is driven by one launcher."""
    assert step(WISH, leads=["planner"]) == []
