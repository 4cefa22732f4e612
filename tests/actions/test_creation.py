"""Asking clouds for servers: what comes of each kind of failure, and of answers that never arrive."""

import pytest

from nodepool_lite.model.errors import TryAgainLaterError
from nodepool_lite.model.node import NodeState
from nodepool_lite.plan.actions import CreateServer, ListImages, ListServers
from nodepool_lite.plan.image_actions import StartBuild, StartUpload
from nodepool_lite.service.nodes import delete
from nodepool_lite.testing import LABEL, PROVIDER
from tests.actions.conftest import MakeWorld
from tests.world import HeldWorkers, World

BACKOFF = f"launch/{LABEL}@{PROVIDER}"


def refuse(world: World, how: str) -> None:
    """Let the cloud refuse every server in this way; empty ends that."""
    world.cloud.options = world.cloud.options.but(fail_create=how)


@pytest.mark.parametrize("how", ["try-again-later", "bad-request"])
def test_a_cloud_that_refuses_every_server_is_asked_ever_more_slowly(make_world: MakeWorld, how: str) -> None:
    """With the reason and the next try on record; five wishes make no difference."""
    world = make_world({"min_ready": 5})
    refuse(world, how)
    world.run(3600)
    assert world.cloud.calls["create_server"] < 60
    backoff = world.records.backoffs[BACKOFF]
    assert how in backoff.error
    assert backoff.next_try > world.clock.now()
    assert all(how in node.error for node in world.nodes(NodeState.FAILED))


def test_a_passing_failure_costs_a_moment_and_no_node(make_world: MakeWorld) -> None:
    """The same record is tried again."""
    world = make_world()
    for _ in range(3):
        world.cloud.fail_next(TryAgainLaterError("overloaded"), "create_server")
    world.run(120)
    assert [node.state for node in world.nodes()] == [NodeState.READY]
    assert world.nodes()[0].tries == 4


def test_what_a_node_waits_for_is_in_its_history(make_world: MakeWorld) -> None:
    """Each trouble once, when its server is asked for and when it is deleted."""
    world = make_world()
    for _ in range(2):
        world.cloud.fail_next(TryAgainLaterError("overloaded"), "create_server")
    world.run(120)
    (node,) = world.nodes(NodeState.READY)
    assert [event.reason for event in node.history].count("overloaded") == 1
    for _ in range(3):
        world.cloud.fail_next(TryAgainLaterError("asleep"), "delete_server")
    delete(world.store, node.id, who="alice", now=world.clock.now())
    world.run(4)
    assert [event.reason for event in world.records.nodes[node.id].history][-2:] == ["deleted: by alice", "asleep"]
    world.run(60)
    assert node.id not in world.records.nodes


def test_a_full_cloud_is_tried_again_soon_enough_when_room_may_come_any_time(make_world: MakeWorld) -> None:
    """After hours without room the next try is at most five minutes away."""
    world = make_world()
    refuse(world, "capacity")
    world.run(4 * 3600, step=10)
    assert world.cloud.calls["create_server"] < 80
    refuse(world, "")
    world.run(301)
    assert world.nodes(NodeState.READY)


def test_nodes_that_fail_side_by_side_count_as_one_failure(make_world: MakeWorld) -> None:
    """The first says all there is to say; and each of them fails, though all write the same back-off."""
    world = make_world({"min_ready": 5})
    workers = HeldWorkers()
    world.launcher = world.start("launcher-2", workers)
    while sum(isinstance(action, CreateServer) for action, *_ in workers.held) < 5:
        world.launcher.step()
        workers.run_all(ListServers, ListImages, StartBuild, StartUpload)
        world.clock.advance(1)
    refuse(world, "bad-request")
    for _ in range(5):
        world.clock.advance(0.1)
        workers.run(CreateServer)
    assert len(world.nodes(NodeState.FAILED)) == 5
    assert world.records.backoffs[BACKOFF].failures == 1


def test_a_server_whose_answer_was_lost_is_adopted(make_world: MakeWorld) -> None:
    """By the mark that it carries."""
    world = make_world()
    world.cloud.fail_next(TryAgainLaterError("no answer"), "create_server", lost_answer=True)
    world.run(60)
    assert world.servers() == [node.id for node in world.nodes(NodeState.READY)]
    assert world.cloud.calls["create_server"] == 1


def test_a_server_that_shows_up_after_its_node_failed_is_removed(make_world: MakeWorld) -> None:
    """Its record is still there, but has given that attempt up."""
    world = make_world(config={"cleanup_interval": 60.0})
    for _ in range(4):
        world.cloud.fail_next(TryAgainLaterError("no answer"), "create_server")
    asked = None
    while not world.nodes(NodeState.FAILED):
        world.run(5)
        asked = next((node for node in world.nodes(NodeState.BUILDING) if node.asked is not None), asked)
    assert asked is not None
    world.run(60)
    spec = world.cloud.asked[0].but(node_id=asked.id, attempt=asked.attempt)
    late = world.cloud.add_server(spec, 1, 1024)
    world.run(90)
    assert asked.id in world.records.nodes
    assert late not in world.cloud.servers()


def test_a_label_that_its_provider_no_longer_makes_is_made_elsewhere(make_world: MakeWorld) -> None:
    """Wishes recorded there are given up, and so are servers on their way."""
    world = make_world(config={"providers": ("local", "other")}, boot_time=1000)
    world.run(10)
    (node,) = world.nodes()
    kept = tuple(provider for provider in world.config.providers if provider.name != node.provider)
    world.config = world.config.but(providers=kept)
    world.cloud.options = world.cloud.options.but(boot_time=0)
    world.run(60)
    assert [each.provider for each in world.nodes(NodeState.READY)] == [kept[0].name]


def test_a_provider_that_does_not_answer_says_so_and_is_asked_ever_more_slowly(make_world: MakeWorld) -> None:
    """Nothing is launched there meanwhile; once it answers, all is well at once."""
    world = make_world()
    world.cloud.options = world.cloud.options.but(error_rate=1.0)
    world.run(3600)
    backoff = world.records.backoffs[f"provider/{PROVIDER}"]
    assert "timed out" in backoff.error
    assert world.cloud.calls["list_servers"] < 40
    assert world.cloud.calls["create_server"] == 0
    world.cloud.options = world.cloud.options.but(error_rate=0.0)
    world.run(3700, step=10)
    assert f"provider/{PROVIDER}" not in world.records.backoffs
    assert world.nodes(NodeState.READY)
