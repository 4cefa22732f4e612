"""The whole loop on a simulated cloud: from an empty pool to ready nodes, and through what can go wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodepool_lite.clouds.driver import Quota
from nodepool_lite.config.settings import Label
from nodepool_lite.model.errors import StoreConflictError
from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.pool import Backoff, Leader
from nodepool_lite.plan.actions import Action, CreateServer, ListImages, ListServers
from nodepool_lite.plan.image_actions import StartBuild, StartUpload
from nodepool_lite.testing import PROVIDER, make_config, make_lease, make_waiter
from tests.simulation.tripwire import Wired
from tests.world import HeldWorkers, World

READY = NodeState.READY


def server_of(node: Node) -> str:
    """The id of the node's server, which it must have."""
    assert node.server_id is not None
    return node.server_id


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A pool with one label, two nodes wanted."""
    return World(make_config(min_ready=2, state_dir=tmp_path), tmp_path, boot_time=5, delete_time=1)


def test_an_empty_pool_builds_uploads_and_launches_without_being_asked(world: World) -> None:
    """From nothing: an image, its upload, and as many ready nodes as wanted."""
    world.run(60)
    assert [build.state for build in world.records.builds.values()] == [BuildState.READY]
    assert [upload.state for upload in world.records.uploads.values()] == [UploadState.READY]
    assert [node.state for node in world.nodes()] == [READY, READY]
    assert world.servers() == [node.id for node in world.nodes()]


def test_a_node_remembers_its_whole_way(world: World) -> None:
    """Every state is in the history with a time and a reason."""
    world.run(60)
    steps = [event.state for event in world.nodes()[0].history]
    assert steps == ["building", "testing", "preparing", "ready"]


def test_a_deleted_ready_node_is_replaced_and_its_server_goes(world: World) -> None:
    """Deleting is by record; the cloud follows, and then a new node takes the place."""
    world.run(60)
    first = world.nodes()[0]
    world.store.update(first.to(NodeState.DELETING, world.clock.now(), "by a test"))
    world.run(60)
    assert first.id not in world.records.nodes
    assert len(world.nodes(READY)) == 2
    assert first.id not in world.servers()


def test_a_taken_node_is_asked_for_again_in_the_very_next_step(world: World) -> None:
    """The replacement does not wait for anything: one step after the change the cloud has been asked."""
    world.run(60)
    node = world.nodes()[0]
    world.store.create(make_lease(state=LeaseState.ACTIVE, since=world.clock.now(), nodes=(node.id,), order=0))
    world.store.update(node.to(NodeState.IN_USE, world.clock.now(), "taken", lease="abcd2345"))
    world.launcher.step()
    assert len(world.servers()) == 3


def test_a_clock_that_is_set_back_stops_nothing(world: World) -> None:
    """What was seen at a time that is still to come is looked at anew: a new node comes, by one request."""
    world.run(60)
    world.clock.advance(-3600)
    world.launcher.step()
    node = world.nodes()[0]
    world.store.update(node.to(NodeState.DELETING, world.clock.now(), "by hand"))
    world.run(120)
    assert len(world.nodes(READY)) == 2
    assert [each.tries for each in world.nodes(READY)] == [1, 1]


def test_a_list_that_was_under_way_while_the_clock_was_set_back_is_taken_anew(world: World) -> None:
    """It would count as later than anything that happens, for as long as the clock was set back."""
    world.run(60)
    asked = world.clock.now()
    world.clock.advance(-3600)
    world.launcher.step()
    world.launcher.ctx.sightings.saw_servers(PROVIDER, (), Quota(), asked, poll=1.0)
    world.store.update(world.nodes()[0].to(NodeState.DELETING, world.clock.now(), "by hand"))
    world.run(120)
    assert [each.tries for each in world.nodes(READY)] == [1, 1]
    assert len(world.servers()) == 2


def test_a_server_that_vanishes_is_noticed_and_replaced(world: World) -> None:
    """Nobody told us: the next list does."""
    world.run(60)
    node = world.nodes()[0]
    world.cloud.vanish(server_of(node))
    world.run(120)
    assert world.records.nodes[node.id].state is NodeState.FAILED
    assert "gone" in world.records.nodes[node.id].error
    assert len(world.nodes(READY)) == 2


def test_a_ready_node_that_stops_answering_is_replaced(world: World) -> None:
    """The check logs in; after three refusals the node is given up."""
    world.run(60)
    node = world.nodes()[0]
    world.nodes_inside.unreachable.add(node.id)
    world.run(400)
    assert world.records.nodes[node.id].state is NodeState.FAILED
    assert "check" in world.records.nodes[node.id].error
    assert len(world.nodes(READY)) == 2


def test_a_launcher_killed_after_asking_leaves_no_second_server(tmp_path: Path) -> None:
    """The answer of a create was lost: the server is found by its mark and adopted."""
    config = make_config(min_ready=1, state_dir=tmp_path)
    world = World(config, tmp_path, boot_time=5)
    world.cloud.fail_next(TimeoutError("lost"), "create_server", lost_answer=True)
    world.run(100)
    assert len(world.servers()) == 1
    assert [node.state for node in world.nodes()] == [READY]


def test_boots_that_always_fail_are_tried_ever_more_slowly(tmp_path: Path) -> None:
    """A hundred failures in an hour would be an attack on the cloud; a dozen are retries."""
    config = make_config(min_ready=5, state_dir=tmp_path)
    world = World(config, tmp_path, boot_time=1, boot_error_rate=1.0)
    world.run(3600)
    assert world.cloud.calls["create_server"] < 40
    backoff = world.records.backoffs["launch/debian-12@local"]
    assert backoff.next_try > world.clock.now()
    assert "ERROR" in backoff.error.upper()


def test_a_label_that_cannot_be_built_does_not_starve_another(tmp_path: Path) -> None:
    """The image of one label never comes; the other label's nodes do."""
    config = make_config(labels=("bad", "good"), min_ready=1, state_dir=tmp_path)
    world = World(config, tmp_path)
    world.broken_images = {"bad": "no mirror"}
    world.run(300)
    assert [node.label for node in world.nodes(READY)] == ["good"]
    assert world.records.backoffs["build/bad"].error == "no mirror"
    assert world.built.count("bad") < 6


