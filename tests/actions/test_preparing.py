"""From the first login to ready: scripts that fail, hang, are retried, or cannot even start."""

from nodepool_lite.model.node import NodeState
from tests.actions.conftest import MakeWorld

SCRIPT = {"ready_script": "prepare.sh"}


def test_a_script_that_cannot_start_fails_its_node_at_once(make_world: MakeWorld) -> None:
    """Trying again will not help, and two hours of silence neither."""
    world = make_world(SCRIPT)
    world.nodes_inside.complaint = "there is no shell on this node"
    world.run(10)
    assert "there is no shell" in world.nodes(NodeState.FAILED)[0].error


def test_a_failed_script_is_run_again_as_often_as_its_label_says(make_world: MakeWorld) -> None:
    """Each time as a run of its own, on the same node."""
    world = make_world({**SCRIPT, "ready_script_retries": 2})
    world.nodes_inside.exit_status = 3
    world.run(30)
    failed = world.nodes(NodeState.FAILED)[0]
    assert world.nodes_inside.runs[failed.id] == [f"{failed.id}-{number}" for number in (1, 2, 3)]
    assert failed.script is not None
    assert failed.script.exit_status == 3
    assert [event.reason for event in failed.history if "trying again" in event.reason]


def test_a_script_that_hangs_fails_its_node_with_the_step_it_hung_at(make_world: MakeWorld) -> None:
    """After ready-script-timeout."""
    world = make_world({**SCRIPT, "ready_script_timeout": 60.0})
    world.nodes_inside.script_seconds = 10_000
    world.run(90)
    failed = world.nodes(NodeState.FAILED)[0]
    assert "60 s" in failed.error
    assert failed.error.endswith("at: working")


def test_the_output_of_a_script_is_kept_once_on_this_host(make_world: MakeWorld) -> None:
    """However often it was looked at, and goes with the node's record."""
    world = make_world(SCRIPT)
    world.nodes_inside.script_seconds = 20
    world.run(60)
    (node,) = world.nodes(NodeState.READY)
    log = world.launcher.ctx.node_logs(node.id) / "ready-script.log"
    assert log.read_text() == "::step:: working\n"
    world.store.update(node.to(NodeState.DELETING, world.clock.now(), "by a test"))
    world.run(60)
    assert not log.exists()


def test_a_node_that_stops_answering_while_its_script_runs_fails_with_that_trouble(make_world: MakeWorld) -> None:
    """The time-out tells what was seen last."""
    world = make_world({**SCRIPT, "ready_script_timeout": 60.0})
    world.nodes_inside.script_seconds = 20
    world.run(5)
    (node,) = world.nodes(NodeState.PREPARING)
    world.nodes_inside.unreachable.add(node.id)
    world.run(90)
    assert "connection refused" in world.records.nodes[node.id].error


def test_a_disk_that_takes_no_logs_keeps_no_node_from_failing(make_world: MakeWorld) -> None:
    """The console log is lost; the reason is not."""
    world = make_world()
    world.run(5)
    (node,) = world.nodes(NodeState.READY)
    logs = world.launcher.ctx.node_logs(node.id).parent
    logs.parent.mkdir(parents=True, exist_ok=True)
    logs.write_text("a file where the directory should be")
    assert node.server_id is not None
    world.cloud.write_console(node.server_id, "Kernel panic")
    world.cloud.stop(node.server_id)
    world.run(60)
    assert world.records.nodes[node.id].state is NodeState.FAILED
