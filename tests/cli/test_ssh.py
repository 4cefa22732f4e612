"""`nodepool-lite ssh` into a real sshd."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodepool_lite.access.keys import KeyPair, ca_key, new_host_key
from nodepool_lite.access.session import connect
from nodepool_lite.access.trust import install_trust
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.testing import HOST_KEY, make_node, numbered
from tests.access.guest import Guest

from .conftest import RealPool

pytestmark = pytest.mark.zookeeper
ONE = numbered(1)
KEY = new_host_key()


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """Give a stand-in for a node that lets the pool's key in."""
    guest = Guest.make(tmp_path_factory.mktemp("guest"), KEY)
    yield guest
    guest.remove()


@pytest.fixture
def node(real_pool: RealPool, guest: Guest) -> Node:
    """Give a ready node of the pool that is the stand-in."""
    return real_pool.store.create(make_node(1, port=guest.port, host_key=guest.host_key.public))


@pytest.fixture
def pool_key(real_pool: RealPool) -> KeyPair:
    """Have the pool's key where it belongs."""
    directory = real_pool.config.parent / "state" / "ssh"
    directory.mkdir(parents=True)
    path = directory / "id_ed25519"
    path.write_text(KEY.private_openssh)
    path.chmod(0o600)
    return KEY


def only_lease(real_pool: RealPool) -> LeaseState:
    """Return the state of the one lease that there is."""
    (lease,) = real_pool.store.read().leases.values()
    return lease.state


def _let_certificates_in(guest: Guest, pool: RealPool, node: Node) -> None:
    """Have the guest trust the pool's authority for this node, as a prepared node does."""
    session = connect(guest.target(), KEY, 20)
    install_trust(session, ca_key(pool.config.parent / "state").public, node.id)
    session.close()


@pytest.mark.usefixtures("node", "pool_key")
def test_a_label_gives_a_fresh_node_for_one_command(real_pool: RealPool) -> None:
    """Its output and its exit status come through, and the node is given back."""
    done = real_pool.run("ssh", "debian-12", "--", "echo here; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "here\n", "")
    records = real_pool.store.read()
    assert only_lease(real_pool) is LeaseState.ENDED
    assert records.nodes[ONE].state is NodeState.DELETING


@pytest.mark.usefixtures("node", "pool_key")
def test_words_reach_the_command_as_they_are(real_pool: RealPool) -> None:
    """Options of the command are not ours, and spaces survive."""
    done = real_pool.run("ssh", "debian-12", "--", "printf", "%s|", "-k", "a b", "--keep")
    assert done.stdout == "-k|a b|--keep|"


@pytest.mark.usefixtures("node", "pool_key")
def test_a_kept_node_can_be_come_back_to(real_pool: RealPool) -> None:
    """By its lease, its number or its host name."""
    first = real_pool.run("ssh", "debian-12", "--keep", "--", "true")
    (lease,) = real_pool.store.read().leases
    assert f"nodepool-lite ssh {lease}" in first.stderr
    for name in (lease, "1", "debian-12-0000000001"):
        assert real_pool.run("ssh", name, "--", "whoami").stdout == "jenkins\n"
    assert only_lease(real_pool) is LeaseState.ACTIVE


@pytest.mark.usefixtures("pool_key")
def test_a_node_that_shows_another_host_key_is_refused(real_pool: RealPool, guest: Guest) -> None:
    """Nothing is sent to it, and the node is given back."""
    real_pool.store.create(make_node(1, port=guest.port, host_key=HOST_KEY))
    done = real_pool.run("ssh", "debian-12", "--", "echo here")
    assert (done.returncode, done.stdout) == (255, "")
    assert "Host key verification failed" in done.stderr
    assert only_lease(real_pool) is LeaseState.ENDED


@pytest.mark.usefixtures("node", "pool_key")
def test_a_closed_terminal_gives_the_node_back(real_pool: RealPool) -> None:
    """A hang-up in the middle of a command ends ssh and the lease."""
    with real_pool.start("ssh", "debian-12", "--", "echo started; sleep 600") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(1)
        process.communicate(timeout=60)
    assert process.returncode == 129
    assert only_lease(real_pool) is LeaseState.ENDED


@pytest.mark.usefixtures("node", "pool_key")
def test_a_lease_that_is_over_opens_nothing(real_pool: RealPool) -> None:
    """The message says how it ended."""
    real_pool.run("ssh", "debian-12", "--", "true")
    (lease,) = real_pool.store.read().leases
    done = real_pool.run("ssh", lease, "--", "true")
    assert done.returncode == 1
    assert f"lease {lease} is ended (released: by " in done.stderr


@pytest.mark.usefixtures("pool_key", "node")
def test_logging_in_to_an_unused_node_is_remarked_on(real_pool: RealPool) -> None:
    """It would not be pristine afterwards."""
    done = real_pool.run("ssh", "1", "--", "true")
    assert done.returncode == 0
    assert "in nobody's hands" in done.stderr


def test_without_any_key_the_way_out_is_told(real_pool: RealPool, node: Node) -> None:
    """The pool's key is missing here, and the node has no lease with a key."""
    done = real_pool.run("ssh", node.id, "--", "true")
    assert done.returncode == 1
    assert "use sudo on a host of the pool, or grab a node with --public-key" in done.stderr


def test_a_lease_with_a_key_of_ones_own(real_pool: RealPool, node: Node, guest: Guest, tmp_path: Path) -> None:
    """The certificate that was signed with the lease opens the node, and no pool key is needed."""
    _let_certificates_in(guest, real_pool, node)
    own = tmp_path / "own"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", own], check=True)
    lease = real_pool.run("grab", "debian-12", "--public-key", f"{own}.pub", "-f", "value").stdout.strip()
    guest.wait_for_sshd()
    done = real_pool.run("ssh", lease, "-i", str(own), "--", "whoami")
    assert (done.returncode, done.stdout) == (0, "jenkins\n"), done.stderr
    refused = real_pool.run("ssh", lease, "--", "whoami")
    assert refused.returncode == 1
    assert "name it with --identity" in refused.stderr


def test_the_line_of_a_test_day_logs_in_with_ones_own_key(
    real_pool: RealPool, node: Node, guest: Guest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is printed: the private half is found where people have their keys."""
    _let_certificates_in(guest, real_pool, node)
    guest.wait_for_sshd()
    monkeypatch.setenv("HOME", str(tmp_path))
    own = tmp_path / ".ssh" / "id_ed25519"
    own.parent.mkdir(mode=0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", own], check=True)
    (row,) = json.loads(real_pool.run("test-day", "debian-12", "--public-key", f"{own}.pub", "-f", "json").stdout)
    program, *arguments = row["Log-in"].split()
    assert program == "nodepool-lite"
    done = real_pool.run(*arguments, "--", "whoami")
    assert (done.returncode, done.stdout) == (0, "jenkins\n"), done.stderr


def test_a_user_who_may_not_read_the_pools_key_gets_a_key_for_this_login(
    real_pool: RealPool, node: Node, guest: Guest
) -> None:
    """A label is enough: a key is made, certified, used and forgotten."""
    _let_certificates_in(guest, real_pool, node)
    guest.wait_for_sshd()
    done = real_pool.run("ssh", "debian-12", "--", "whoami")
    assert (done.returncode, done.stdout) == (0, "jenkins\n"), done.stderr
    (lease,) = real_pool.store.read().leases.values()
    assert lease.public_key is not None
    assert lease.state is LeaseState.ENDED
