"""Tests of a node booted from the Debian image that the shipped elements make: what the pool relies on in it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.actions.dib.machine import Machine, booted, make_key
from tests.images import debian_image

pytestmark = pytest.mark.machine

NAME = "debian-12-0000000042"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot one node; that it lets us in shows that it has taken the host key that we pin."""
    image, key = debian_image()
    with booted(tmp_path_factory.mktemp("node"), image, key, NAME) as machine:
        yield machine


def test_the_node_knows_its_name(node: Machine) -> None:
    """The name of the config drive is the host name, and sudo resolves it."""
    assert (
        node.run("hostname; sudo -n true 2>&1; getent hosts $(hostname) | tr -s ' '") == f"{NAME}\n127.0.1.1 {NAME}\n"
    )


def test_the_user_is_root_when_it_wants_to_be(node: Machine) -> None:
    """Sudo asks for no password."""
    assert node.run("sudo -n id -u") == "0\n"


def test_the_node_has_one_host_key(node: Machine) -> None:
    """Only the injected key is there: none was baked in or made beside it."""
    assert node.run("ls /etc/ssh/ssh_host_*").split() == [
        "/etc/ssh/ssh_host_ed25519_key",
        "/etc/ssh/ssh_host_ed25519_key.pub",
    ]


def test_the_launcher_can_leave_word(node: Machine) -> None:
    """/etc/nodepool is writable without sudo, and the place of ready-scripts is the user's own."""
    node.run("echo primary > /etc/nodepool/role && echo true > /opt/nodepool-scripts/ready.sh")


def test_nothing_of_the_build_host_is_left(node: Machine) -> None:
    """Name servers are those of DHCP, and the machine-id was made at boot."""
    host = Path("/etc/resolv.conf").read_text().splitlines()
    servers = node.run("grep nameserver /etc/resolv.conf").splitlines()
    identity = node.run("cat /etc/machine-id").strip()

    assert servers
    assert not set(servers) & set(host)
    assert len(identity) == 32
    assert int(identity, 16) != 0


def test_certificates_of_the_pools_authority_let_users_in(node: Machine, tmp_path: Path) -> None:
    """Nobody's certificate counts until the launcher names an authority and a principal; then only for that one."""
    make_key(tmp_path / "ca")
    make_key(tmp_path / "user")
    public = tmp_path / "user.pub"
    subprocess.check_call(
        ["ssh-keygen", "-q", "-s", tmp_path / "ca", "-I", "lease-1", "-n", "node-42", "-V", "-1d:+1d", public]
    )
    credentials = ("-i", str(tmp_path / "user"), "-o", f"CertificateFile={tmp_path}/user-cert.pub")
    with pytest.raises(subprocess.CalledProcessError):
        node.run("true", *credentials)

    authority = (tmp_path / "ca.pub").read_text().strip()
    node.run(
        f"echo '{authority}' | sudo -n tee /etc/nodepool-ssh/ca.pub; echo other | sudo tee /etc/nodepool-ssh/principals"
    )
    with pytest.raises(subprocess.CalledProcessError):
        node.run("true", *credentials)
    node.run("echo node-42 | sudo -n tee /etc/nodepool-ssh/principals")

    assert node.run("echo in", *credentials) == "in\n"


def test_every_service_came_up(node: Machine) -> None:
    """No unit failed, and nothing is still waiting: the image has no parts that fight each other."""
    node.run("systemctl is-system-running --wait || true", timeout=120)

    assert node.run("systemctl --failed --plain --no-legend") == ""