def test_a_failed_build_is_tried_again_at_once_when_its_recipe_changes(tmp_path: Path) -> None:
    """A back-off speaks of one recipe only."""
    world = World(make_config(state_dir=tmp_path), tmp_path)
    world.broken_images = {"debian-12": "broken element"}
    world.run(30)
    before = len(world.built)
    world.broken_images = {}
    world.recipes = {"debian-12": "recipe-2"}
    world.run(5)
    assert len(world.built) == before + 1
    assert "build/debian-12" not in world.records.backoffs


def test_a_waiting_lease_gets_the_next_ready_node(tmp_path: Path) -> None:
    """A label without min-ready makes nodes on demand."""
    world = World(make_config(min_ready=0, state_dir=tmp_path), tmp_path, boot_time=5)
    world.run(20)
    assert world.nodes() == []
    world.store.create(make_lease(since=world.clock.now(), order=0))
    world.store.create(make_waiter())
    world.run(60)
    lease = world.records.leases["abcd2345"]
    assert lease.state is LeaseState.ACTIVE
    assert world.records.nodes[lease.nodes[0]].state is NodeState.IN_USE


def test_a_server_nobody_wants_any_more_is_not_asked_for_when_its_turn_comes(tmp_path: Path) -> None:
    """The lease ends while a slow cloud is still busy with the node before: the other one is called off."""
    world = World(make_config(min_ready=0, state_dir=tmp_path), tmp_path)
    workers = HeldWorkers(room=1)
    world.launcher = world.start("launcher-2", workers)
    lease = make_lease(since=world.clock.now(), order=0, count=2)
    world.store.create(lease)
    held_until(world, workers, CreateServer)
    world.store.update(world.records.leases[lease.id].to(LeaseState.ENDED, world.clock.now(), "released"))
    world.launcher.step()
    for _ in range(20):
        workers.run_all()
        world.clock.advance(1)
        world.launcher.step()
    assert world.cloud.calls["create_server"] == 1
    assert world.nodes() == []


