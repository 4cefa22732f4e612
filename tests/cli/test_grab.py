"""Taking nodes and giving them back, as a user does it."""

import json
import re
import threading
from pathlib import Path

import pytest

from nodepool_lite.access.keys import new_host_key
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState
from nodepool_lite.testing import HOST_KEY, make_node, numbered

from .conftest import Desk, RealPool

ONE = numbered(1)


def test_a_grab_tells_the_lease_and_the_way_in(desk: Desk) -> None:
    """For people: the lease, the node, and what to type next."""
    desk.store.create(make_node(1))
    shown = desk.out("grab", "debian-12", "--lifetime", "2h", "--reason", "demo")
    (lease,) = desk.store.snapshot().leases.values()
    first, second, third = shown.splitlines()
    assert first.startswith(f"lease   {lease.id}  debian-12, ends in 2h00m at ")
    assert second == f"node    {ONE}  jenkins@127.0.0.1 port 22001  debian-12-0000000001"
    assert third == f"log in  nodepool-lite ssh {lease.id}"
    assert lease.reason == "demo"


def test_a_grab_for_programs(desk: Desk) -> None:
    """Everything that is needed to log in by other means, with the key that the host must show."""
    desk.store.create(make_node(1))
    data = desk.json("grab", "debian-12")
    assert data["label"] == "debian-12"
    (node,) = data["nodes"]
    assert (node["id"], node["username"], node["address"], node["port"]) == (ONE, "jenkins", "127.0.0.1", 22001)
    assert node["host_key"] == HOST_KEY
    assert data["expires"] == "2023-11-15T02:13:20Z"


def test_a_grab_for_scripts(desk: Desk) -> None:
    """`-f value` is the lease's id, which `release` takes."""
    desk.store.create(make_node(1))
    lease = desk.out("grab", "debian-12", "-f", "value").strip()
    assert desk.out("release", lease) == f"{lease}: ended; being deleted: {ONE}\n"
    assert desk.store.snapshot().nodes[ONE].state is NodeState.DELETING


def test_a_set_is_told_with_its_roles(desk: Desk) -> None:
    """The primary first, and the login goes to it."""
    desk.store.create(make_node(1, subnodes=(numbered(2),)))
    desk.store.create(make_node(2, primary=ONE))
    shown = desk.out("grab", "debian-12")
    assert shown.splitlines()[-1] == f"log in  nodepool-lite ssh {ONE}"
    assert [node.lease is not None for node in desk.store.snapshot().nodes.values()] == [True, True]


def test_a_set_of_several_labels_tells_which_machine_is_which(desk: Desk) -> None:
    """For people, for programs, and afterwards."""
    desk.store.create(make_node(1, subnodes=(numbered(2),), member="controller"))
    desk.store.create(make_node(2, primary=ONE, member="compute"))
    data = desk.json("grab", "debian-12")
    assert [(node["label"], node["role"]) for node in data["nodes"]] == [("controller", "primary"), ("compute", "sub")]
    for name in (data["lease"], numbered(2)):
        shown = desk.out("show", name)
        assert re.search(f"machine {ONE} +controller, primary, in-use\n", shown)
        assert re.search(f"machine {numbered(2)} +compute, sub, in-use\n", shown)
        machines = desk.json("show", name)["machines"]
        assert [(each["id"], each["label"]) for each in machines] == [(ONE, "controller"), (numbered(2), "compute")]


def test_a_grabbed_set_says_which_machine_is_which(desk: Desk) -> None:
    """Beside how to reach each."""
    desk.store.create(make_node(1, subnodes=(numbered(2),), member="controller"))
    desk.store.create(make_node(2, primary=ONE, member="compute"))
    lines = desk.out("grab", "debian-12").splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("node ")] == ["controller", "compute"]


def test_nothing_at_once_is_status_4_and_queues_nothing(desk: Desk) -> None:
    """`--no-wait` leaves no trace."""
    result = desk.run("grab", "debian-12", "--no-wait")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "no node is free at the moment" in result.stderr
    assert not desk.store.snapshot().leases


