"""What operators do: delete, hold, and look after images."""

import threading

import pytest

from nodepool_lite.model.image import BuildState
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.pool import Member
from nodepool_lite.testing import LABEL, NOW, make_build, make_lease, make_node, make_upload, numbered

from .conftest import Desk, RealPool

ONE = numbered(1)


def test_deleting_marks_the_node(desk: Desk) -> None:
    """The launcher does the rest."""
    desk.store.create(make_node(1))
    assert desk.out("delete", "1") == f"{ONE}: being deleted\n"
    assert desk.store.snapshot().nodes[ONE].state is NodeState.DELETING


@pytest.mark.zookeeper
def test_deleting_now_returns_when_the_node_is_gone(real_pool: RealPool) -> None:
    """Not before its record is removed."""
    real_pool.store.create(make_node(1))
    changed = threading.Event()
    with real_pool.store.subscribe(changed.set), real_pool.start("delete", "1", "--now") as process:
        while real_pool.store.snapshot().nodes[ONE].state is not NodeState.DELETING:
            assert changed.wait(60)
            changed.clear()
        assert process.poll() is None
        real_pool.store.delete(real_pool.store.snapshot().nodes[ONE])
        stdout, _ = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (0, f"{ONE}: gone\n")


def test_deleting_now_has_an_end(desk: Desk) -> None:
    """Status 4, and a hint that a launcher is needed."""
    desk.store.create(make_node(1))
    result = desk.run("delete", "1", "--now", "--wait", "0")
    assert result.exit_code == 4
    assert "is a launcher running?" in result.stderr


def test_holding_and_letting_go(desk: Desk) -> None:
    """With a reason, for a time; letting go deletes."""
    desk.store.create(make_node(1))
    assert desk.out("hold", "1", "--reason", "bug 7", "--for", "8h").startswith(f"{ONE}: on hold until 20")
    node = desk.store.snapshot().nodes[ONE]
    assert (node.state, node.hold_until) == (NodeState.HOLD, NOW + 8 * 3600)
    assert desk.out("unhold", "1") == f"{ONE}: being deleted\n"


def test_a_hold_without_an_end_says_so(desk: Desk) -> None:
    """It lasts until somebody deletes the node."""
    desk.store.create(make_node(1, state=NodeState.IN_USE, lease="k7mp2x9q"))
    desk.store.create(make_lease("k7mp2x9q", state=LeaseState.ACTIVE, nodes=(ONE,)))
    assert desk.out("hold", "1", "--reason", "x") == f"{ONE}: on hold until it is deleted\n"


def test_asking_for_a_build(desk: Desk) -> None:
    """By the image's name, also its old one; with a word when nobody builds."""
    result = desk.run("image-build", "debian")
    assert (result.exit_code, result.stdout) == (0, "debian-12: build asked for\n")
    assert "no builder is running" in result.stderr
    assert [each.diskimage for each in desk.store.snapshot().requests.values()] == ["debian-12"]


@pytest.mark.parametrize(
    "arguments", [("local", "debian-12"), ("debian-12", "--provider", "local"), ("debian-12",), ("local", "debian")]
)
def test_asking_for_an_upload_in_every_dialect(desk: Desk, arguments: tuple[str, ...]) -> None:
    """The old words PROVIDER IMAGE, the option, or all providers."""
    desk.store.create(Member(id="builder-x-1", role="builder", host="x", pid=1, started=NOW, software="0"))
    assert desk.out("image-upload", *arguments) == "debian-12 to local: upload asked for\n"


def test_deleting_images_tells_what_follows(desk: Desk) -> None:
    """On stderr, while it is done."""
    desk.store.create(make_build(1))
    desk.store.create(make_upload(1))
    result = desk.run("image-delete", "debian-12-0000000001-local")
    assert (result.exit_code, result.stdout) == (0, "debian-12-0000000001-local: being deleted\n")
    assert "it was the only ready image of debian-12 at local" in result.stderr
    result = desk.run("dib-image-delete", "debian-12-0000000001")
    assert result.stdout == "debian-12-0000000001: being deleted\n"
    assert "it was the only ready build of debian-12" in result.stderr
    assert desk.store.snapshot().builds["debian-12/0000000001"].state is BuildState.DELETING


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("hold", "1", "--reason", "bug", "--for", "0"), "'0': expected a duration such as 90"),
        (("hold", "1", "--reason", " "), "it says nothing"),
        (("grab", LABEL, "--lifetime", "0s"), "'0s': expected a duration such as 90"),
        (("extend", "abcd2345", "0m"), "'0m': expected a duration such as 90"),
    ],
)
def test_what_would_be_over_at_once_is_refused(desk: Desk, command: tuple[str, ...], told: str) -> None:
    """A hold of no time deletes the node; and who is to be told why must be told something."""
    node = desk.store.create(make_node(1))
    result = desk.run(*command)
    assert (result.exit_code, told in result.stderr) == (2, True)
    assert desk.store.read(Node).nodes == {node.id: node}