def test_an_expired_lease_takes_its_node_with_it(tmp_path: Path) -> None:
    """The node is deleted, never returned to the pool."""
    world = World(make_config(min_ready=0, state_dir=tmp_path), tmp_path)
    world.store.create(make_lease(since=world.clock.now(), order=0, lifetime=600.0))
    world.store.create(make_waiter())
    world.run(60)
    node = world.nodes(NodeState.IN_USE)[0]
    world.run(600)
    assert world.records.leases["abcd2345"].end_reason.startswith("expired")
    assert node.id not in world.records.nodes
    assert world.servers() == []


def test_outdated_nodes_are_replaced_one_at_a_time_without_going_below_min_ready(world: World) -> None:
    """A new ready-script makes every node outdated; each is replaced after its successor is ready."""
    world.config = make_config(
        labels=(Label(name="debian-12", min_ready=2, ready_script="a.sh"),), state_dir=world.config.state_dir
    )
    world.scripts = {"debian-12": "1"}
    world.run(60)
    old = {node.id for node in world.nodes(READY)}
    world.scripts = {"debian-12": "2"}
    for _ in range(120):
        world.run(1)
        assert len(world.nodes(READY)) >= 2
        assert len(world.servers()) <= 4
    assert old.isdisjoint(node.id for node in world.nodes(READY))
    assert len(world.nodes(READY)) == 2


def test_max_servers_is_never_exceeded(tmp_path: Path) -> None:
    """More is wanted than there may be."""
    world = World(make_config(min_ready=9, max_servers=3, state_dir=tmp_path), tmp_path, boot_time=3)
    for _ in range(60):
        world.run(1)
        assert len(world.cloud.servers()) <= 3
    assert len(world.nodes(READY)) == 3


def test_a_ready_script_runs_once_even_if_its_launcher_dies(tmp_path: Path) -> None:
    """The successor takes up the same run."""
    label = Label(name="debian-12", min_ready=1, ready_script="prepare.sh")
    world = World(make_config(labels=(label,), state_dir=tmp_path), tmp_path, boot_time=2)
    world.nodes_inside.script_seconds = 60
    world.run(20)
    node = world.nodes(NodeState.PREPARING)[0]
    world.launcher.kill()
    world.launcher = world.start("launcher-2")
    world.run(100)
    assert [n.id for n in world.nodes(READY)] == [node.id]
    assert world.nodes_inside.runs[node.id] == [f"{node.id}-1"]


def test_a_failing_ready_script_leaves_its_last_words_as_the_reason(tmp_path: Path) -> None:
    """And the node is deleted, but its record is kept for a while."""
    label = Label(name="debian-12", min_ready=1, ready_script="prepare.sh")
    world = World(make_config(labels=(label,), state_dir=tmp_path), tmp_path, boot_time=2)
    world.nodes_inside.exit_status = 3
    world.run(30)
    failed = world.nodes(NodeState.FAILED)[0]
    assert "ended with status 3" in failed.error
    assert "working" in failed.error
    assert failed.id not in world.servers()


def test_a_node_set_is_prepared_sub_nodes_first(tmp_path: Path) -> None:
    """The primary is ready last, and everybody knows everybody."""
    label = Label(name="debian-12", min_ready=1, ready_script="prepare.sh", subnodes=2)
    world = World(make_config(labels=(label,), state_dir=tmp_path), tmp_path, boot_time=2)
    world.run(60)
    primary, *subs = world.nodes(READY)
    assert primary.subnodes == tuple(sub.id for sub in subs)
    assert list(world.nodes_inside.runs) == [*primary.subnodes, primary.id]
    assert world.nodes_inside.info[primary.id] == (primary.id, *primary.subnodes)