def test_the_owner_is_who_called_sudo(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not root."""
    monkeypatch.setenv("SUDO_USER", "carol")
    desk.store.create(make_node(1))
    assert desk.json("grab", "debian-12")["owner"] == "carol"


def test_a_key_of_ones_own_is_asked_for_by_file(desk: Desk, tmp_path: Path) -> None:
    """Without a launcher nobody signs here, and the user is told where the certificate will be."""
    key = tmp_path / "id.pub"
    key.write_text(f"{new_host_key().public} carol@lab\n")
    desk.store.create(make_node(1))
    result = desk.run("grab", "debian-12", "--public-key", str(key), "-f", "value")
    lease = desk.store.snapshot().leases[result.stdout.strip()]
    assert lease.public_key is not None
    assert "carol" not in lease.public_key
    assert f"nodepool-lite show {lease.id} -f json" in result.stderr


def test_a_key_file_that_is_not_there(desk: Desk) -> None:
    """Nothing is taken."""
    desk.store.create(make_node(1))
    result = desk.run("grab", "debian-12", "--public-key", "/nowhere/id.pub")
    assert result.exit_code == 1
    assert "/nowhere/id.pub: cannot be read (No such file or directory)" in result.stderr
    assert not desk.store.snapshot().leases


def test_a_key_file_that_is_no_text(desk: Desk, tmp_path: Path) -> None:
    """A private key of another kind, or anything else: it is told which file is meant."""
    key = tmp_path / "id.der"
    key.write_bytes(b"\x30\x82\xff")
    result = desk.run("grab", "debian-12", "--public-key", str(key))
    assert result.exit_code == 1
    assert "id.der: this is no public key; give the file whose name ends in .pub" in result.stderr


def test_extending_tells_the_new_end(desk: Desk) -> None:
    """And by how much it lies ahead."""
    desk.store.create(make_node(1))
    lease = desk.out("grab", "debian-12", "--lifetime", "1h", "-f", "value").strip()
    assert desk.out("extend", lease, "2h").startswith(f"{lease}: ends in 3h00m, at ")


def test_releasing_one_node_of_two(desk: Desk) -> None:
    """The lease goes on, and that is said."""
    desk.store.create(make_node(1))
    desk.store.create(make_node(2))
    lease = desk.out("grab", "debian-12", "--count", "2", "-f", "value").strip()
    assert desk.out("release", "1") == f"{lease}: goes on with its other nodes; being deleted: {ONE}\n"


@pytest.mark.zookeeper
def test_a_wait_that_is_over_is_status_4(real_pool: RealPool) -> None:
    """The user hears how it stood, and the lease is over."""
    done = real_pool.run("grab", "debian-12", "--wait", "1")
    assert done.returncode == 4
    assert "place 1 in the queue for debian-12" in done.stderr
    assert "no node became free within 1" in done.stderr
    (lease,) = real_pool.store.read().leases.values()
    assert lease.end_reason == "expired: no node became free within 1"


@pytest.mark.zookeeper
def test_two_grabs_racing_for_the_last_node(real_pool: RealPool) -> None:
    """One gets it, the other waits, and gets the next one."""
    real_pool.store.create(make_node(1))
    racers = [real_pool.start("grab", "debian-12", "-f", "json") for _ in range(2)]
    waiting = _who_waits(real_pool)
    real_pool.store.create(make_node(2))
    taken = []
    for process in racers:
        with process:
            stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
        taken.append((json.loads(stdout)["lease"], json.loads(stdout)["nodes"][0]["id"], "in the queue" in stderr))
    assert sorted(node for _, node, _ in taken) == [ONE, numbered(2)]
    (late,) = [(lease, node) for lease, node, waited in taken if waited]
    assert late == (waiting, numbered(2))


def _who_waits(real_pool: RealPool) -> str:
    """Return the id of the lease that waits, once there are an active one and a waiting one."""
    changed = threading.Event()
    with real_pool.store.subscribe(changed.set):
        while True:
            leases = list(real_pool.store.snapshot().leases.values())
            if {lease.state for lease in leases} == {LeaseState.ACTIVE, LeaseState.WAITING}:
                return next(lease.id for lease in leases if lease.state is LeaseState.WAITING)
            assert changed.wait(60)
            changed.clear()


@pytest.mark.zookeeper
def test_a_warm_grab_works_with_nobody_else_around(real_pool: RealPool) -> None:
    """No launcher runs; the node is taken in the store."""
    real_pool.store.create(make_node(1))
    done = real_pool.run("grab", "debian-12", "-f", "value")
    assert done.returncode == 0, done.stderr
    records = real_pool.store.read()
    assert records.nodes[ONE].lease == done.stdout.strip()
    assert records.leases[done.stdout.strip()].nodes == (ONE,)


@pytest.mark.zookeeper
def test_a_killed_client_leaves_a_lease_that_shows_it(real_pool: RealPool) -> None:
    """Its waiter record goes with its session, so that a launcher can tell."""
    with real_pool.start("grab", "debian-12") as process:
        assert process.stderr is not None
        process.stderr.readline()
        records = real_pool.store.read()
        (lease,) = records.leases.values()
        assert set(records.waiters) == {lease.id}
        assert records.waiters[lease.id].pid == process.pid
        process.kill()
