"""A node is ready when what it is there for works, and as long as it does."""

from pathlib import Path

import pytest

from nodepool_lite.model.node import NodeState
from tests.actions.conftest import MakeWorld

SCRIPT = "#!/bin/sh\n# nodepool-verify: verify.sh\n"
LABEL = {"ready_script": "prepare.sh"}


@pytest.fixture
def config(tmp_path: Path) -> dict[str, object]:
    """A scripts-dir with a ready-script that names its verify-script."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "prepare.sh").write_text(SCRIPT)
    (scripts / "verify.sh").write_text("#!/bin/sh\n")
    return {"scripts_dir": (scripts,)}


def test_a_node_is_verified_before_it_is_ready(make_world: MakeWorld, config: dict[str, object]) -> None:
    """With the script that its ready-script names, once; its history says so."""
    world = make_world(LABEL, config)
    world.run(10)
    (node,) = world.nodes(NodeState.READY)
    assert world.nodes_inside.verified == [node.id]
    assert node.history[-1].reason == "ready-script prepare.sh succeeded, and so did verify.sh"


def test_a_node_that_does_not_work_does_not_become_ready(make_world: MakeWorld, config: dict[str, object]) -> None:
    """It may be slow to begin, so it is asked a few times; then it has failed, with the script's words."""
    world = make_world(LABEL, config)
    world.nodes_inside.broken["all"] = "keystone does not answer"
    world.run(15)
    assert not world.nodes(NodeState.FAILED)
    world.run(30)
    failed = world.nodes(NodeState.FAILED)[0]
    assert failed.error == (
        "ready-script prepare.sh succeeded, but verify.sh ended with status 1: keystone does not answer"
    )
    assert world.nodes_inside.verified.count(failed.id) == 3


def test_a_node_that_works_at_the_second_try_is_ready(make_world: MakeWorld, config: dict[str, object]) -> None:
    """Some services answer only a moment after they have been started."""
    world = make_world(LABEL, config)
    world.nodes_inside.broken["all"] = "keystone does not answer"
    world.run(5)
    world.nodes_inside.broken.clear()
    world.run(20)
    assert len(world.nodes(NodeState.READY)) == 1
    assert not world.nodes(NodeState.FAILED)


def test_a_ready_node_that_ceases_to_work_is_replaced(make_world: MakeWorld, config: dict[str, object]) -> None:
    """By the check: sshd alone is not what people wait for."""
    world = make_world(LABEL, config)
    world.run(10)
    (node,) = world.nodes(NodeState.READY)
    world.nodes_inside.broken[node.id] = "nova at http://172.31.99.1:8774 answers 503"
    world.run(400)
    failed = world.records.nodes[node.id]
    assert failed.error == (
        "it failed its check: verify.sh ended with status 1: nova at http://172.31.99.1:8774 answers 503"
    )
    (fresh,) = world.nodes(NodeState.READY)
    assert fresh.id != node.id


def test_a_label_without_a_ready_script_can_be_verified(make_world: MakeWorld, config: dict[str, object]) -> None:
    """By a script of its own, which is put on the node as well."""
    world = make_world({"verify_script": "verify.sh"}, config)
    world.run(10)
    (node,) = world.nodes(NodeState.READY)
    assert world.nodes_inside.verified == [node.id]


def test_a_node_of_before_its_label_had_a_verify_script_is_left_to_its_turn(
    make_world: MakeWorld, config: dict[str, object]
) -> None:
    """It lacks the script, and fails no check for that."""
    world = make_world({}, config)
    world.run(10)
    (node,) = world.nodes(NodeState.READY)
    label = world.config.labels[0].but(verify_script="verify.sh")
    world.config = world.config.but(labels=(label,))
    for _ in range(400):
        world.run(1)
        assert world.nodes(NodeState.READY)
    assert not world.nodes(NodeState.FAILED)
    assert world.nodes(NodeState.READY)[0].id != node.id


def test_a_verify_script_that_is_nowhere_fails_the_node(make_world: MakeWorld, config: dict[str, object]) -> None:
    """It was to be in the image, and is not."""
    world = make_world({"verify_script": "verify_none.sh"}, config)
    world.run(40)
    assert "verify_none.sh is neither in `scripts-dir` nor in its image" in world.nodes(NodeState.FAILED)[0].error


def test_a_script_whose_library_is_missing_fails_its_node_with_that_reason(
    make_world: MakeWorld, config: dict[str, object], tmp_path: Path
) -> None:
    """Not with what the shell makes of it on the node."""
    (tmp_path / "scripts" / "verify.sh").unlink()
    world = make_world(LABEL, config)
    world.run(10)
    assert "prepare.sh names verify.sh, which is not in `scripts-dir`" in world.nodes(NodeState.FAILED)[0].error


def test_a_node_that_does_not_answer_its_check_is_looked_up_in_the_cloud(make_world: MakeWorld) -> None:
    """At once, however seldom a pool at rest lists its servers: to be shut down says more than to be silent."""
    world = make_world(config={"check_interval": 60.0}, poll_interval=20)
    world.run(60)
    (node,) = world.nodes(NodeState.READY)
    assert node.server_id is not None
    world.cloud.stop(node.server_id)
    world.run(60)
    assert world.records.nodes[node.id].error == "its server is stopped: shut down from inside"