def test_servers_of_the_pool_that_no_record_knows_are_removed(world: World) -> None:
    """Its record is lost, its mark is there."""
    world.run(60)
    node = world.nodes()[0]
    world.store.delete(world.records.nodes[node.id])
    world.run(120)
    assert node.id not in world.servers()
    assert len(world.nodes(READY)) == 2


def test_losing_the_store_stops_all_work_until_it_is_back(world: World) -> None:
    """Nothing is started blindly; afterwards everything goes on."""
    world.launcher.store.disconnect()
    world.run(30)
    assert world.cloud.calls["create_server"] == 0
    world.launcher.store.reconnect()
    world.run(60)
    assert len(world.nodes(READY)) == 2


def test_a_step_without_the_store_has_decided_nothing(world: World) -> None:
    """However long the one before took: the loop makes no pause for it again."""
    world.meanwhile = lambda: world.clock.advance(0.1)
    world.launcher.step()
    assert world.launcher.engine.thought > 0
    world.launcher.store.disconnect()
    world.launcher.step()
    assert world.launcher.engine.thought == 0


def test_a_cloud_that_takes_long_to_answer_is_not_asked_twice(tmp_path: Path) -> None:
    """Lists that were taken while the request was still on its way prove nothing."""
    world = World(make_config(min_ready=1, state_dir=tmp_path), tmp_path)
    workers = HeldWorkers()
    world.launcher = world.start("launcher-2", workers)
    while not any(isinstance(action, CreateServer) for action, _, _ in workers.held):
        world.launcher.step()
        for kind in (ListServers, ListImages, StartBuild, StartUpload):
            workers.run_all(kind)
    slow = world.cloud.add_server

    def add_server(*args: Any) -> str:
        for _ in range(10):
            world.clock.advance(1)
            world.launcher.step()
            workers.run_all(ListServers)
        return slow(*args)

    world.cloud.add_server = add_server  # type: ignore[method-assign, assignment]  # the cloud's slowness, nothing of ours
    workers.run(CreateServer)
    world.cloud.add_server = slow  # type: ignore[method-assign]
    for _ in range(20):
        world.clock.advance(0.2)
        world.launcher.step()
        workers.run_all()
    assert world.cloud.calls["create_server"] == 1
    assert [node.state for node in world.nodes()] == [READY]


def held_until(world: World, workers: HeldWorkers, kind: type[Action]) -> None:
    """Let the launcher work until it wants to do something of that kind, which is held."""
    for _ in range(200):
        world.launcher.step()
        if any(isinstance(action, kind) for action, _, _ in workers.held):
            return
        workers.run_all()
        world.clock.advance(0.5)
    raise AssertionError(f"no {kind.__name__} came up")


def test_an_action_that_ends_while_the_next_plan_is_made_is_not_repeated(tmp_path: Path) -> None:
    """The plan looked at records from before it ended: what it says about that node is out of date."""
    world = World(make_config(min_ready=1, state_dir=tmp_path), tmp_path)
    workers = HeldWorkers()
    world.launcher = world.start("launcher-2", workers)
    held_until(world, workers, CreateServer)
    world.meanwhile = lambda: workers.run_all(CreateServer)
    world.launcher.step()
    world.meanwhile = lambda: None
    workers.run_all()
    assert world.cloud.calls["create_server"] == 1


def test_an_unforeseen_error_in_a_step_does_not_end_the_loop(world: World) -> None:
    """It is said, and after a pause the loop looks again."""

    def fall() -> None:
        raise KeyError("a mistake of ours")

    world.meanwhile = fall
    assert world.launcher.step() == world.clock.now() + 5
    assert "a mistake of ours" in world.launcher.engine.why
    world.meanwhile = lambda: None
    world.run(60)
    assert len(world.nodes(READY)) == 2


def test_a_taken_node_whose_lease_is_over_is_deleted(world: World) -> None:
    """Whoever ended the lease had not seen that it was given a node."""
    world.run(60)
    node = world.nodes()[0]
    world.store.create(make_lease(state=LeaseState.ENDED, nodes=(node.id,), order=0))
    world.store.update(node.to(NodeState.IN_USE, world.clock.now(), "taken", lease="abcd2345"))
    world.run(30)
    assert node.id not in world.records.nodes


def test_a_launcher_that_lost_its_lead_does_not_ask_for_a_server_again(tmp_path: Path) -> None:
    """Its worker was slow: by the time it gets round to the request, the successor has made it."""
    world = World(make_config(min_ready=1, state_dir=tmp_path), tmp_path)
    workers = HeldWorkers()
    world.launcher = first = world.start("launcher-2", workers)
    held_until(world, workers, CreateServer)
    first.store.disconnect()
    first.store.expire()
    world.launcher = world.start("launcher-3")
    world.run(5)
    first.store.reconnect()
    workers.run(CreateServer)
    assert world.cloud.calls["create_server"] == 1


def test_a_quota_that_was_seen_as_leader_is_not_believed_for_ever(tmp_path: Path) -> None:
    """Another launcher asks the cloud now, and does not tell how much room there is: its refusals would."""
    label = Label(name="debian-12", min_ready=2)
    world = World(make_config(labels=(label,), state_dir=tmp_path), tmp_path / "images", max_servers=1)
    world.run(20)
    assert len(world.nodes()) == 1
    leader = world.records.leaders[f"provider/{PROVIDER}"]
    world.store.delete(leader)
    world.store.create(Leader(id=leader.id, holder="another"))
    world.run(5)
    assert [node.state for node in world.nodes()] == [NodeState.READY, NodeState.BUILDING]


def test_old_build_logs_make_room_after_a_build(tmp_path: Path) -> None:
    """The newest `build-log-retention` stay; nobody has to look after the directory."""
    world = World(make_config(state_dir=tmp_path), tmp_path)
    logs = world.config.build_log_dir
    logs.mkdir(parents=True)
    for number in range(900, 920):
        (logs / f"debian-12-{number:010d}.log").write_text("line\n")
    world.run(5)
    assert len(list(logs.iterdir())) == world.config.build_log_retention


def test_nothing_is_remembered_about_nodes_that_are_gone(tmp_path: Path) -> None:
    """A daemon runs for months."""
    label = Label(name="debian-12", min_ready=1, ready_script="prepare.sh")
    world = World(
        make_config(labels=(label,), state_dir=tmp_path, failed_retention=10.0), tmp_path, boot_error_rate=0.5
    )
    world.nodes_inside.script_seconds = 20
    for _ in range(5):
        world.run(60)
        for node in world.nodes(READY, NodeState.PREPARING):
            world.nodes_inside.unreachable.add(node.id)
        world.run(400, step=5)
    known = set(world.records.nodes)
    assert {key.rpartition(" ")[2] for key in world.launcher.ctx.notes} <= known
    assert set(world.launcher.ctx.sightings.checked()) <= known
    assert len(list((tmp_path / "logs" / "nodes").iterdir())) <= len(known)


def test_a_request_that_outlives_its_launchers_lead_leaves_no_second_server(tmp_path: Path) -> None:
    """The cloud was slow, the successor asked again: what came of the first request is swept."""
    world = World(make_config(min_ready=1, state_dir=tmp_path), tmp_path)
    workers = HeldWorkers()
    world.launcher = first = world.start("launcher-2", workers)
    held_until(world, workers, CreateServer)
    prompt = world.cloud.add_server

    def slow(*args: Any) -> str:
        world.cloud.add_server = prompt  # type: ignore[method-assign]
        first.store.expire()
        world.launcher = world.start("launcher-3")
        world.run(30)
        return prompt(*args)

    world.cloud.add_server = slow  # type: ignore[method-assign, assignment]  # the cloud's slowness, nothing of ours
    workers.run(CreateServer)
    assert len(world.servers()) == 2
    world.run(60)
    assert world.servers() == [node.id for node in world.nodes(READY)]
    assert len(world.servers()) == 1


def test_an_action_without_effect_does_not_make_the_loop_spin(tmp_path: Path) -> None:
    """Somebody else is always quicker: it is tried again after a moment, and the rest goes on."""
    world = World(make_config(min_ready=1, state_dir=tmp_path), tmp_path)
    tries: list[str] = []

    def around(name: str, call: Callable[[], Any]) -> Any:
        if name == "delete":
            tries.append(name)
            raise StoreConflictError("changed meanwhile")
        return call()

    world.launcher = world.start("launcher-2", wire=lambda thing: Wired(thing, around))
    world.store.create(Backoff(id="launch/junk@local", failures=1, error="x", since=0, last=0, next_try=0))
    world.run(30)
    assert len(tries) <= 60
    assert world.nodes(READY)


@pytest.mark.parametrize("state", [NodeState.BUILDING, NodeState.TESTING, NodeState.PREPARING])
def test_a_launcher_that_was_away_for_hours_finds_its_nodes_and_goes_on(tmp_path: Path, state: NodeState) -> None:
    """No time-out runs while nobody looks; nothing is made or run twice."""
    label = Label(name="debian-12", min_ready=1, ready_script="prepare.sh")
    world = World(make_config(labels=(label,), state_dir=tmp_path), tmp_path, boot_time=5)
    world.nodes_inside.script_seconds = 10
    world.nodes_inside.unreachable.add("0000000000")
    for _ in range(100):
        world.run(1)
        if state is NodeState.PREPARING:
            world.nodes_inside.unreachable.clear()
        if world.nodes(state) and (world.nodes_inside.runs or state is not NodeState.PREPARING):
            break
    (node,) = world.nodes(state)
    world.launcher.kill()
    world.clock.advance(10_000)
    world.nodes_inside.unreachable.clear()
    world.launcher = world.start("launcher-2")
    world.run(60)
    assert [each.id for each in world.nodes()] == [each.id for each in world.nodes(READY)] == [node.id]
    assert world.nodes_inside.runs == {node.id: [f"{node.id}-1"]}
    assert world.cloud.calls["create_server"] == 1


@pytest.mark.parametrize("state", [NodeState.BUILDING, NodeState.PREPARING])
@pytest.mark.parametrize(("away", "later"), [(20.0, 2.0), (60.0, 32.0)])
def test_a_restart_delays_a_node_by_what_it_takes_at_most(
    tmp_path: Path, state: NodeState, away: float, later: float
) -> None:
    """The server boots and its script runs on meanwhile, for 30 s each: of the time away only the rest counts."""

    def ready_after(name: str, away: float) -> float:
        label = Label(name="web", min_ready=1, ready_script="prepare.sh")
        world = World(make_config(labels=(label,), state_dir=tmp_path / name), tmp_path / name, boot_time=30)
        world.nodes_inside.script_seconds = 30
        while not world.nodes(state):
            world.run(1)
        began = world.nodes()[0].created
        world.launcher.kill()
        world.clock.advance(away)
        world.launcher = world.start("launcher-2")
        while not world.nodes(READY):
            world.run(1)
        return world.nodes()[0].state_since - began

    at_once = ready_after("at-once", 0)
    assert at_once == pytest.approx(60, abs=5)
    assert ready_after("away", away) <= at_once + later


def test_a_wake_without_news_plans_nothing_anew(world: World) -> None:
    """A quiet pool costs next to nothing, however many nodes it has; what changes, or comes due, is planned for."""
    world.run(60)
    engine = world.launcher.engine
    world.settle()
    made = engine._plan
    engine.step()
    assert engine._plan is made
    world.clock.advance(600)
    engine.step()
    assert engine._plan is not made
